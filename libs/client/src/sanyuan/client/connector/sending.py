"""Sending: drafts become durable rows of the outbox, many in one transaction (design §3).

What belongs to a record is written with it: the open call of a command, and of an answer that the
admitted call which it answers leaves the inbox. So each is answered once, whatever dies when.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import structlog
from sqlalchemy import Connection

from sanyuan.client.calls import OpenCall, OpenCalls, Opening
from sanyuan.client.calls.open_calls import insert_open, open_call
from sanyuan.client.connector.committing import Commits, Window
from sanyuan.client.connector.errors import StreamStoppedError
from sanyuan.client.connector.handing import fail
from sanyuan.client.inbox import Place, hand_out
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.outbox import Draft, Outbox, Row, Stream

log = structlog.get_logger()
Placed = Callable[[Sequence[Row]], None]
"""Called with rows that are durable, before they are sent."""


class Relays(Protocol):
    """What is known of sending: the streams that are not sent any more, and why."""

    @property
    def stopped(self) -> Mapping[Stream, str]:
        """Stream → reason."""
        ...


class Outgoing(Protocol):
    """Where rows go once they are durable; `sanyuan.common.producing.Producer` is one."""

    @property
    def outbox(self) -> Outbox:
        """The writer of rows."""
        ...

    @property
    def relay(self) -> Relays:
        """What sends them."""
        ...

    def check_room(self) -> None:
        """Raises OutboxFullError at the limit."""
        ...

    def submit(self, rows: Sequence[Row]) -> None:
        """Send rows that were just committed."""
        ...


class _Parcel(NamedTuple):
    drafts: Sequence[Draft]
    openings: Sequence[Opening]
    answered: Sequence[Place]
    placed: Placed | None
    done: "asyncio.Future[list[Row]]"


class Sender:
    """Start `run` as a task; the rows of a stream are placed in the order of `send`."""

    def __init__(self, commits: Commits, outgoing: Outgoing, calls: OpenCalls) -> None:
        self._commits = commits
        self._outgoing = outgoing
        self._calls = calls
        self._parcels: list[_Parcel] = []
        self._wake = asyncio.Event()
        self._window = Window()

    async def send(
        self,
        drafts: Sequence[Draft],
        *,
        openings: Sequence[Opening] = (),
        answered: Sequence[Place] = (),
        placed: Placed | None = None,
    ) -> list[Row]:
        """Make drafts durable, all or none, and have them sent.

        ``openings``, one a draft or none at all, are the calls that they open; ``answered`` the
        places in inboxes that they settle. Raises OutboxFullError, EnvelopeError and what ended
        the connection.
        """
        self._outgoing.check_room()
        done: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        self._parcels.append(_Parcel(drafts, openings, answered, placed, done))
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Commit for ever; raises what the database raises."""
        while True:
            await self._wake.wait()
            # Answers come in company: their calls were received together.
            if not any(parcel.answered for parcel in self._parcels):
                await self._window.wait()
            self._wake.clear()
            parcels, self._parcels = self._parcels, []
            self._window.note(sum(len(parcel.drafts) for parcel in parcels))
            if parcels:
                await self._commit(parcels)

    def check_going(self, draft: Draft) -> None:
        """Raises StreamStoppedError when the log does not take the stream."""
        if reason := self._outgoing.relay.stopped.get((draft.source, draft.topic)):
            raise StreamStoppedError(reason, where=f"{draft.source} in {draft.topic}")

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing is sent any more."""
        fail(error, (parcel.done for parcel in self._parcels))

    async def _commit(self, parcels: Sequence[_Parcel]) -> None:
        """All together; when one of them cannot be written, one by one."""
        try:
            placed = await self._commits.commit(partial(self._write, parcels=parcels))
        except SanyuanError as error:
            if len(parcels) == 1:
                fail(error, [parcels[0].done])
                return
            for parcel in parcels:
                await self._commit([parcel])
            return
        except BaseException as error:  # the database's: this task ends, and nobody waits for ever
            fail(error, (parcel.done for parcel in parcels))
            raise
        failpoint("client.after-commit")
        self._calls.opened(placed.calls)
        for parcel, rows in zip(parcels, placed.rows, strict=True):
            _settle(parcel, rows)
        self._outgoing.submit([row for rows in placed.rows for row in rows])

    def _write(self, connection: Connection, parcels: Sequence[_Parcel]) -> "_Placed":
        drafts = [draft for parcel in parcels for draft in parcel.drafts]
        rows = iter(self._outgoing.outbox.append(connection, drafts))
        placed = _Placed([], [])
        for parcel in parcels:
            own = [next(rows) for _ in parcel.drafts]
            placed.rows.append(own)
            if parcel.openings:
                opened = zip(own, parcel.drafts, parcel.openings, strict=True)
                placed.calls.extend(
                    open_call(row, draft.case or "", opening) for row, draft, opening in opened
                )
        insert_open(connection, placed.calls)
        hand_out(connection, [place for parcel in parcels for place in parcel.answered])
        return placed


class _Placed(NamedTuple):
    rows: list[list[Row]]
    calls: list[OpenCall]


def _settle(parcel: _Parcel, rows: list[Row]) -> None:
    if parcel.done.cancelled():
        log.info("a command was sent although its sender gave up", topic=rows[0].topic)
        return
    if parcel.placed is not None:
        parcel.placed(rows)
    parcel.done.set_result(rows)
