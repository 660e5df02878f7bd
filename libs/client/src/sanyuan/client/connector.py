"""The systems of one process: one database, one broker connection per access node (design §2, §3).

Commands are durable in the outbox when `send` returns; decisions are durable in the inbox before
anyone sees them. Commits are grouped: whoever comes within five milliseconds shares one.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection
from sqlmodel import SQLModel

from sanyuan.client import inbox
from sanyuan.client.inbox import Decision, Kept, Received, kept, read_decision
from sanyuan.common import outbox, positions, telemetry
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.follower import CatchUpError, Follower, Participants
from sanyuan.common.kafka import raw_records, start_consumer, stop_consumer
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.positions import Partition, load_offsets
from sanyuan.common.producing import Producer
from sanyuan.common.reading import Records, read_many
from sanyuan.common.record import Record
from sanyuan.common.relay import Sent
from sanyuan.common.service.checking import check, decode_all
from sanyuan.common.service.waiting import Say, wait_for_lock, wait_registered
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import WEEK

GROUP_SECONDS: Final = 0.005
GATHER_SECONDS: Final = 0.02
"""What arrives on several connections within it is made durable at once."""
HAND_OUT_SECONDS: Final = 0.25
FORGET_SECONDS: Final = 3600.0
POLL_MS: Final = 500
RETRY_SECONDS: Final = 0.5
# A moment's collecting at the broker saves most of the cost of fetching (faststream.md, fact 25).
FETCH_MIN_BYTES: Final = 128 * 1024
FETCH_WAIT_MS: Final = 80
Ref = tuple[str, str, int]
"""(source, Kafka topic, sequence) of a command of one's own."""

log = structlog.get_logger()


class StreamStoppedError(SanyuanError):
    """The log does not take this stream's records; nothing more is sent in it."""


class ConnectorClosedError(SanyuanError):
    """The connector was closed while something was still under way."""


class Connector:
    """Open with `open`; every method belongs to the event loop that opened it."""

    def __init__(self, systems: Sequence[SystemFile], database: Database) -> None:
        self._systems = {system.source: system for system in systems}
        self._by_inbox = {system.inbox: system for system in systems if system.inbox}
        self._database = database
        self._participants = Participants(systems[0])
        self._follower: Follower | None = None
        self._producer = Producer(database, systems, lambda: self.directory)
        self._sends: list[tuple[Draft, asyncio.Future[Row]]] = []
        self._to_send = asyncio.Event()
        self._received: list[tuple[Records, asyncio.Future[None]]] = []
        self._to_receive = asyncio.Event()
        self._handed: list[tuple[str, int]] = []
        self._waiters: dict[Ref, asyncio.Future[Decision]] = {}
        self._queues: dict[str, asyncio.Queue[Decision | None]] = {
            source: asyncio.Queue() for source in self._systems
        }
        self._failure: BaseException | None = None
        self._offsets: dict[Partition, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        systems: Sequence[SystemFile],
        database: Path,
        *,
        say: Say = lambda _: None,
        on_sent: Sent | None = None,
    ) -> AsyncIterator[Self]:
        """Connect; waits, saying so, for the lock, the registration and the broker.

        Raises SystemFileError, DatabaseError, RestoredBackupError.
        """
        models: list[type[SQLModel]] = [*outbox.MODELS, *positions.MODELS, *inbox.MODELS]
        opened = await wait_for_lock(lambda: Database.open(f"sqlite:///{database}", models), say)
        connector = cls(systems, opened)
        connector._producer.relay.on_sent = on_sent
        try:
            await connector._start(say)
            yield connector
        finally:
            await connector._stop()
            opened.close()

    @property
    def directory(self) -> Directory:
        """Everything that ``participants`` says, as far as it was read."""
        return self._participants.directory

    async def refresh(self) -> Directory:
        """The directory as of now; raises CatchUpError."""
        if self._follower is not None:
            await self._follower.catch_up()
        return self.directory

    async def send(self, draft: Draft, waiter: "asyncio.Future[Decision] | None" = None) -> Row:
        """Make a command durable and send it; ``waiter`` gets its decision.

        Raises OutboxFullError, StreamStoppedError, EnvelopeError and what ended the connection.
        """
        self._check_alive()
        self._producer.check_room()
        stopped = self._producer.relay.stopped.get((draft.source, draft.topic))
        if stopped is not None:
            raise StreamStoppedError(stopped, where=f"{draft.source} in {draft.topic}")
        future: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        if waiter is not None:
            future.add_done_callback(lambda done: self._await_decision(done, waiter))
        self._sends.append((draft, future))
        self._to_send.set()
        return await future

    def _await_decision(
        self, placed: "asyncio.Future[Row]", waiter: "asyncio.Future[Decision]"
    ) -> None:
        if not placed.cancelled() and placed.exception() is None:
            row = placed.result()
            self._waiters[row.source, row.topic, row.sequence] = waiter

    async def decisions(self, source: str) -> AsyncIterator[Decision]:
        """Everything in the system's inbox that nobody waits for, each once; for ever.

        What was handed out and not followed by asking for the next comes again after a crash.
        Raises what ended the connection, ConnectorClosedError when it was closed.
        """
        queue = self._queues[source]
        while True:
            decision = await queue.get()
            if decision is None:
                queue.put_nowait(None)
                self._check_alive()
                return
            failpoint("client.after-take")
            yield decision
            self._handed.append((decision.topic, decision.offset))

    async def drained(self) -> None:
        """Wait until the broker has acknowledged everything that was sent."""
        await self._producer.relay.drained()

    async def _start(self, say: Say) -> None:
        first = next(iter(self._systems.values()))
        self._follower = await Follower.start(first, {"participants": self._participants.apply})
        for system in self._systems.values():
            await wait_registered(system, self._follower, self._participants, say)
        await self._producer.start()
        self._offsets = await self._database.transaction(load_offsets)
        for row in await self._database.transaction(inbox.load_kept):
            self._queue(row)
        readers = [self._read_inboxes(group) for group in _by_user(self._systems.values())]
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._commit_sends(), self._commit_received(), self._hand_out(), *readers)
        ]
        for task in self._tasks:
            task.add_done_callback(self._note_end)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._producer.stop()
        if self._follower is not None:
            await self._follower.stop()
        await self._database.transaction(self._forget_handed)
        self._end(
            ConnectorClosedError("the connector was closed", do="open it again and wait there")
        )

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the connection ends", error=f"{type(error).__name__}: {error}")
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing comes any more."""
        self._failure = self._failure or error
        waiting: list[asyncio.Future[Any]] = [future for _, future in self._sends]
        for future in (*waiting, *self._waiters.values()):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits sees it; nobody waiting is no fault
        for queue in self._queues.values():
            queue.put_nowait(None)

    def _check_alive(self) -> None:
        failure = self._failure or self._producer.failure()
        if failure is not None:
            raise failure

    async def _commit_sends(self) -> None:
        while True:
            await self._to_send.wait()
            await asyncio.sleep(GROUP_SECONDS)
            self._to_send.clear()
            batch, self._sends = self._sends, []
            if batch:
                await self._commit_batch(batch)

    async def _commit_batch(self, batch: list[tuple[Draft, "asyncio.Future[Row]"]]) -> None:
        """One transaction for all; when one of them cannot be written, one each."""
        drafts = [draft for draft, _ in batch]
        try:
            rows = await self._database.transaction(
                lambda connection: self._producer.outbox.append(connection, drafts)
            )
        except SanyuanError as error:
            self._producer.outbox.forget()
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for item in batch:
                await self._commit_batch([item])
            return
        except BaseException as error:  # the database's: this task ends, and nobody waits for ever
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            raise
        failpoint("client.after-commit")
        for (_, future), row in zip(batch, rows, strict=True):
            if not future.cancelled():
                future.set_result(row)
            else:
                log.info("a command was sent although its sender gave up", topic=row.topic)
        self._producer.submit(rows)

    async def _read_inboxes(self, systems: Sequence[SystemFile]) -> None:
        """Read the inboxes of one access node."""
        consumer = await start_consumer(
            systems[0], fetch_min_bytes=FETCH_MIN_BYTES, fetch_max_wait_ms=FETCH_WAIT_MS
        )
        try:
            partitions = [TopicPartition(s.inbox, 0) for s in systems if s.inbox]
            if not partitions:
                return
            consumer.assign(partitions)
            while True:
                for partition in partitions:
                    consumer.seek(partition, self._offsets.get((partition.topic, 0), 0))
                try:
                    while True:
                        await self._read_once(consumer, partitions)
                except KafkaError as error:
                    log.warning("reading inboxes failed", error=type(error).__name__)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            await stop_consumer(consumer)

    async def _read_once(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
    ) -> None:
        records = await read_many(
            consumer,
            lambda: {p: self._offsets.get((p.topic, 0), 0) for p in partitions},
            timeout_ms=POLL_MS,
            max_records=500,
        )
        if records:
            failpoint("client.after-receive")
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._received.append((records, done))
            self._to_receive.set()
            await done

    async def _commit_received(self) -> None:
        while True:
            await self._to_receive.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._to_receive.clear()
            batch, self._received = self._received, []
            await self._take([record for records, _ in batch for record in records])
            for _, done in batch:
                done.set_result(None)

    async def _take(self, records: Records) -> None:
        raws = [
            raw
            for raw in raw_records(records)
            if raw.offset >= self._offsets.get((raw.topic, raw.partition), 0)
        ]
        readable = decode_all(
            raws, domain=next(iter(self._systems.values())).domain, partitions=lambda _topic: 1
        )
        checked = check(readable, self.directory)
        if any(rejection.reason == "unknown-key" for rejection in checked.rejections):
            checked = check(readable, await self._refreshed())
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in raws}
        received = await self._database.transaction(
            lambda connection: self._receive(connection, checked.records, offsets)
        )
        self._offsets |= offsets
        for rejection in (*checked.rejections, *received.rejections):
            log.warning(
                "a record in an inbox is not taken",
                reason=rejection.reason,
                detail=rejection.detail,
                topic=rejection.raw.topic,
                offset=rejection.raw.offset,
            )
        for record in received.records:
            self._queue(kept(record))

    async def _refreshed(self) -> Directory:
        """`refresh`, however long the broker takes: nothing is judged before it."""
        while True:
            try:
                return await self.refresh()
            except CatchUpError as error:
                log.warning("the inbox waits", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _receive(
        self, connection: Connection, records: Sequence[Record], offsets: dict[Partition, int]
    ) -> Received:
        self._forget_handed(connection)
        return inbox.receive(connection, records, offsets)

    def _queue(self, row: Kept) -> None:
        """Give a decision to whoever waits for it, else to `decisions`."""
        system = self._by_inbox[row.topic]
        started = time.time_ns()
        decision = read_decision(row, system, self.directory)
        attributes = {"sanyuan.case": decision.case, "messaging.destination.name": row.topic}
        telemetry.record_hop(
            f"open {decision.type}", row.traceparent, SpanKind.CONSUMER, started, attributes
        )
        command = decision.command
        waiter = None
        if command is not None and decision.unexpected is None:
            topic = command.topic.partition("/")[2]
            waiter = self._waiters.pop((command.source, topic, int(command.sequence)), None)
        if waiter is not None and not waiter.done():
            waiter.set_result(decision)
            self._handed.append((row.topic, row.offset))
        else:
            self._queues[system.source].put_nowait(decision)

    async def _hand_out(self) -> None:
        forgotten = 0.0
        while True:
            await asyncio.sleep(HAND_OUT_SECONDS)
            if (failure := self._producer.failure()) is not None:
                raise failure
            if self._handed:
                await self._database.transaction(self._forget_handed)
            if time.monotonic() > forgotten + FORGET_SECONDS:
                forgotten = time.monotonic()
                before = time.time() - WEEK.total_seconds()
                await self._database.transaction(partial(positions.forget_taken, before=before))

    def _forget_handed(self, connection: Connection) -> None:
        handed, self._handed = self._handed, []
        inbox.hand_out(connection, handed)


def _by_user(systems: Iterable[SystemFile]) -> list[list[SystemFile]]:
    groups: dict[str, list[SystemFile]] = {}
    for system in systems:
        groups.setdefault(system.username, []).append(system)
    return list(groups.values())
