"""Signed records of 700 bytes straight into Kafka, for what is asked of the audit service alone.

They are those of departments' systems whose SDK does not run: two writers of one stream would fork
it. Nobody but audit and the agency reads their topic.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from aiokafka import AIOKafkaProducer

from sanyuan.client.broker import Broker
from sanyuan.client.joining import system_path
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.ids import format_time, new_case, new_id
from sanyuan.common.notes import VerifierKey
from sanyuan.common.record import SIGNATURE
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.bench.bare import client
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

TOPIC: Final = "operations-log"
RECORD_BYTES: Final = 700
TICK_SECONDS: Final = 0.02
_ENDED_SECONDS: Final = 60.0


class Writers:
    """The departments' systems as writers of one topic, each its own stream."""

    def __init__(self, files: Sequence[SystemFile]) -> None:
        self._files = files
        self._keys = [file.signing for file in files]
        self._heads = {file.source: (0, ZERO_HASH) for file in files}
        self._made = 0

    @classmethod
    def load(cls, var: Path) -> Self:
        """The first system of each department."""
        names = [department.systems[0].name for department in DEPARTMENTS]
        return cls([SystemFile.load(system_path(var, name)) for name in names])

    @property
    def keys(self) -> dict[bytes, VerifierKey]:
        """Kafka key → what its signatures are checked with."""
        return {file.source.encode(): file.signing.verifier for file in self._files}

    def make(self, count: int) -> list[tuple[bytes, bytes, bytes]]:
        """Key, value and signature of the next records, system by system in turn."""
        return [self._next() for _ in range(count)]

    def _next(self) -> tuple[bytes, bytes, bytes]:
        at = self._made % len(self._files)
        file, key = self._files[at], self._keys[at]
        self._made += 1
        last, head = self._heads[file.source]
        fields = {
            "specversion": "1.0",
            "id": new_id(),
            "source": file.source,
            "type": "bench.filled.v1",
            "time": format_time(datetime.now(UTC)),
            "topic": f"{file.domain}/{TOPIC}",
            "sequence": format_sequence(last + 1),
            "previous": head,
            "correlationid": new_case(),
        }
        bare = len(encode({**fields, "data": {"fill": ""}}))
        value = encode({**fields, "data": {"fill": "x" * max(0, RECORD_BYTES - bare)}})
        self._heads[file.source] = (last + 1, hash_value(value))
        return file.source.encode(), value, key.sign(value + b"\n").encode()


async def fill(broker: Broker, writers: Writers, count: int, rate: float | None = None) -> None:
    """Send ``count`` records, ``rate`` a second if it is given; all are acknowledged at the end.

    They are made and signed before the first one is sent.
    """
    records = writers.make(count)
    async with AIOKafkaProducer(
        **client(broker), enable_idempotence=True, linger_ms=5, max_batch_size=256 * 1024
    ) as producer:
        started, sent = time.monotonic(), 0
        sends: list[asyncio.Future[object]] = []
        while sent < count:
            elapsed = time.monotonic() - started
            due = count if rate is None else min(count, round(elapsed * rate))
            for key, value, signature in records[sent:due]:
                headers = [(SIGNATURE, signature)]
                sends.append(await producer.send(TOPIC, value, key=key, headers=headers))
            sent = max(sent, due)
            await asyncio.sleep(0 if rate is None else TICK_SECONDS)
        await asyncio.wait_for(asyncio.gather(*sends), _ENDED_SECONDS)
