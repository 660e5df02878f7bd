"""Which records are authentic: every signature, on every core (libsodium releases the GIL).

A key is judged by the `participants` records before the record; a record is called `unknown-key`
only after a catch-up on `participants` that began after it was read. Pure but for the threads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from sanyuan.audit.state import Partition
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Participants
from sanyuan.common.record import RawRecord, Record, Rejection, find_key, read, verify
from sanyuan.common.topics import topic_named

CHUNK: Final = 250
"""Records that one thread checks at a time."""


@dataclass
class Checked:
    """Authentic records in their order, those of `participants` first, and all others."""

    records: list[Record] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)
    """Next offset after everything that was looked at."""

    def add(self, outcome: Record | Rejection) -> None:
        """Sort one outcome in; within a partition they come in order."""
        raw = outcome.raw
        self.offsets[raw.topic, raw.partition] = raw.offset + 1
        if isinstance(outcome, Record):
            self.records.append(outcome)
        else:
            self.rejections.append(outcome)


class Checker:
    """Checks batches for one domain."""

    def __init__(self, domain: str, threads: int | None = None) -> None:
        self._domain = domain
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="check")

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=True)

    async def check(
        self, fresh: Sequence[RawRecord], raws: Sequence[RawRecord], participants: Participants
    ) -> Checked:
        """Check a batch; `fresh` are the records of `participants` that come before it.

        `participants` is moved over them, one by one: each is judged by those before it.
        """
        checked = Checked()
        for raw in fresh:
            checked.add(check_one(raw, self._domain, participants.directory))
            participants.apply(raw)
        directory, loop = participants.directory, asyncio.get_running_loop()
        chunks = [
            loop.run_in_executor(
                self._pool, check_chunk, raws[at : at + CHUNK], self._domain, directory
            )
            for at in range(0, len(raws), CHUNK)
        ]
        for outcome in chain.from_iterable(await asyncio.gather(*chunks)):
            checked.add(outcome)
        return checked


def check_chunk(
    raws: Sequence[RawRecord], domain: str, directory: Directory
) -> list[Record | Rejection]:
    """Check records against one directory."""
    return [check_one(raw, domain, directory) for raw in raws]


def check_one(raw: RawRecord, domain: str, directory: Directory) -> Record | Rejection:
    """Return the record when it is authentic, else the one reason why not."""
    topic = topic_named(raw.topic)
    record = read(raw, domain=domain, partitions=topic.partitions if topic else 1)
    if isinstance(record, Rejection):
        return record
    key = find_key(record, directory)
    if isinstance(key, Rejection):
        return key
    return verify(record, key) or record
