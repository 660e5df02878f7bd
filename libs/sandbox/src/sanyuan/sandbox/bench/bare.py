"""The yardstick: an aiokafka loop that reads records and sends them on, and does nothing else."""

import asyncio
import os
import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sanyuan.client.broker import Broker
from sanyuan.common.kafka import MAX_REQUEST_BYTES

PARTITIONS: Final = 12
VALUE_BYTES: Final = 600
BATCH: Final = 500
IN: Final = "bench-in"
OUT: Final = "bench-out"


def client(broker: Broker) -> dict[str, Any]:
    """Aiokafka's settings for the broker's administrator."""
    return {
        "bootstrap_servers": broker.bootstrap_servers,
        "security_protocol": broker.security_protocol,
        "sasl_mechanism": broker.sasl_mechanism,
        "sasl_plain_username": broker.username,
        "sasl_plain_password": broker.password,
    }


async def bare_loop(broker: Broker, records: int) -> float:
    """Records a second, read from one topic and acknowledged in another."""
    _make_topics(broker)
    async with AIOKafkaProducer(
        **client(broker), enable_idempotence=True, linger_ms=5, max_batch_size=256 * 1024
    ) as producer:
        await _fill(producer, records)
        consumer = AIOKafkaConsumer(
            **client(broker),
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_REQUEST_BYTES,
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(IN, number) for number in range(PARTITIONS)])
            return await _loop(consumer, producer, records)
        finally:
            await consumer.stop()


async def _fill(producer: AIOKafkaProducer, records: int) -> None:
    value = os.urandom(VALUE_BYTES)
    sends = [
        await producer.send(IN, value, partition=number % PARTITIONS, key=b"bench")
        for number in range(records)
    ]
    await asyncio.gather(*sends)


async def _loop(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, records: int) -> float:
    done, started = 0, 0.0
    while done < records:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=BATCH)
        started = started or time.perf_counter()
        batch = [record for part in fetched.values() for record in part]
        sends = [
            await producer.send(OUT, record.value, key=record.key, partition=record.partition)
            for record in batch
        ]
        await asyncio.gather(*sends)
        done += len(batch)
    return records / (time.perf_counter() - started)


def _make_topics(broker: Broker) -> None:
    admin = AdminClient(broker.librdkafka())
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (IN, OUT)]).values():
        made.result(10)
