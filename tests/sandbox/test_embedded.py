import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from sanyuan.client.broker import Broker
from sanyuan.sandbox.embedded import EmbeddedKafka

pytestmark = pytest.mark.kafka


def _client(admin: Broker) -> dict[str, str]:
    return {
        "bootstrap_servers": admin.bootstrap_servers,
        "security_protocol": admin.security_protocol,
        "sasl_mechanism": admin.sasl_mechanism,
        "sasl_plain_username": admin.username,
        "sasl_plain_password": admin.password,
    }


async def _write(admin: Broker, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(**_client(admin), max_request_size=1 << 20)
    try:
        await producer.start()
        for value in values:
            await producer.send_and_wait("kept", value)
    finally:
        await producer.stop()


async def _read(admin: Broker) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(**_client(admin), auto_offset_reset="earliest")
    partition = TopicPartition("kept", 0)
    consumer.assign([partition])
    async with consumer:
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]


def _create(admin: Broker) -> None:
    client = AdminClient(admin.librdkafka())  # named: without it the request dies with the client
    client.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)


@pytest.mark.kill
def test_what_was_acknowledged_survives_a_restart_and_a_kill(empty_kafka: EmbeddedKafka) -> None:
    _create(empty_kafka.admin)
    asyncio.run(_write(empty_kafka.admin, [b"before"]))
    empty_kafka.restart()
    asyncio.run(_write(empty_kafka.admin, [b"between"]))
    empty_kafka.kill()
    asyncio.run(_write(empty_kafka.admin, [b"after"]))

    assert asyncio.run(_read(empty_kafka.admin)) == [b"before", b"between", b"after"]


def test_a_restart_keeps_the_port_and_takes_seconds(kafka: EmbeddedKafka) -> None:
    before = kafka.admin
    begun = time.monotonic()
    kafka.restart()

    assert kafka.admin == before
    assert time.monotonic() - begun < 60  # 4 s on an idle machine


def test_a_value_of_60_kib_with_attachments_of_512_kib_fits(empty_kafka: EmbeddedKafka) -> None:
    _create(empty_kafka.admin)
    asyncio.run(_write(empty_kafka.admin, [bytes((60 + 512) * 1024)]))

    assert len(asyncio.run(_read(empty_kafka.admin))) == 1


def test_a_topic_that_nobody_created_is_not_created_by_writing_to_it(
    empty_kafka: EmbeddedKafka,
) -> None:
    client = AdminClient(empty_kafka.admin.librdkafka())
    client.list_topics("surprise", timeout=5)

    assert "surprise" not in client.list_topics(timeout=5).topics


def test_nobody_gets_in_with_a_wrong_password(kafka: EmbeddedKafka) -> None:
    wrong = kafka.admin.model_copy(update={"password": "wrong"})

    with pytest.raises(KafkaError):
        asyncio.run(_write(wrong, [b"x"]))


def test_passwords_are_readable_by_their_owner_only(kafka: EmbeddedKafka) -> None:
    home = kafka.kafka.home
    secret = [file for file in home.iterdir() if file.is_file()]

    assert home.stat().st_mode & 0o077 == 0
    assert secret
    assert all(file.stat().st_mode & 0o077 == 0 for file in secret)
