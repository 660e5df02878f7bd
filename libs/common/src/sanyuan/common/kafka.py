"""Connections to the broker, with the settings that streams need."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaConnectionError, KafkaError

from sanyuan.common import closed_transports
from sanyuan.common.record import RawRecord
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES
from sanyuan.common.systems import SystemFile, SystemFileError

MAX_REQUEST_BYTES: Final = 1024 * 1024
MAX_MESSAGE_BYTES: Final = MAX_ATTACHMENT_BYTES + 64 * 1024 + 4096
STOP_SECONDS: Final = 2.0
RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)

T = TypeVar("T")

log = structlog.get_logger()
closed_transports.mend()


def connection(system: SystemFile) -> dict[str, Any]:
    """The client settings of a system file; raises SystemFileError while it has no connection."""
    if not system.connected:
        raise SystemFileError(
            "the system has no connection yet",
            where=system.name,
            do="ask the agency to admit it and the operator to provision it",
        )
    settings: dict[str, Any] = {
        "bootstrap_servers": system.bootstrap_servers,
        "security_protocol": system.security_protocol or "PLAINTEXT",
        "client_id": system.name,
        "request_timeout_ms": 15_000,
    }
    if system.sasl_mechanism:
        settings |= {
            "sasl_mechanism": system.sasl_mechanism,
            "sasl_plain_username": system.username,
            "sasl_plain_password": system.password,
        }
    if "SSL" in settings["security_protocol"].split("_"):
        settings["ssl_context"] = ssl.create_default_context(cafile=system.ca_file)
    return settings


async def start_producer(
    system: SystemFile, *, linger_ms: int = 5, topics: Iterable[str] = ()
) -> AIOKafkaProducer:
    """An idempotent producer; waits, saying so, until the broker answers.

    It learns of ``topics`` at once. Of any other one it asks when it first sends there, and each
    time of all the others again: at 53 inboxes that took seconds of CPU on both sides.
    """
    waits = 0
    while True:
        producer = AIOKafkaProducer(
            **connection(system),
            enable_idempotence=True,
            acks="all",
            linger_ms=linger_ms,
            max_request_size=MAX_REQUEST_BYTES,
            max_batch_size=256 * 1024,
        )
        try:
            await _start(producer)
            if known := set(topics):
                await producer.client.set_topics(known)
        except KafkaError as error:
            await producer.stop()
            waits = await _wait(waits, error, system)
        else:
            return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Send what is under way, for two seconds at most; what is given up then fails with KafkaError.

    aiokafka's own `stop` waits until the last batch has arrived, and with idempotence none expires:
    without a broker that is for ever. Whoever sends has its records in an outbox.
    """
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait([stopping], timeout=STOP_SECONDS)
    if not done:
        # There is no public way; its sender does the same when it fails.
        producer._message_accumulator.fail_all(KafkaConnectionError("given up"))  # noqa: SLF001
    await stopping


async def start_consumer(
    system: SystemFile, *, group: str | None = None, **settings: object
) -> AIOKafkaConsumer:
    """A consumer without any assignment; waits, saying so, until the broker answers."""
    waits = 0
    while True:
        consumer = AIOKafkaConsumer(
            **connection(system),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_REQUEST_BYTES,
            **settings,
        )
        try:
            await _start(consumer)
        except KafkaError as error:
            await stop_consumer(consumer)
            waits = await _wait(waits, error, system)
        else:
            return consumer


async def until_answered(system: SystemFile, ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` returns; a broker that goes away meanwhile is waited for, saying so.

    ``ask`` is called again from its beginning.
    """
    waits = 0
    while True:
        try:
            return await ask()
        except KafkaError as error:
            waits = await _wait(waits, error, system)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Disconnect, also while there is no broker.

    Then aiokafka's own `stop` lets out the CancelledError of the fetch that it has cancelled, which
    reads as if its caller were cancelled, and leaves its connections open.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping])
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001  what `stop` did not come to
    else:
        stopping.result()


async def _start(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Start; given up meanwhile, finish and stop: aiokafka drops a half-open connection open."""
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(KafkaError):
            await starting
        await client.stop()
        raise


async def _wait(waits: int, error: KafkaError, system: SystemFile) -> int:
    if waits > 0 or not isinstance(error, KafkaConnectionError):
        log.warning("waiting for the broker", error=type(error).__name__, system=system.name)
    await asyncio.sleep(RETRY_SECONDS[min(waits, len(RETRY_SECONDS) - 1)])
    return waits + 1


def raw_record(record: "ConsumerRecord[bytes | None, bytes | None]") -> RawRecord:
    """What aiokafka delivers, as everything of ours reads it."""
    return RawRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
    )


def raw_records(records: Iterable["ConsumerRecord[bytes | None, bytes | None]"]) -> list[RawRecord]:
    """`raw_record` of each."""
    return [raw_record(record) for record in records]
