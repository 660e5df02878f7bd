"""Reading a topic at a pace, from a real broker."""

from __future__ import annotations

import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sanyuan.common.reading import FETCH_WAIT_MS, Pace
from sanyuan.sandbox.bench.bare import client
from sanyuan.sandbox.embedded import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]

VALUE = bytes(1000)
FEW = 5
"""Records of this length that one fetch of a partition brings, or fewer."""


@pytest.fixture
def topic(kafka: EmbeddedKafka) -> str:
    name = f"reading-{uuid.uuid4().hex}"
    admin = AdminClient(kafka.admin.librdkafka())
    admin.create_topics([NewTopic(name, 1)])[name].result(10)
    return name


async def read_all(kafka: EmbeddedKafka, topic: str, count: int) -> list[tuple[int, bool]]:
    """How many records each read brought, and whether the partition rested after it."""
    partition = TopicPartition(topic, 0)
    found: list[tuple[int, bool]] = []
    consumer = AIOKafkaConsumer(
        **client(kafka.admin),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FEW * len(VALUE),
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        pace = Pace(0.01)
        while sum(length for length, _ in found) < count:
            records = await pace.read_many(consumer, lambda: {partition: 0}, max_records=1000)
            if records:
                found.append((len(records), partition in consumer.paused()))
    finally:
        await consumer.stop()
    return found


async def test_a_backlog_is_read_without_a_rest_and_only_its_end_lets_more_gather(
    kafka: EmbeddedKafka, topic: str
) -> None:
    async with AIOKafkaProducer(**client(kafka.admin)) as producer:
        for _ in range(10 * FEW):
            await producer.send_and_wait(topic, VALUE)
    reads = await read_all(kafka, topic, 10 * FEW)
    assert len(reads) >= 10, "one fetch brings a tenth at most"
    assert [rests for _, rests in reads] == [False] * (len(reads) - 1) + [True]
