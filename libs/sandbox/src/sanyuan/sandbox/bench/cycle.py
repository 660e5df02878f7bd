"""Identity's whole cycle from a backlog: consume, decide, commit, produce (design §4).

The rate is read from the broker's own append times of the decisions, between the fifth and the
ninety-fifth of a hundred, so that neither the start of the process nor the last batch counts.
"""

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from sanyuan.client.broker import Broker
from sanyuan.common.kafka import MAX_REQUEST_BYTES
from sanyuan.common.topics import INBOX_PREFIX
from sanyuan.sandbox.bench.bare import client

PATIENCE_SECONDS: Final = 120.0


async def inbox_ends(broker: Broker) -> dict[TopicPartition, int]:
    """Where every inbox ends now."""
    async with AIOKafkaConsumer(**client(broker)) as consumer:
        partitions = await _inboxes(consumer)
        consumer.assign(partitions)  # before the ends (fact 29 in docs/faststream.md)
        return dict(await consumer.end_offsets(partitions))


async def decision_rate(broker: Broker, starts: dict[TopicPartition, int], count: int) -> float:
    """Wait for ``count`` decisions behind ``starts``; decisions a second by append time."""
    async with AIOKafkaConsumer(
        **client(broker), max_partition_fetch_bytes=MAX_REQUEST_BYTES
    ) as consumer:
        consumer.assign(list(starts))
        consumer.pause(*starts)  # what is measured meanwhile is not read yet
        await _wait_for(consumer, starts, count)
        return _rate(await _append_times(consumer, starts, count))


async def _inboxes(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    topics = await consumer.topics()
    return [TopicPartition(topic, 0) for topic in topics if topic.startswith(INBOX_PREFIX)]


async def _wait_for(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], count: int
) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        now = await consumer.end_offsets(list(starts))
        if sum(now.values()) - sum(starts.values()) >= count:
            return
        await asyncio.sleep(0.2)
    raise TimeoutError(f"not all of {count} decisions came within {PATIENCE_SECONDS:g} s")


async def _append_times(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], count: int
) -> list[int]:
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    consumer.resume(*starts)
    times: list[int] = []
    while len(times) < count:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=5000)
        times += [record.timestamp for records in fetched.values() for record in records]
    return sorted(times)


def _rate(times: list[int]) -> float:
    first, last = len(times) // 20, len(times) - 1 - len(times) // 20
    return (last - first) * 1000 / max(1, times[last] - times[first])
