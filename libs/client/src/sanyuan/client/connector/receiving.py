"""Receiving: what inboxes hold is checked and durable before anyone sees it (design §3)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection

from sanyuan.client import inbox
from sanyuan.client.connector.handing import HandingOut
from sanyuan.client.inbox import Kept, Received, kept, read_decision
from sanyuan.common import telemetry
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.follower import CatchUpError
from sanyuan.common.kafka import raw_records
from sanyuan.common.positions import Partition, load_offsets
from sanyuan.common.reading import Records
from sanyuan.common.record import Record, Rejection
from sanyuan.common.service.checking import check, decode_all
from sanyuan.common.systems import SystemFile

GATHER_SECONDS: Final = 0.02
"""What arrives on several connections within it is made durable at once."""
RETRY_SECONDS: Final = 0.5

log = structlog.get_logger()


class Receiver:
    """Start `run` as a task; give it what was read with `take`."""

    def __init__(
        self,
        systems: Sequence[SystemFile],
        database: Database,
        handing: HandingOut,
        directory: Callable[[], Directory],
        refresh: Callable[[], Awaitable[Directory]],
    ) -> None:
        self._domain = systems[0].domain
        self._by_inbox = {system.inbox: system for system in systems if system.inbox}
        self._database = database
        self._handing = handing
        self._directory = directory
        self._refresh = refresh
        self._received: list[tuple[Records, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self.offsets: dict[Partition, int] = {}
        """The next offset of each inbox that was not taken yet."""

    async def load(self) -> None:
        """Stand where the database stands, and hand out what was not handed out."""
        self.offsets = await self._database.transaction(load_offsets)
        for row in await self._database.transaction(inbox.load_kept):
            self._deliver(row)

    async def take(self, records: Records) -> None:
        """Take records of any inboxes; durable once this returns."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received.append((records, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commit for ever; raises what the database raises."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            batch, self._received = self._received, []
            await self._take([record for records, _ in batch for record in records])
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _take(self, records: Records) -> None:
        raws = [
            raw
            for raw in raw_records(records)
            if raw.offset >= self.offsets.get((raw.topic, raw.partition), 0)
        ]
        readable = decode_all(raws, domain=self._domain, partitions=lambda _topic: 1)
        checked = check(readable, self._directory())
        if any(rejection.reason == "unknown-key" for rejection in checked.rejections):
            checked = check(readable, await self._refreshed())
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in raws}
        received = await self._database.transaction(
            lambda connection: self._receive(connection, checked.records, offsets)
        )
        self.offsets |= offsets
        _tell([*checked.rejections, *received.rejections])
        for record in received.records:
            self._deliver(kept(record))

    async def _refreshed(self) -> Directory:
        """`refresh`, however long the broker takes: nothing is judged before it."""
        while True:
            try:
                return await self._refresh()
            except CatchUpError as error:
                log.warning("the inbox waits", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _receive(
        self, connection: Connection, records: Sequence[Record], offsets: dict[Partition, int]
    ) -> Received:
        inbox.hand_out(connection, self._handing.collect())
        return inbox.receive(connection, records, offsets)

    def _deliver(self, row: Kept) -> None:
        system = self._by_inbox[row.topic]
        started = time.time_ns()
        decision = read_decision(row, system, self._directory())
        attributes = {"sanyuan.case": decision.case, "messaging.destination.name": row.topic}
        telemetry.record_hop(
            f"open {decision.type}", row.traceparent, SpanKind.CONSUMER, started, attributes
        )
        self._handing.deliver(system.source, decision)


def _tell(rejections: Sequence[Rejection]) -> None:
    for rejection in rejections:
        log.warning(
            "a record in an inbox is not taken",
            reason=rejection.reason,
            detail=rejection.detail,
            topic=rejection.raw.topic,
            offset=rejection.raw.offset,
        )
