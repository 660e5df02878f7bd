"""Reading the inboxes of one access node, over one connection (ADR 0007)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sanyuan.client.connector.receiving import RETRY_SECONDS, Receiver
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import raw_records, start_consumer, stop_consumer
from sanyuan.common.reading import FETCH_WAIT_MS, Pace
from sanyuan.common.systems import SystemFile

READ_SECONDS: Final = 0.12
MAX_RECORDS: Final = 500

log = structlog.get_logger()


class InboxReader:
    """Reads the inboxes of ``systems``, which share a Kafka user; start `run` as a task."""

    def __init__(self, systems: Sequence[SystemFile], receiver: Receiver) -> None:
        self._systems = systems
        self._receiver = receiver
        self._partitions = [TopicPartition(s.inbox, 0) for s in systems if s.inbox]
        self._pace = Pace(READ_SECONDS)
        self._consumer: AIOKafkaConsumer | None = None
        self.connected = asyncio.Event()
        """Set when it has begun to read; where there is nothing to read, at once."""
        if not self._partitions:
            self.connected.set()

    async def run(self) -> None:
        """Read for ever, from where the receiver stands."""
        consumer = await start_consumer(self._systems[0], fetch_max_wait_ms=FETCH_WAIT_MS)
        try:
            if not self._partitions:
                return
            consumer.assign(self._partitions)
            self._consumer = consumer
            self.connected.set()
            while True:
                for partition, offset in self._standing().items():
                    consumer.seek(partition, offset)
                try:
                    while True:
                        await self._read_once(consumer)
                except KafkaError as error:
                    log.warning("reading inboxes failed", error=type(error).__name__)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._consumer = None
            await stop_consumer(consumer)

    async def ends(self, inboxes: Iterable[str]) -> dict[str, int]:
        """Where those of ``inboxes`` that are read here end now: 0 when nothing is there.

        Raises KafkaError; empty before the first connection.
        """
        own = [partition for partition in self._partitions if partition.topic in inboxes]
        if self._consumer is None or not own:
            return {}
        ends = await self._consumer.end_offsets(own)
        starts = await self._consumer.beginning_offsets(own)
        return {p.topic: end if end > starts[p] else 0 for p, end in ends.items()}

    async def starts(self, inboxes: Iterable[str]) -> dict[str, int]:
        """The first offset that the broker still has of those that are read here; as `ends`."""
        own = [partition for partition in self._partitions if partition.topic in inboxes]
        if self._consumer is None or not own:
            return {}
        return {
            p.topic: start for p, start in (await self._consumer.beginning_offsets(own)).items()
        }

    async def _read_once(self, consumer: AIOKafkaConsumer) -> None:
        records = await self._pace.read_many(consumer, self._standing, max_records=MAX_RECORDS)
        if records:
            failpoint("client.after-receive")
            await self._receiver.take(raw_records(records))

    def _standing(self) -> Mapping[TopicPartition, int]:
        offsets = self._receiver.offsets
        return {partition: offsets.get((partition.topic, 0), 0) for partition in self._partitions}


def by_user(systems: Iterable[SystemFile]) -> list[list[SystemFile]]:
    """The systems of each access node."""
    groups: dict[str, list[SystemFile]] = {}
    for system in systems:
        groups.setdefault(system.username, []).append(system)
    return list(groups.values())
