"""The desk: all of a connector but its broker, so that it can be tried without one.

Whatever reads inboxes gives it raw records, whatever sends takes its rows; between the two lies one
database, and every promise about what is durable when.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from sqlmodel import SQLModel

from sanyuan.client import calls, inbox
from sanyuan.client.calls import CallResult, OpenCalls, Opening
from sanyuan.client.calls.answering import Answer
from sanyuan.client.calls.open_calls import forget_told, mark_told
from sanyuan.client.connector.committing import Commits
from sanyuan.client.connector.handing import CallWaiter, Handed, HandingOut, Waiter
from sanyuan.client.connector.receiving import Ends, Receiver
from sanyuan.client.connector.sending import Outgoing, Sender
from sanyuan.client.connector.serving import Serving
from sanyuan.client.inbox import Decision
from sanyuan.common import outbox, positions
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import WEEK

MODELS: Final[tuple[type[SQLModel], ...]] = (
    *outbox.MODELS,
    *positions.MODELS,
    *inbox.MODELS,
    *calls.MODELS,
)
HAND_OUT_SECONDS: Final = 0.25
FORGET_SECONDS: Final = 3600.0

log = structlog.get_logger()


class Desk:
    """Sends, receives, hands out and answers for the systems of one database."""

    def __init__(
        self,
        systems: Sequence[SystemFile],
        database: Database,
        outgoing: Outgoing,
        directory: Callable[[], Directory],
        refresh: Callable[[], Awaitable[Directory]],
    ) -> None:
        calls = OpenCalls()
        self._database = database
        self._commits = Commits(database, lambda: self._forget_memory(outgoing))
        self._handing = HandingOut(system.source for system in systems)
        self._sender = Sender(self._commits, outgoing, calls)
        by_source = {system.source: system for system in systems}
        self._serving = Serving(by_source, self._sender, directory)
        self.receiver = Receiver(
            systems, self._commits, calls, self._handing, self._serving, directory, refresh
        )
        self._failure: BaseException | None = None

    async def send(self, draft: Draft, waiter: Waiter | None = None) -> Row:
        """Make a command durable and send it; ``waiter`` gets its decision.

        Raises OutboxFullError, StreamStoppedError, EnvelopeError and what ended the connection.
        """
        self._check_alive()
        self._sender.check_going(draft)
        placed = None
        if waiter is not None:
            placed = partial(_expect_first, self._handing.expect, waiter)
        return (await self._sender.send([draft], placed=placed))[0]

    async def call(self, draft: Draft, opening: Opening, waiter: CallWaiter) -> Row:
        """`send` for a shared call, which stays open until ``waiter`` gets its result."""
        self._check_alive()
        self._sender.check_going(draft)
        placed = partial(_expect_first, self._handing.expect_result, waiter)
        return (await self._sender.send([draft], openings=[opening], placed=placed))[0]

    async def send_all(
        self, drafts: Sequence[Draft], openings: Sequence[Opening] = ()
    ) -> list[Row]:
        """Make commands durable in one transaction, all or none; raises as `send`.

        ``openings``, one a draft, make them shared calls. What becomes of them comes through
        `decisions` and `results`.
        """
        self._check_alive()
        for draft in drafts:
            self._sender.check_going(draft)
        return await self._sender.send(drafts, openings=openings) if drafts else []

    def decisions(self, source: str) -> AsyncIterator[Decision]:
        """Everything in the system's inbox that nobody waits for, each once; for ever.

        What was handed out and not followed by asking for the next comes again after a crash.
        Raises what ended the connection, ConnectorClosedError when it was closed.
        """
        return self._handing.decisions(source)

    def results(self, source: str) -> AsyncIterator[CallResult]:
        """The end of every call of the system that nobody waits for; as `decisions`."""
        return self._handing.results(source)

    def waiting(self, source: str) -> list[Decision]:
        """What `decisions` would hand out now."""
        return self._handing.waiting(source)

    async def claim(self, source: str, matches: Callable[[Decision], bool]) -> Decision:
        """The first matching record of `decisions`, taken out of turn, once there is one."""
        self._check_alive()
        return await self._handing.claim(source, matches)

    def drop(self, source: str, matches: Callable[[Decision], bool]) -> None:
        """Hand out matching records of `decisions` to nobody: they have been dealt with."""
        self._handing.drop(source, matches)

    async def serve(self, source: str, answers: Mapping[str, Answer]) -> None:
        """Answer the calls of the system's resources until cancelled.

        Raises ServingError and what ended the connection.
        """
        self._check_alive()
        await self._serving.serve(source, answers)

    def work(self, ends: Ends) -> list[Coroutine[Any, Any, None]]:
        """What has to run; ``ends`` says where inboxes end."""
        return [
            self._commits.run(),
            self._sender.run(),
            self.receiver.run(),
            self._serving.run(),
            self._hand_out(),
            self._end_overdue(ends),
        ]

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing comes any more."""
        self._failure = self._failure or error
        self._commits.end(error)
        self._sender.end(error)
        self._serving.end(error)
        self._handing.end(error)

    async def load(self) -> None:
        """Deliver what an earlier life has received and not handed out."""
        await self.receiver.load(self._database)

    async def forget_handed(self) -> None:
        """Remove what the application has from the inbox, also when nothing works any more."""
        handed = self._handing.collect()
        if any(handed):
            await self._database.transaction(partial(_forget, handed=handed))

    def failure(self) -> BaseException | None:
        """Why nothing goes on, when it does not."""
        return self._failure

    def _forget_memory(self, outgoing: Outgoing) -> None:
        """Nothing of a transaction counts, so nothing that was remembered of it does."""
        outgoing.outbox.forget()
        self.receiver.places.forget()

    def _check_alive(self) -> None:
        if (failure := self.failure()) is not None:
            raise failure

    async def _hand_out(self) -> None:
        forgotten = 0.0
        while True:
            await asyncio.sleep(HAND_OUT_SECONDS)
            self._check_alive()
            for source, decision in self._serving.overlooked():
                self._handing.deliver(source, decision)
            if any(handed := self._handing.collect()):
                await self._commits.commit(partial(_forget, handed=handed))
            if time.monotonic() > forgotten + FORGET_SECONDS:
                forgotten = time.monotonic()
                await self._commits.commit(_forget_old)

    async def _end_overdue(self, ends: Ends) -> None:
        while True:
            await asyncio.sleep(HAND_OUT_SECONDS)
            await self.receiver.end_overdue(ends)


def _expect_first(expect: Callable[..., None], waiter: object, rows: Sequence[Row]) -> None:
    row = rows[0]
    expect((row.source, row.topic, row.sequence), waiter)


def _forget(connection: Connection, handed: Handed) -> None:
    inbox.hand_out(connection, handed.places, handed.unexpected)
    mark_told(connection, handed.told)


def _forget_old(connection: Connection) -> None:
    """What no record on any topic can speak of any more."""
    before = time.time() - WEEK.total_seconds()
    positions.forget_taken(connection, before)
    forget_told(connection, before)
