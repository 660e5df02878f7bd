"""Reading the inboxes of one access node, over one connection (ADR 0007)."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sanyuan.client.connector.receiving import RETRY_SECONDS, Receiver
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import start_consumer, stop_consumer
from sanyuan.common.reading import read_many
from sanyuan.common.systems import SystemFile

POLL_MS: Final = 500
# A moment's collecting at the broker saves most of the cost of fetching (faststream.md, fact 25).
FETCH_MIN_BYTES: Final = 128 * 1024
FETCH_WAIT_MS: Final = 80
MAX_RECORDS: Final = 500

log = structlog.get_logger()


async def read_inboxes(systems: Sequence[SystemFile], receiver: Receiver) -> None:
    """Read for ever, from where ``receiver`` stands; ``systems`` share a Kafka user."""
    consumer = await start_consumer(
        systems[0], fetch_min_bytes=FETCH_MIN_BYTES, fetch_max_wait_ms=FETCH_WAIT_MS
    )
    try:
        partitions = [TopicPartition(system.inbox, 0) for system in systems if system.inbox]
        if not partitions:
            return
        consumer.assign(partitions)
        while True:
            for partition, offset in _standing(receiver, partitions).items():
                consumer.seek(partition, offset)
            try:
                while True:
                    await _read_once(consumer, partitions, receiver)
            except KafkaError as error:
                log.warning("reading inboxes failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
    finally:
        await stop_consumer(consumer)


async def _read_once(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], receiver: Receiver
) -> None:
    records = await read_many(
        consumer,
        lambda: _standing(receiver, partitions),
        timeout_ms=POLL_MS,
        max_records=MAX_RECORDS,
    )
    if records:
        failpoint("client.after-receive")
        await receiver.take(records)


def _standing(
    receiver: Receiver, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    return {partition: receiver.offsets.get((partition.topic, 0), 0) for partition in partitions}


def by_user(systems: Iterable[SystemFile]) -> list[list[SystemFile]]:
    """The systems of each access node."""
    groups: dict[str, list[SystemFile]] = {}
    for system in systems:
        groups.setdefault(system.username, []).append(system)
    return list(groups.values())
