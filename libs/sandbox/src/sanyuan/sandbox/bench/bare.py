"""The yardstick: an aiokafka loop that moves the records of a cycle, and does nothing else.

It reads what the service will read, and sends each record, with its headers, to a topic of its
source's own, as a service answers each sender in its inbox.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import cycle
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sanyuan.client.broker import Broker
from sanyuan.common.kafka import MAX_REQUEST_BYTES
from sanyuan.common.topics import partitions_of

BATCH: Final = 500
ROUNDS: Final = 8
"""The first ones find new topics and a cold broker; the fastest counts."""
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


async def bare_loop(broker: Broker, topic: str, sources: int) -> float:
    """Records a second, read from all of a topic and acknowledged in a topic for each source.

    Nothing was deleted from the topic yet.
    """
    topics = _make_topics(broker, sources)
    outs = defaultdict[bytes | None, str](cycle(topics).__next__)
    async with (
        AIOKafkaProducer(
            **client(broker), enable_idempotence=True, linger_ms=5, max_batch_size=256 * 1024
        ) as producer,
        AIOKafkaConsumer(**client(broker), max_partition_fetch_bytes=MAX_REQUEST_BYTES) as consumer,
    ):
        await producer.client.set_topics(topics)
        partitions = [TopicPartition(topic, number) for number in range(partitions_of(topic))]
        consumer.assign(partitions)
        records: int = sum((await consumer.end_offsets(partitions)).values())
        rates = []
        for _ in range(ROUNDS):
            for partition in partitions:
                consumer.seek(partition, 0)
            rates.append(records / await _loop(consumer, producer, outs, records))
        return max(rates)


async def _loop(
    consumer: AIOKafkaConsumer,
    producer: AIOKafkaProducer,
    outs: Mapping[bytes | None, str],
    records: int,
) -> float:
    """Seconds for all records, from the first that was read."""
    done, started = 0, 0.0
    while done < records:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=BATCH)
        started = started or time.perf_counter()
        batch = [record for part in fetched.values() for record in part]
        sends = []
        for record in batch:
            out, headers = outs[record.key], list(record.headers)
            sends.append(await producer.send(out, record.value, record.key, headers=headers))
        await asyncio.gather(*sends)
        done += len(batch)
    return time.perf_counter() - started


def _make_topics(broker: Broker, number: int) -> list[str]:
    admin = AdminClient(broker.librdkafka())
    names = [f"{OUT}-{one}" for one in range(number)]
    for made in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        made.result(10)
    return names
