"""A producer: outbox, relay and receipts of one database (design §3 "Producers").

Used by services and SDK alike; a process may hold several systems, which connect through their
access nodes. At start it reads the seals to their end and refuses to run when the
log has more of a stream than its own outbox; then it sends what is unconfirmed, trims what seals
cover, and sends again what the log has passed over.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Connection, func, select

from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import raw_record, start_consumer, stop_consumer
from sanyuan.common.outbox import (
    LIMIT_BYTES,
    ROWS,
    WARN_SHARE,
    Outbox,
    OutboxFullError,
    Row,
    Stream,
    size_bytes,
    trim,
)
from sanyuan.common.partition import partition_of
from sanyuan.common.positions import load_offsets, save_offsets
from sanyuan.common.reading import read_many
from sanyuan.common.receipts import SEALS, Receipt, ask_heads, check_not_ahead, read_receipt
from sanyuan.common.relay import Relay, Sent
from sanyuan.common.streams import Position
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import topic_named

log = structlog.get_logger()

WATCH_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 5.0
MAX_RESENDS: Final = 5
_SEALS: Final = TopicPartition(SEALS, 0)


@dataclass(slots=True)
class _Resend:
    sequence: int
    tries: int
    due: float


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
        self._logged: dict[tuple[str, int], int] = {}
        self._resends: dict[Stream, _Resend] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.outbox_bytes = 0

    async def start(self) -> None:
        """Compare with the seals, then send; raises RestoredBackupError."""
        self._consumer = consumer = await start_consumer(self._system)
        consumer.assign([_SEALS])
        # Before the domain is provisioned there is no such topic, and nothing to compare with.
        if SEALS in await consumer.topics():
            await self._read_to_end(consumer)
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
        receipts = [read_receipt(raw_record(record), directory) for record in records]
        following = records[-1].offset + 1
        await self._database.transaction(
            lambda connection: self._cover(connection, receipts, own, following)
        )
        self._next = following
        for receipt in receipts:
            self._logged.update(receipt.positions if receipt else {})
        failpoint("seal.after-trim")

    def _cover(
        self,
        connection: Connection,
        receipts: Sequence[Receipt | None],
        own: frozenset[str],
        following: int,
    ) -> None:
        covered = {
            stream: place
            for receipt in receipts
            if receipt is not None
            for stream, place in receipt.covered.items()
            if stream[0] in own
        }
        self._compare(connection, covered)
        trim(connection, {stream: place.sequence for stream, place in covered.items()})
        save_offsets(connection, {(SEALS, 0): following})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self._measure()
            for stream, (sequence, offset) in (await self._waiting()).items():
                if self._passed_over(stream, offset):
                    self._resend(stream, sequence)

    async def _measure(self) -> None:
        self.outbox_bytes = await self._database.transaction(size_bytes)
        if self.outbox_bytes >= WARN_SHARE * self._limit:
            log.warning("the outbox is filling", bytes=self.outbox_bytes, limit=self._limit)

    async def _waiting(self) -> dict[Stream, tuple[int, int]]:
        """The first row of each stream that is acknowledged, old and still here."""
        return await self._database.transaction(_first_acknowledged)

    def _passed_over(self, stream: Stream, offset: int) -> bool:
        topic = topic_named(stream[1])
        if topic is None:
            return False
        partition = partition_of(stream[0].encode(), topic.partitions)
        return self._logged.get((stream[1], partition), 0) > offset

    def _resend(self, stream: Stream, sequence: int) -> None:
        known = self._resends.get(stream)
        if known is None or known.sequence != sequence:
            known = self._resends[stream] = _Resend(sequence, 0, 0.0)
        if time.monotonic() < known.due or stream in self.relay.stopped:
            return
        if known.tries >= MAX_RESENDS:
            self.relay.stop_stream(
                stream, f"record {sequence} was sent {known.tries + 1} times and is not in the log"
            )
            return
        known.tries += 1
        known.due = time.monotonic() + min(5.0 * 2**known.tries, 60.0)
        self.relay.repair(stream, sequence)


def _first_acknowledged(connection: Connection) -> dict[Stream, tuple[int, int]]:
    firsts = (
        select(ROWS.c.source, ROWS.c.topic, func.min(ROWS.c.sequence).label("sequence"))
        .group_by(ROWS.c.source, ROWS.c.topic)
        .subquery()
    )
    found = connection.execute(
        select(ROWS.c.source, ROWS.c.topic, ROWS.c.sequence, ROWS.c.offset)
        .join(
            firsts,
            (ROWS.c.source == firsts.c.source)
            & (ROWS.c.topic == firsts.c.topic)
            & (ROWS.c.sequence == firsts.c.sequence),
        )
        .where(ROWS.c.offset.is_not(None), ROWS.c.created < time.time() - PATIENCE_SECONDS)
    )
    return {(row.source, row.topic): (row.sequence, row.offset) for row in found}
