"""Records as anyone may write them: by hand, byte for byte, past every check of ours.

No client library sends a header name that is not UTF-8, so the produce request is made here around
a record batch of aiokafka's own builder in Python.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as BatchBuilder

from sanyuan.client.broker import Broker
from sanyuan.common.envelope import ZERO_HASH, format_sequence, hash_value
from sanyuan.common.ids import new_case, new_id
from sanyuan.common.notes import SigningKey
from sanyuan.common.partition import partition_of
from sanyuan.common.sealing import HEADER_PREFIX, PublicSealingKey, reference
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import partitions_of

TOPIC: Final = "identity-commands"
TYPE: Final = "identity.verify-person.v1"
Headers = tuple[tuple[str, bytes | None], ...]


class RawName(str):
    """A header name that is written as these bytes, whatever they are."""

    __slots__ = ("raw",)

    def __new__(cls, raw: bytes) -> Self:
        made = super().__new__(cls, raw.decode("latin-1"))
        made.raw = raw
        return made

    raw: bytes

    def encode(self, *_: str) -> bytes:
        return self.raw


@dataclass(frozen=True)
class Raw:
    """One Kafka record to be."""

    value: bytes | None
    headers: Headers
    key: bytes | None


@dataclass
class Author:
    """Writes the records of one system, in order, and whatever else it is asked to sign."""

    system: SystemFile
    key: SigningKey
    sequence: int = 0
    previous: str = ZERO_HASH
    sent: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, system: SystemFile) -> Author:
        return cls(system, system.signing)

    @property
    def source(self) -> str:
        return self.system.source

    @property
    def partition(self) -> int:
        return partition_of(self.source.encode(), partitions_of(TOPIC))

    def fields(self, **changed: object) -> dict[str, object]:
        """The next record's envelope, with `changed` fields; None leaves a field out."""
        made: dict[str, object] = {
            "specversion": "1.0",
            "id": new_id(),
            "source": self.source,
            "type": TYPE,
            "time": "2026-11-23T02:17:00.123456Z",
            "topic": f"cn/{TOPIC}",
            "sequence": format_sequence(self.sequence + 1),
            "previous": self.previous,
            "correlationid": new_case(),
            "data": {},
        }
        return {name: value for name, value in (made | changed).items() if value is not None}

    def sign(self, value: bytes, sealed: Mapping[str, bytes] | None = None) -> Raw:
        """A record of exactly this value."""
        headers: list[tuple[str, bytes | None]] = [
            ("signature", self.key.sign(value + b"\n").encode())
        ]
        headers += [(HEADER_PREFIX + name, box) for name, box in (sealed or {}).items()]
        return Raw(value, tuple(headers), self.source.encode())

    def draft(self, sealed: Mapping[str, bytes] | None = None, **changed: object) -> Raw:
        """A record that takes no place here: what is sent next has its number."""
        return self.sign(orjson.dumps(self.fields(**changed)), sealed)

    def next(self, sealed: Mapping[str, bytes] | None = None, **changed: object) -> Raw:
        """The next record of the stream."""
        made = self.draft(sealed, **changed)
        assert made.value is not None
        self.sequence += 1
        self.previous = hash_value(made.value)
        self.sent.append(made.value)
        return made

    def question(self, subject: bytes) -> Raw:
        """The next command: a person to verify, by a ciphertext."""
        return self.next({"subject": subject}, data=asked(reference(subject)))

    def seal(self, plaintext: bytes, to: PublicSealingKey) -> bytes:
        return to.seal(plaintext, source=self.source, topic=f"cn/{TOPIC}", name="subject")


def asked(subject: Mapping[str, str]) -> dict[str, object]:
    return {
        "purpose": "food-business-licence",
        "legal_basis": "the law",
        "audience": "license-exchange",
        "subject": subject,
    }


@dataclass(frozen=True)
class Found:
    """What a topic has: its offset and the envelope."""

    topic: str
    offset: int
    envelope: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.envelope["type"])

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.envelope["data"])


class Wire:
    """The broker's administrator, who may write and read everything."""

    def __init__(self, client: AIOKafkaClient, consumer: AIOKafkaConsumer) -> None:
        self._client = client
        self._consumer = consumer

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, broker: Broker, watched: Iterable[str], whole: Iterable[str] = ()
    ) -> AsyncIterator[Wire]:
        """Watch one-partition topics from now on, and some from their start."""
        settings = broker.aiokafka()
        client = AIOKafkaClient(**settings)
        consumer = AIOKafkaConsumer(
            **settings, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await client.bootstrap()
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, 0) for topic in watched]
            consumer.assign([*partitions, *(TopicPartition(topic, 0) for topic in whole)])
            for partition, end in (await consumer.end_offsets(partitions)).items():
                consumer.seek(partition, end)
            yield cls(client, consumer)
        finally:
            await consumer.stop()
            await client.close()

    async def send(self, partition: int, *records: Raw, topic: str = TOPIC) -> int:
        """Write records as one batch; returns the first one's offset."""
        builder = BatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
        for at, record in enumerate(records):
            headers = list(record.headers)
            assert builder.append(at, None, record.key, record.value, headers) is not None
        request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, bytes(builder.build()))])])
        await self._client.add_topic(topic)
        leader = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
        response = await self._client.send(leader, request)
        ((_, ((_, error, offset, *_rest),)),) = response.topics
        assert error == 0, error
        return int(offset)

    async def find(self, wanted: Sequence[Any], seconds: float = 60.0) -> list[Found]:
        """Read until each predicate of `wanted` has one record; returns those, in their order."""
        missing = dict(enumerate(wanted))
        found: dict[int, Found] = {}
        async with asyncio.timeout(seconds):
            while missing:
                for each in await self.read(100):
                    for at, matches in list(missing.items()):
                        if matches(each):
                            found[at] = each
                            del missing[at]
        return [found[at] for at in range(len(wanted))]

    async def read(self, timeout_ms: int) -> list[Found]:
        """Whatever the watched topics have now."""
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        return [
            Found(record.topic, record.offset, orjson.loads(record.value))
            for records in fetched.values()
            for record in records
        ]
