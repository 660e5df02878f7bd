"""Followers: topics that a part reads whole, and catches up on before it judges (design §3, §4)."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.folding import fold
from sanyuan.common.kafka import raw_record, start_consumer, stop_consumer
from sanyuan.common.reading import read_many
from sanyuan.common.record import RawRecord, Record, Rejection, find_key, read, verify
from sanyuan.common.streams import START, Position, Verdict, judge
from sanyuan.common.systems import SystemFile

CATCH_UP_SECONDS: Final = 5.0

log = structlog.get_logger()
Apply = Callable[[RawRecord], None]


class CatchUpError(SanyuanError):
    """The end of a topic could not be read in time; nothing may be judged before it is."""


class Follower:
    """Reads one-partition topics from their start and applies each record in order.

    Partitions are paused while nothing is to be read: the broker answers a connection in order, so
    that the question for the ends would wait behind a fetch that waits for new records (500 ms).
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        applies: dict[TopicPartition, Apply],
        first: Mapping[TopicPartition, int],
    ) -> None:
        self._consumer = consumer
        self._applies = applies
        self._next = {partition: first.get(partition, 0) for partition in applies}
        self._turn = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        system: SystemFile,
        applies: Mapping[str, Apply],
        first: Mapping[tuple[str, int], int] = MappingProxyType({}),
    ) -> Self:
        """Connect and stand before each topic's first record, or at its offset in ``first``."""
        consumer = await start_consumer(system)
        partitions = {TopicPartition(topic, 0): apply for topic, apply in applies.items()}
        starts = {partition: first.get((partition.topic, 0), 0) for partition in partitions}
        consumer.assign(list(partitions))
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        consumer.pause(*partitions)
        return cls(consumer, partitions, starts)

    async def stop(self) -> None:
        """Disconnect."""
        await stop_consumer(self._consumer)

    async def catch_up(self, seconds: float = CATCH_UP_SECONDS) -> None:
        """Apply everything that the topics held when this was called.

        Raises CatchUpError when that takes longer than ``seconds``.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(seconds):
                    ends = await self._consumer.end_offsets(list(self._applies))
                    await self._read_to(ends)
            except (TimeoutError, KafkaError) as error:
                # What was read when the time was up is not applied: it has to be read again.
                for partition, offset in self._next.items():
                    self._consumer.seek(partition, offset)
                raise CatchUpError(
                    f"the ends of {', '.join(sorted(p.topic for p in self._applies))} were not"
                    f" reached within {seconds:g} s ({type(error).__name__})",
                    do="see whether the broker is up; work goes on by itself when it is",
                ) from None

    async def _read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        behind = [partition for partition, end in ends.items() if self._next[partition] < end]
        if not behind:
            return
        self._consumer.resume(*behind)
        try:
            while any(self._next[partition] < ends[partition] for partition in behind):
                await self._read(50)
        finally:
            self._consumer.pause(*behind)

    async def _read(self, timeout_ms: int) -> None:
        records = await read_many(
            self._consumer, lambda: self._next, timeout_ms=timeout_ms, max_records=1000
        )
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            if record.offset >= self._next[partition]:
                self._applies[partition](raw_record(record))
                self._next[partition] = record.offset + 1


class Participants:
    """The verified directory, kept up to date by `Follower.catch_up`."""

    def __init__(self, system: SystemFile) -> None:
        self._domain = system.domain
        self._place: Position = START
        self.directory = Directory(system.agency)

    def apply(self, raw: RawRecord) -> None:
        """Fold one record; what is not the agency's next authentic record has no effect."""
        record = read(raw, domain=self._domain, partitions=1)
        if isinstance(record, Rejection) or not self._authentic(record):
            log.warning("a record of participants is ignored", offset=raw.offset)
            return
        envelope = record.envelope
        if (
            judge(self._place, envelope.number, envelope.previous, record.hash, None)
            is not Verdict.TAKE
        ):
            return
        self._place = Position(envelope.number, record.hash)
        self.directory = fold(self.directory, envelope, record.key_id, _warn)

    def _authentic(self, record: Record) -> bool:
        key = find_key(record, self.directory)
        return (
            not isinstance(key, Rejection)
            and record.source == f"//{self.directory.pinned.name}"
            and verify(record, key) is None
        )


def _warn(kind: str, why: str) -> None:
    log.warning("a record of participants has no effect", type=kind, error=why)
