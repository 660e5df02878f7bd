"""Receiving: what inboxes hold is checked and durable before anyone sees it (design §3).

One turn at a time takes records or ends overdue calls, so that what ends a call is decided once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection

from sanyuan.client import inbox
from sanyuan.client.calls import (
    Arrived,
    Judged,
    NoAnswer,
    OpenCall,
    OpenCalls,
    judge,
    result_of,
)
from sanyuan.client.calls.open_calls import delete_answered, find_ended, mark_ended
from sanyuan.client.connector.committing import Commits, Window
from sanyuan.client.connector.handing import HandingOut
from sanyuan.client.connector.older import Older
from sanyuan.client.connector.serving import Serving
from sanyuan.client.inbox import Decision, Place, kept, read_decision
from sanyuan.client.inbox.trust import CATALOG, is_from
from sanyuan.common import telemetry
from sanyuan.common.contracts.catalog import CallAdmitted
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.follower import CatchUpError
from sanyuan.common.outbox import Stream
from sanyuan.common.positions import (
    KnownPlaces,
    Partition,
    load_offsets,
    load_sources,
    save_offsets,
)
from sanyuan.common.record import RawRecord, Record, Rejection, read_all
from sanyuan.common.service.checking import check
from sanyuan.common.service.taking import take
from sanyuan.common.systems import SystemFile

GATHER_SECONDS: Final = 0.02
"""What arrives on several connections within it is made durable at once."""
RETRY_SECONDS: Final = 0.5

log = structlog.get_logger()
Ends = Callable[[set[str]], Awaitable[Mapping[str, int]]]
"""Inboxes → the offset behind the last record of each, as the broker has it now; those that it has
told of."""


class _Item(NamedTuple):
    """A record on its way in, read."""

    record: Record
    system: SystemFile
    decision: Decision


class _Taken(NamedTuple):
    """What one transaction took, and what it did not."""

    judged: Judged
    rejections: Sequence[Rejection]
    ahead: Sequence[Record]


class Receiver:
    """Start `run` as a task; give it what was read with `take`."""

    def __init__(
        self,
        systems: Sequence[SystemFile],
        commits: Commits,
        calls: OpenCalls,
        handing: HandingOut,
        serving: Serving,
        directory: Callable[[], Directory],
        refresh: Callable[[], Awaitable[Directory]],
    ) -> None:
        self._domain = systems[0].domain
        self._by_inbox = {system.inbox: system for system in systems if system.inbox}
        self._inbox_of = {system.source: system.inbox for system in systems if system.inbox}
        self._commits = commits
        self._calls = calls
        self._handing = handing
        self._serving = serving
        self._directory = directory
        self._refresh = refresh
        self._received: list[tuple[Sequence[RawRecord], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._window = Window()
        self._turn = asyncio.Lock()
        self.places = KnownPlaces()
        """What is known of the streams in the inboxes, until a transaction is rolled back."""
        self.older: Older | None = None
        """Where records come from that a topic has lost."""
        self.offsets: dict[Partition, int] = {}
        """The next offset of each inbox that was not taken yet."""

    async def load(self, database: Database) -> None:
        """Stand where the database stands, and deliver what was not handed out."""
        self.offsets = await database.transaction(load_offsets)
        ended = await database.transaction(self._calls.load)
        unexpected = await database.transaction(inbox.load_unexpected)
        for row in await database.transaction(inbox.load_kept):
            system = self._by_inbox.get(row.topic)
            if system is None:  # of a system that is not connected this time: its rows stay
                continue
            decision = read_decision(row, system, self._directory())
            if why := unexpected.get(row.place):
                decision = replace(decision, unexpected=why)
            result = None if decision.unexpected else result_of(decision)
            self._deliver(Arrived(system.source, decision, result))
        self._deliver_ended(ended)

    async def take(self, raws: Sequence[RawRecord]) -> None:
        """Take records of any inboxes; durable once this returns."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received.append((raws, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commit for ever; raises what the database raises."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            batch, self._received = self._received, []
            received = [raw for raws, _ in batch for raw in raws]
            self._window.note(len(received))
            async with self._turn:
                await self._take(received)
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def end_overdue(self, ends: Ends) -> None:
        """End calls whose deadline has passed and whose inbox was read to its end since then.

        So a caller that was away at the deadline gets the answer that came in time.
        """
        due = self._calls.overdue(time.time())
        if not due:
            return
        known = await ends({self._inbox_of[call.source] for call in due})
        async with self._turn:
            over = [call for call in due if self._is_over(call, known)]
            refs = [call.ref for call in over]
            await self._commits.commit(partial(mark_ended, refs=refs))
            self._calls.closed(refs)
        self._deliver_ended(over)

    def _is_over(self, call: OpenCall, ends: Mapping[str, int]) -> bool:
        topic = self._inbox_of[call.source]
        is_read = topic in ends and self.offsets.get((topic, 0), 0) >= ends[topic]
        return is_read and self._calls.find(call.ref) is not None

    async def _take(self, received: Sequence[RawRecord]) -> None:
        raws = [
            raw for raw in received if raw.offset >= self.offsets.get((raw.topic, raw.partition), 0)
        ]
        readable = read_all(raws, domain=self._domain, partitions=lambda _topic: 1)
        checked = check(readable, self._directory())
        if any(rejection.reason == "unknown-key" for rejection in checked.rejections):
            checked = check(readable, await self._refreshed())
        _tell(checked.rejections)
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in raws}
        ahead = await self._take_checked(checked.records, offsets)
        self.offsets |= offsets
        while ahead and self.older is not None:
            places = {record.stream: self.places.known(record.stream) for record in ahead}
            if not (older := await self.older.fetch(ahead, places)):
                return
            readable = read_all(older, domain=self._domain, partitions=lambda _topic: 1)
            checked = check(readable, self._directory())
            _tell(checked.rejections)
            ahead, before = await self._take_checked([*checked.records, *ahead], {}), places
            if all(self.places.known(stream) == place for stream, place in before.items()):
                return

    async def take_expired(self, inbox: str, logged: Mapping[Stream, int]) -> None:
        """Take what the log has of streams in an inbox beyond where they stand; durable after this.

        Call it when the inbox was read to an end that was asked for after ``logged``: what is
        missing then comes no more.
        """
        if self.older is None:
            return
        while True:
            async with self._turn:
                places = await self._commits.commit(partial(self.places.load, streams=logged))
                behind = {
                    stream: (places[stream].sequence, last)
                    for stream, last in logged.items()
                    if places[stream].sequence < last
                }
                if not behind:
                    return
                older = await self.older.fetch_places(inbox, behind)
                readable = read_all(older, domain=self._domain, partitions=lambda _topic: 1)
                checked = check(readable, await self._refreshed())
                _tell(checked.rejections)
                await self._take_checked(checked.records, {})
                if all(self.places.known(each) == places[each] for each in behind):
                    log.error("what the log has of an inbox is not taken", inbox=inbox)
                    return

    async def senders(self, inbox: str) -> set[str]:
        """The sources of which something was taken from an inbox."""
        return await self._commits.commit(partial(load_sources, topic=inbox))

    async def _take_checked(
        self, records: Sequence[Record], offsets: dict[Partition, int]
    ) -> Sequence[Record]:
        """Take authentic records; returns those that came before records that they follow."""
        items = [self._read(record) for record in records]
        if any(self._knows_more(item.decision) for item in items):
            await self._refreshed()
            items = [self._read(item.record) for item in items]
        taken = await self._commits.commit(partial(self._write, items=items, offsets=offsets))
        self._calls.closed(taken.judged.ended)
        _tell(taken.rejections)
        for arrived in taken.judged.arrived:
            self._deliver(arrived)
        return taken.ahead

    def _read(self, record: Record) -> _Item:
        system = self._by_inbox[record.raw.topic]
        started = time.time_ns()
        decision = read_decision(kept(record), system, self._directory())
        if self._directory().is_revoked(record.source, record.key_id):
            decision = replace(decision, unexpected="signed under a key that was revoked")
        if telemetry.is_sampled(record.traceparent):
            attributes = {
                "sanyuan.case": decision.case,
                "messaging.destination.name": decision.topic,
            }
            telemetry.record_hop(
                f"open {decision.type}", record.traceparent, SpanKind.CONSUMER, started, attributes
            )
        return _Item(record, system, decision)

    def _knows_more(self, decision: Decision) -> bool:
        """Whether the catalog had read more of ``participants`` when it admitted a call."""
        message, directory = decision.message, self._directory()
        if not isinstance(message, CallAdmitted):
            return False
        newer = message.asof.get("participants", 0) > directory.sequence
        return newer and is_from(CATALOG, decision.envelope, directory)

    async def _refreshed(self) -> Directory:
        """`refresh`, however long the broker takes: nothing is judged before it."""
        while True:
            try:
                return await self._refresh()
            except CatchUpError as error:
                log.warning("the inbox waits", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _write(
        self, connection: Connection, items: Sequence[_Item], offsets: dict[Partition, int]
    ) -> _Taken:
        """The transaction: places, rows, the calls that end, and how far the inboxes were read."""
        taken = take(connection, [item.record for item in items], self.places)
        inbox.insert_rows(connection, taken.records)
        own = {id(record) for record in taken.records}
        judged = judge(
            [(i.system.source, i.decision) for i in items if id(i.record) in own],
            self._domain,
            self._calls.find,
            partial(find_ended, connection),
        )
        inbox.mark_unexpected(connection, _unexpected(judged.arrived))
        delete_answered(connection, judged.ended)
        save_offsets(connection, offsets)
        return _Taken(judged, taken.rejections, taken.ahead)

    def _deliver(self, arrived: Arrived) -> None:
        source, decision, result = arrived
        if result is not None:
            self._handing.deliver_result(source, result)
        elif decision.unexpected is None and isinstance(decision.message, CallAdmitted):
            self._serving.admit(source, decision)
        else:
            self._handing.deliver(source, decision)

    def _deliver_ended(self, calls: Iterable[OpenCall]) -> None:
        for call in calls:
            result = NoAnswer(call.command(self._domain), call.case)
            self._handing.deliver_result(call.source, result)


def _unexpected(arrived: Iterable[Arrived]) -> dict[Place, str]:
    return {
        each.decision.place: each.decision.unexpected
        for each in arrived
        if each.decision.unexpected is not None
    }


def _tell(rejections: Sequence[Rejection]) -> None:
    for rejection in rejections:
        log.warning(
            "a record in an inbox is not taken",
            reason=rejection.reason,
            detail=rejection.detail,
            topic=rejection.raw.topic,
            offset=rejection.raw.offset,
        )
