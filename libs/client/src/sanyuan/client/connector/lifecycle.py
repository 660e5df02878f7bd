"""The connector: waits for what it needs, starts its parts, and ends them together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog
from sqlmodel import SQLModel

from sanyuan.client import inbox
from sanyuan.client.connector.errors import ConnectorClosedError
from sanyuan.client.connector.handing import HandingOut, Waiter
from sanyuan.client.connector.reading import by_user, read_inboxes
from sanyuan.client.connector.receiving import Receiver
from sanyuan.client.connector.sending import Sender
from sanyuan.client.inbox import Decision
from sanyuan.common import outbox, positions
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.producing import Producer
from sanyuan.common.relay import Sent
from sanyuan.common.service.waiting import Say, wait_for_lock, wait_registered
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import WEEK

HAND_OUT_SECONDS: Final = 0.25
FORGET_SECONDS: Final = 3600.0
MODELS: Final[tuple[type[SQLModel], ...]] = (*outbox.MODELS, *positions.MODELS, *inbox.MODELS)

log = structlog.get_logger()


class Connector:
    """Open with `open`; every method belongs to the event loop that opened it."""

    def __init__(self, systems: Sequence[SystemFile], database: Database) -> None:
        self._systems = list(systems)
        self._database = database
        self._participants = Participants(systems[0])
        self._follower: Follower | None = None
        self._producer = Producer(database, systems, lambda: self.directory)
        self._handing = HandingOut(system.source for system in systems)
        self._sender = Sender(database, self._producer)
        self._receiver = Receiver(
            systems, database, self._handing, lambda: self.directory, self.refresh
        )
        self._failure: BaseException | None = None
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
        opened = await wait_for_lock(lambda: Database.open(f"sqlite:///{database}", MODELS), say)
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

    async def send(self, draft: Draft, waiter: Waiter | None = None) -> Row:
        """Make a command durable and send it; ``waiter`` gets its decision.

        Raises OutboxFullError, StreamStoppedError, EnvelopeError and what ended the connection.
        """
        self._check_alive()
        if waiter is None:
            return await self._sender.send(draft)
        return await self._sender.send(
            draft,
            lambda row: self._handing.expect((row.source, row.topic, row.sequence), waiter),
        )

    async def decisions(self, source: str) -> AsyncIterator[Decision]:
        """Everything in the system's inbox that nobody waits for, each once; for ever.

        What was handed out and not followed by asking for the next comes again after a crash.
        Raises what ended the connection, ConnectorClosedError when it was closed.
        """
        async for decision in self._handing.decisions(source):
            yield decision
        self._check_alive()

    async def drained(self) -> None:
        """Wait until the broker has acknowledged everything that was sent."""
        await self._producer.relay.drained()

    async def _start(self, say: Say) -> None:
        first = self._systems[0]
        self._follower = await Follower.start(first, {"participants": self._participants.apply})
        for system in self._systems:
            await wait_registered(system, self._follower, self._participants, say)
        await self._producer.start()
        await self._receiver.load()
        readers = [read_inboxes(group, self._receiver) for group in by_user(self._systems)]
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._sender.run(), self._receiver.run(), self._hand_out(), *readers)
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
        await self._forget_handed()
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
        self._sender.end(error)
        self._handing.end(error)

    def _check_alive(self) -> None:
        failure = self._failure or self._producer.failure()
        if failure is not None:
            raise failure

    async def _hand_out(self) -> None:
        forgotten = 0.0
        while True:
            await asyncio.sleep(HAND_OUT_SECONDS)
            if (failure := self._producer.failure()) is not None:
                raise failure
            await self._forget_handed()
            if time.monotonic() > forgotten + FORGET_SECONDS:
                forgotten = time.monotonic()
                before = time.time() - WEEK.total_seconds()
                await self._database.transaction(partial(positions.forget_taken, before=before))

    async def _forget_handed(self) -> None:
        if handed := self._handing.collect():
            await self._database.transaction(lambda connection: inbox.hand_out(connection, handed))
