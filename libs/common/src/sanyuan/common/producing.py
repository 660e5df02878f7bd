"""A producer: outbox, relay and receipts of one database (design §3 "Producers").

Used by services and SDK alike; a process may hold several systems, which connect through their
access nodes. At start it reads the seals to their end and refuses to run when the
log has more of a stream than its own outbox; then it sends what is unconfirmed, trims what seals
cover, and sends again what the log has passed over.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import httpx
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Connection

from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import raw_record, start_consumer, stop_consumer, until_answered
from sanyuan.common.outbox import (
    LIMIT_BYTES,
    WARN_SHARE,
    Outbox,
    OutboxFullError,
    Row,
    Stream,
    size_bytes,
    trim,
)
from sanyuan.common.passed_over import (
    PassedOver,
    Place,
    load_logged,
    load_streams,
    load_waiting,
    place_of,
    save_logged,
)
from sanyuan.common.positions import load_offsets, save_offsets
from sanyuan.common.reading import read_many
from sanyuan.common.receipts import SEALS, Receipt, ask_heads, check_not_ahead, read_receipt
from sanyuan.common.relay import Relay, Sent
from sanyuan.common.streams import Position
from sanyuan.common.systems import SystemFile

log = structlog.get_logger()

WATCH_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 5.0
_SEALS: Final = TopicPartition(SEALS, 0)


class Producer:
    """Append with `outbox` in a transaction of ``database``, then `submit` the rows."""

    def __init__(
        self,
        database: Database,
        systems: Sequence[SystemFile],
        directory: Callable[[], Directory],
        *,
        on_sent: Sent | None = None,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self.outbox = Outbox()
        self._systems = {system.source: system for system in systems}
        self.relay = Relay(
            database, self._systems.__getitem__, on_sent, lambda: self._directory().by_inbox
        )
        self._database = database
        self._system = systems[0]
        self._directory = directory
        self._limit = limit_bytes
        self._consumer: AIOKafkaConsumer | None = None
        self._next = 0
        self._passed = PassedOver({})
        self._streams: set[Stream] = set()
        self._places: set[Place] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.outbox_bytes = 0

    async def start(self) -> None:
        """Compare with the seals, then send; waits for the broker, raises RestoredBackupError."""
        self._passed = PassedOver(await self._database.transaction(load_logged))
        self._note_streams(await self._database.transaction(load_streams))
        self._consumer = consumer = await start_consumer(self._system)
        consumer.assign([_SEALS])
        await until_answered(self._system, partial(self._read_to_end, consumer))
        await self._measure()
        self._tasks = [
            asyncio.create_task(self.relay.run(), name="relay"),
            asyncio.create_task(self._follow_seals(consumer), name="seals"),
            asyncio.create_task(self._watch(), name="outbox-watch"),
        ]

    async def stop(self) -> None:
        """Send what is committed, for two seconds at most, then disconnect."""
        if self._tasks and not any(task.done() for task in self._tasks):
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self.relay.drained()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._consumer is not None:
            await stop_consumer(self._consumer)

    def submit(self, rows: Sequence[Row]) -> None:
        """Send rows that were just committed."""
        self._note_streams({row.stream for row in rows} - self._streams)
        self.relay.submit(rows)

    def check_room(self) -> None:
        """Raises OutboxFullError at the limit."""
        if self.outbox_bytes >= self._limit:
            raise OutboxFullError(
                f"the outbox holds {self.outbox_bytes} bytes that the log has not confirmed",
                where=self._system.name,
                do="see whether the broker and the audit service are up; it empties by itself",
            )

    def failure(self) -> BaseException | None:
        """Why a background task ended, when one did."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception()
        return None

    async def _read_to_end(self, consumer: AIOKafkaConsumer) -> None:
        # Before the domain is provisioned there is no such topic, and nothing to compare with.
        if SEALS not in await consumer.topics():
            return
        offsets = await self._database.transaction(load_offsets)
        await self._seek(consumer, offsets.get((SEALS, 0), 0))
        end = (await consumer.end_offsets([_SEALS]))[_SEALS]
        while self._next < end:
            await self._read_seals(consumer)

    async def _seek(self, consumer: AIOKafkaConsumer, wanted: int) -> None:
        start = (await consumer.beginning_offsets([_SEALS]))[_SEALS]
        if wanted < start:
            await self._ask_audit()
        self._next = max(wanted, start)
        consumer.seek(_SEALS, self._next)

    async def _ask_audit(self) -> None:
        """Compare with the log's own heads, because seals have expired unread; waits for audit."""
        url = self._system.urls.get("audit", "")
        heads: dict[Stream, Position] = {}
        for source in self._systems:
            while True:
                try:
                    heads |= await ask_heads(url, source, self._system.domain)
                    break
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    log.warning("waiting for audit's GET /streams", error=type(error).__name__)
                    await asyncio.sleep(WATCH_SECONDS)
        await self._database.transaction(lambda connection: self._compare(connection, heads))

    def _compare(self, connection: Connection, heads: Mapping[Stream, Position]) -> None:
        for stream, place in heads.items():
            check_not_ahead(stream, place, self.outbox.head(connection, stream))

    async def _follow_seals(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await self._read_seals(consumer)

    async def _read_seals(self, consumer: AIOKafkaConsumer) -> None:
        records = await read_many(
            consumer, lambda: {_SEALS: self._next}, timeout_ms=500, max_records=500
        )
        if not records:
            return
        directory, own = self._directory(), frozenset(self._systems)
        read = [read_receipt(raw_record(record), directory) for record in records]
        receipts = [receipt for receipt in read if receipt is not None]
        following = records[-1].offset + 1
        await self._database.transaction(
            lambda connection: self._cover(connection, receipts, own, following)
        )
        self._next = following
        for receipt in receipts:
            self._passed.note(receipt)
        failpoint("seal.after-trim")

    def _cover(
        self,
        connection: Connection,
        receipts: Sequence[Receipt],
        own: frozenset[str],
        following: int,
    ) -> None:
        covered = {
            stream: place
            for receipt in receipts
            for stream, place in receipt.covered.items()
            if stream[0] in own
        }
        self._compare(connection, covered)
        trim(connection, {stream: place.sequence for stream, place in covered.items()})
        save_logged(connection, receipts, self._places)
        save_offsets(connection, {(SEALS, 0): following})

    def _note_streams(self, streams: Collection[Stream]) -> None:
        """Remember where streams of one's own lie."""
        self._streams.update(streams)
        self._places.update(place for stream in streams if (place := place_of(stream)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self._measure()
            load = partial(load_waiting, before=time.time() - PATIENCE_SECONDS)
            waiting = await self._database.transaction(load)
            going = [each for each in waiting if each.stream not in self.relay.stopped]
            for each, reason in self._passed.due(going, time.monotonic()):
                if reason is None:
                    self.relay.repair(each.stream, each.sequence)
                else:
                    self.relay.stop_stream(each.stream, reason)

    async def _measure(self) -> None:
        self.outbox_bytes = await self._database.transaction(size_bytes)
        if self.outbox_bytes >= WARN_SHARE * self._limit:
            log.warning("the outbox is filling", bytes=self.outbox_bytes, limit=self._limit)
