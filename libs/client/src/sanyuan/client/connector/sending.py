"""Sending: drafts become durable rows of the outbox, many in one transaction (design §3)."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from sanyuan.client.connector.errors import StreamStoppedError
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.producing import Producer

GROUP_SECONDS: Final = 0.005

log = structlog.get_logger()
Placed = Callable[[Row], None]
"""Called with a row that is durable, before it is sent."""


class _Parcel(NamedTuple):
    draft: Draft
    placed: Placed | None
    done: "asyncio.Future[Row]"


class Sender:
    """Start `run` as a task; the rows of a stream are placed in the order of `send`."""

    def __init__(self, database: Database, producer: Producer) -> None:
        self._database = database
        self._producer = producer
        self._parcels: list[_Parcel] = []
        self._wake = asyncio.Event()

    async def send(self, draft: Draft, placed: Placed | None = None) -> Row:
        """Make a draft durable and have it sent.

        Raises OutboxFullError, StreamStoppedError, EnvelopeError and what ended the connection.
        """
        self._producer.check_room()
        stopped = self._producer.relay.stopped.get((draft.source, draft.topic))
        if stopped is not None:
            raise StreamStoppedError(stopped, where=f"{draft.source} in {draft.topic}")
        done: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._parcels.append(_Parcel(draft, placed, done))
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Commit for ever; raises what the database raises."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GROUP_SECONDS)
            self._wake.clear()
            parcels, self._parcels = self._parcels, []
            if parcels:
                await self._commit(parcels)

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing is sent any more."""
        for parcel in self._parcels:
            _fail(parcel.done, error)

    async def _commit(self, parcels: list[_Parcel]) -> None:
        """One transaction for all; when one of them cannot be written, one each."""
        drafts = [parcel.draft for parcel in parcels]
        try:
            rows = await self._database.transaction(
                lambda connection: self._producer.outbox.append(connection, drafts)
            )
        except SanyuanError as error:
            self._producer.outbox.forget()
            if len(parcels) == 1:
                _fail(parcels[0].done, error)
                return
            for parcel in parcels:
                await self._commit([parcel])
            return
        except BaseException as error:  # the database's: this task ends, and nobody waits for ever
            for parcel in parcels:
                _fail(parcel.done, error)
            raise
        failpoint("client.after-commit")
        for parcel, row in zip(parcels, rows, strict=True):
            self._settle(parcel, row)
        self._producer.submit(rows)

    def _settle(self, parcel: _Parcel, row: Row) -> None:
        if parcel.placed is not None:
            parcel.placed(row)
        if parcel.done.cancelled():
            log.info("a command was sent although its sender gave up", topic=row.topic)
        else:
            parcel.done.set_result(row)


def _fail(future: "asyncio.Future[Row]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waits sees it; nobody waiting is no fault
