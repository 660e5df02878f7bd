"""FastStream's part: one batch subscriber on the commands of a service (design §4).

The subscriber is assigned its partitions by hand, because the database has one writer; positions
come from the database, the group only displays lag. Only infrastructure errors leave the handler,
after a back-off: ``NACK_ON_ERROR`` would read that batch again (faststream.md), and the reader goes
back to where the database stands.
"""

import ssl
import time
from collections.abc import Sequence
from typing import ClassVar, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as AssignedPartition
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage
from faststream.message import StreamMessage
from faststream.security import BaseSecurity, SASLScram512

from sanyuan.common.errors import SanyuanError
from sanyuan.common.kafka import MAX_REQUEST_BYTES, raw_records
from sanyuan.common.reading import FETCH_WAIT_MS, Pace
from sanyuan.common.record import RawRecord
from sanyuan.common.service.cycle import Cycle
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import TOPICS

MAX_BATCH: Final = 500
LAG_SECONDS: Final = 1.0
STOP_SECONDS: Final = 3.0
"""For a batch to end: it takes milliseconds, or it waits for a broker that may never come."""

log = structlog.get_logger()
KafkaRecords = tuple["ConsumerRecord[bytes | None, bytes | None]", ...]


class Lag(KafkaAckableMessage):
    """Tells the group how far the service is, once a second: only people look at it.

    Kafka writes each offset down like a record; the truth is in the database. So after the last
    batch the group can show one batch of lag that is not there, until the next one.
    """

    _told: ClassVar[float] = 0.0

    async def ack(self) -> None:
        """Commit the offsets, if that was not done just now."""
        now = time.monotonic()
        if now > Lag._told + LAG_SECONDS:
            Lag._told = now
            await super().ack()


class StoredOffsetError(SanyuanError):
    """The database is ahead of the broker: one of them is not what it was."""


class BatchReader:
    """Reads from the positions of the database, and past what does not parse (fact 21)."""

    def __init__(self, cycle: Cycle, gather_seconds: float) -> None:
        self._cycle = cycle
        self._pace = Pace(gather_seconds)
        self._placed = False

    async def __call__(self, consumer: AIOKafkaConsumer) -> KafkaRecords:
        """The next batch; () when nothing came within the poll. Raises StoredOffsetError."""
        if not self._placed or self._cycle.is_lost:
            await self._place(consumer)
        positions = await self._positions()
        records = await self._pace.read_many(consumer, lambda: positions, max_records=MAX_BATCH)
        if not records:
            self._cycle.measures.idle()
        return tuple(records)

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        await self._cycle.settled()
        try:
            await _place(consumer, await self._positions())
        except StoredOffsetError as error:
            # FastStream would start its loop again for ever: the process has to end.
            self._cycle.failure = error
            raise
        self._placed, self._cycle.is_lost = True, False

    async def _positions(self) -> dict[TopicPartition, int]:
        stored = await self._cycle.positions()
        return {TopicPartition(topic, number): at for (topic, number), at in stored.items()}


async def _place(consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
    """Stand where the database says, whatever the group says."""
    assigned = consumer.assignment()
    ends = await consumer.end_offsets(list(assigned))
    for partition in assigned:
        offset = positions.get(partition, 0)
        if offset > ends[partition]:
            raise StoredOffsetError(
                f"the database has handled offset {offset - 1}, the broker ends at"
                f" {ends[partition]}",
                where=f"{partition.topic}, partition {partition.partition}",
                do="restore the broker's newer data, or found the domain anew",
            )
        consumer.seek(partition, offset)


def make_broker(
    system: SystemFile, topics: Sequence[str], cycle: Cycle, gather_seconds: float
) -> KafkaBroker:
    """A broker with the one subscriber, not started; raises SystemFileError.

    Commands gather for `gather_seconds` between two batches: see `Pace`.
    """
    broker = KafkaBroker(
        system.bootstrap_servers,
        security=_security(system),
        client_id=system.name,
        consumer_only=True,
        allow_auto_create_topics=False,
        apply_types=False,
        graceful_timeout=STOP_SECONDS,
        logger=None,
    )
    subscriber = broker.subscriber(
        partitions=[
            AssignedPartition(topic, number)
            for topic in topics
            for number in range(TOPICS[topic].partitions)
        ],
        batch=True,
        group_id=f"{system.group}commands",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_records=MAX_BATCH,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    subscriber.get_msg = BatchReader(cycle, gather_seconds)  # type: ignore[method-assign]  # as fact 21 says

    async def parse(message: KafkaRecords) -> StreamMessage[KafkaRecords]:
        # FastStream's own parser decodes headers, and loses a batch over one of them (fact 1).
        consumer = subscriber.consumer or FAKE_CONSUMER
        return Lag(raw_message=message, body=b"", consumer=consumer)

    subscriber(cycle.handle, parser=parse, decoder=_decode)
    return broker


def _security(system: SystemFile) -> BaseSecurity | None:
    protocol = system.security_protocol or "PLAINTEXT"
    context = (
        ssl.create_default_context(cafile=system.ca_file) if protocol.endswith("SSL") else None
    )
    if system.sasl_mechanism:
        return SASLScram512(system.username, system.password, ssl_context=context)
    return BaseSecurity(ssl_context=context) if context else None


async def _decode(message: StreamMessage[KafkaRecords]) -> Sequence[RawRecord]:
    return raw_records(message.raw_message)
