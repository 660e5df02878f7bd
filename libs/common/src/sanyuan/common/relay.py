"""The relay: committed rows of the outbox to the broker, each stream in order (design §3).

Invariants: a stream is sent from its first unconfirmed row to its head after a failure or restart;
public facts are acknowledged before the other records of their batch are sent; a row stays until a
seal covers it; a stream whose rows the log does not take is stopped, never skipped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from sanyuan.common.database import Database
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import start_producer, stop_producer
from sanyuan.common.outbox import Row, Stream, load_from, mark_acknowledged, unconfirmed
from sanyuan.common.partition import partition_of
from sanyuan.common.systems import SystemFile
from sanyuan.common.telemetry import is_sampled, record_hop
from sanyuan.common.topics import INBOX_PREFIX, partitions_of

FIRST_BACKOFF_SECONDS: Final = 0.1
MAX_BACKOFF_SECONDS: Final = 60.0
MAX_DOUBLINGS: Final = 10
LOAD_ROWS: Final = 2000
MARK_SECONDS: Final = 0.25
EVENTS_SUFFIX: Final = "-events"

log = structlog.get_logger()
Route = Callable[[str], SystemFile]
"""Source → the system file by which it connects: one connection an access node."""
Sent = Callable[[Row, int, int], None]
"""Called with (row, partition, offset) once the broker has acknowledged."""


@dataclass(slots=True)
class _Repair:
    """A stream that is sent again from ``first``, not before ``due`` (monotonic seconds)."""

    first: int
    due: float
    tries: int = 0


class Relay:
    """Start `run` as a task; hand committed rows over with `submit`."""

    def __init__(
        self,
        database: Database,
        route: Route,
        on_sent: Sent | None = None,
        topics: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._database = database
        self._route = route
        self._topics = topics
        self._producers: dict[str, AIOKafkaProducer] = {}
        self.on_sent = on_sent
        self._pending: list[Row] = []
        self._submitted: dict[Stream, int] = {}
        self._repairs: dict[Stream, _Repair] = {}
        self._marks: dict[tuple[str, str, int], int] = {}
        self._marked_at = time.monotonic()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._draining = False
        self.stopped: dict[Stream, str] = {}
        """Streams that are not sent any more, with the reason."""

    def submit(self, rows: Sequence[Row]) -> None:
        """Send rows that were just committed."""
        self._pending += rows
        self._idle.clear()
        self._wake.set()

    def repair(self, stream: Stream, first: int, delay: float = 0.0) -> None:
        """Send a stream again from ``first`` to its head."""
        known = self._repairs.get(stream)
        if known is None:
            self._repairs[stream] = _Repair(first, time.monotonic() + delay)
        else:
            known.first = min(known.first, first)
        self._idle.clear()
        self._wake.set()

    def stop_stream(self, stream: Stream, reason: str) -> None:
        """Send nothing more of a stream; its rows stay."""
        self.stopped[stream] = reason
        log.error("a stream is stopped", stream=stream, reason=reason)

    def oldest_pending(self) -> float | None:
        """When the oldest row that is not acknowledged was made (seconds since 1970)."""
        return min((row.created for row in self._pending), default=None)

    async def drained(self) -> None:
        """Wait until everything that was submitted is acknowledged and marked."""
        self._draining = True
        self._wake.set()
        await self._idle.wait()
        self._draining = False

    async def run(self) -> None:
        """Send for ever; raises what the database raises."""
        for stream, first in (await self._database.transaction(unconfirmed)).items():
            self.repair(stream, first)
        try:
            while True:
                await self._wait()
                rows, self._pending = self._pending, []
                await self._send_new(rows)
                await self._send_repairs()
                await self._mark()
                if not (self._pending or self._repairs or self._marks):
                    self._idle.set()
        finally:
            for user in list(self._producers):
                await self._discard_producer(user)

    async def _wait(self) -> None:
        timeout = None
        if self._repairs:
            due = min(repair.due for repair in self._repairs.values())
            timeout = max(0.0, due - time.monotonic())
        if self._marks:
            timeout = min(timeout or MARK_SECONDS, MARK_SECONDS)
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _send_new(self, rows: Sequence[Row]) -> None:
        facts: list[Row] = []
        inboxes: list[Row] = []
        for row in rows:
            stream = row.stream
            self._submitted[stream] = row.sequence
            if stream not in self._repairs and self._may(stream):
                (inboxes if row.topic.startswith(INBOX_PREFIX) else facts).append(row)
        # Two waves: a revocation is on its topic before anyone reads a decision that knows of it.
        await self._send(facts)
        if (due := self._facts_due()) is not None:
            for row in inboxes:
                self._repairs.setdefault(row.stream, _Repair(row.sequence, due))
            return
        await self._send(inboxes)

    def _facts_due(self) -> float | None:
        """When facts that are not on their topic yet are sent again; None when all are there."""
        waiting = (
            repair.due
            for stream, repair in self._repairs.items()
            if stream[1].endswith(EVENTS_SUFFIX) and self._may(stream)
        )
        return max(waiting, default=None)

    def _may(self, stream: Stream) -> bool:
        return stream not in self.stopped

    async def _send(self, rows: Sequence[Row]) -> bool:
        """Send rows in order; a failure puts its stream under repair. True when all arrived."""
        if not rows:
            return True
        sends: list[tuple[int, Sequence[Row], Awaitable[object]]] = []
        failed: dict[Stream, int] = {}
        for (user, topic, partition), parcel in self._parcels(rows).items():
            producer = await self._producer_of(user, parcel[0].source)
            for batch, packed in _pack(producer, parcel):
                try:
                    future = await producer.send_batch(batch, topic, partition=partition)
                except KafkaError as error:
                    self._fail(packed, error, failed)
                    break  # what follows would come before what has failed
                sends.append((partition, packed, future))
                failpoint("relay.after-first-send")
        for partition, sent_rows, future in sends:
            try:
                sent = await future
            except KafkaError as error:
                self._fail(sent_rows, error, failed)
            else:
                for number, row in enumerate(sent_rows):
                    self._confirm(row, partition, sent.offset + number)  # type: ignore[attr-defined]  # RecordMetadata
        failpoint("relay.after-send")
        for user in {self._route(source).username for source, _ in failed}:
            await self._discard_producer(user)
        return not failed

    def _parcels(self, rows: Sequence[Row]) -> dict[tuple[str, str, int], list[Row]]:
        """Rows in order by (access node, topic, partition): what aiokafka sends in one piece.

        One future and one look at the metadata for a piece, not for each record.
        """
        parcels: dict[tuple[str, str, int], list[Row]] = {}
        parcel_of: dict[Stream, list[Row]] = {}
        for row in rows:
            parcel = parcel_of.get(row.stream)
            if parcel is None:
                place = (self._route(row.source).username, row.topic, partition_of_row(row))
                parcel = parcel_of[row.stream] = parcels.setdefault(place, [])
            parcel.append(row)
        return parcels

    async def _producer_of(self, user: str, source: str) -> AIOKafkaProducer:
        producer = self._producers.get(user)
        if producer is None:
            system = self._route(source)
            producer = self._producers[user] = await start_producer(system, topics=self._topics())
        return producer

    def _confirm(self, row: Row, partition: int, offset: int) -> None:
        self._marks[row.source, row.topic, row.sequence] = offset
        if is_sampled(traceparent := row.traceparent):
            started = int(row.created * 1e9)
            attributes: dict[str, AttributeValue] = {
                "messaging.destination.name": row.topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "sanyuan.sequence": row.sequence,
            }
            record_hop("relay", traceparent, SpanKind.PRODUCER, started, attributes)
        if self.on_sent is not None:
            self.on_sent(row, partition, offset)

    def _fail(self, rows: Sequence[Row], error: KafkaError, failed: dict[Stream, int]) -> None:
        """Once a stream, however many of its rows were under way: one failure, one back-off."""
        for row in rows:
            if row.stream in failed:
                continue
            failed[row.stream] = row.sequence
            repair = self._repairs.setdefault(row.stream, _Repair(row.sequence, 0.0))
            repair.first = min(repair.first, row.sequence)
            repair.tries += 1
            backoff = FIRST_BACKOFF_SECONDS * 2 ** min(repair.tries, MAX_DOUBLINGS)
            repair.due = time.monotonic() + min(backoff, MAX_BACKOFF_SECONDS)
            log.warning("sending failed", error=type(error).__name__, topic=row.topic)

    async def _discard_producer(self, user: str) -> None:
        """An idempotent producer can stick after an error (fact 14): make another."""
        producer = self._producers.pop(user, None)
        if producer is not None:
            await stop_producer(producer)

    async def _send_repairs(self) -> None:
        now = time.monotonic()
        due = [s for s, r in self._repairs.items() if r.due <= now]
        # Events before inboxes, as in `_send_new`.
        for stream in sorted(due, key=lambda stream: stream[1].startswith(INBOX_PREFIX)):
            facts_due = self._facts_due() if stream[1].startswith(INBOX_PREFIX) else None
            if facts_due is None:
                await self._repair(stream)
            else:
                self._repairs[stream].due = facts_due

    async def _repair(self, stream: Stream) -> None:
        repair = self._repairs[stream]
        if not self._may(stream):
            del self._repairs[stream]
            return
        first = repair.first
        while True:
            load = partial(load_from, stream=stream, first=first, limit=LOAD_ROWS)
            rows = await self._database.transaction(load)
            if not await self._send(rows):
                return
            if rows:
                first = rows[-1].sequence + 1
            # No rows at all: a seal has covered them meanwhile, they had arrived.
            if not rows or (len(rows) < LOAD_ROWS and self._submitted.get(stream, 0) < first):
                del self._repairs[stream]
                return

    async def _mark(self) -> None:
        # A lost mark costs a repetition, which readers skip: so not one commit a send.
        if self._marks and (self._draining or time.monotonic() - self._marked_at > MARK_SECONDS):
            marks, self._marks = self._marks, {}
            await self._database.transaction(lambda c: mark_acknowledged(c, marks))
            self._marked_at = time.monotonic()
            failpoint("relay.after-mark")


def partition_of_row(row: Row) -> int:
    """Where a record belongs; aiokafka's own murmur2 is Python and not remembered."""
    return partition_of(row.source.encode(), partitions_of(row.topic))


def _pack(producer: AIOKafkaProducer, rows: Sequence[Row]) -> Iterator[tuple[Any, list[Row]]]:
    """Batches, closed as soon as they are full, with the rows in each."""
    batch, packed = producer.create_batch(), list[Row]()
    for row in rows:
        if not _append(batch, row):
            yield batch, packed
            batch, packed = producer.create_batch(), []
            _append(batch, row)  # the first one is taken whatever its size
        packed.append(row)
    batch.close()
    yield batch, packed


def _append(batch: Any, row: Row) -> bool:  # noqa: ANN401  aiokafka has no types
    headers = list(row.headers)
    key = row.source.encode()
    return batch.append(timestamp=None, key=key, value=row.value, headers=headers) is not None
