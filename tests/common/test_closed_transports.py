"""A closed transport is a lost connection, on every event loop (aiokafka#1038)."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from sanyuan.common import closed_transports
from sanyuan.sandbox.embedded import EmbeddedKafka

pytestmark = pytest.mark.kafka


def test_a_write_to_a_closed_transport_is_a_connection_error(kafka: EmbeddedKafka) -> None:
    broker = kafka.admin
    host, _, port = broker.bootstrap_servers.rpartition(":")

    async def lose() -> None:
        connection: AIOKafkaConnection = await create_conn(
            host,
            int(port),
            security_protocol=broker.security_protocol,
            sasl_mechanism=broker.sasl_mechanism,
            sasl_plain_username=broker.username,
            sasl_plain_password=broker.password,
        )
        connection._writer.transport.abort()
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest(None))
        assert not connection.connected()

    uvloop.run(lose())
    with asyncio.Runner() as runner:
        runner.run(lose())


def test_mending_twice_changes_nothing() -> None:
    closed_transports.mend()
    once = AIOKafkaConnection.send
    closed_transports.mend()
    assert AIOKafkaConnection.send is once
