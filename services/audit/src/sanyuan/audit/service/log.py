"""One log: what appends to it, seals it, publishes it and ends it with its year.

`turn` makes a commit and the growth of the tree over it one step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue
from sqlalchemy import Connection

from sanyuan.audit.facts import Checked
from sanyuan.audit.growth import Files, Growth
from sanyuan.audit.publisher import Publisher
from sanyuan.audit.recovery import Recovered
from sanyuan.audit.sequencer import Answer, Batch, Sealing, Sequencer
from sanyuan.audit.service.standing import Standing
from sanyuan.audit.store import (
    Part,
    drop_published,
    parts_of,
    write_batch,
    write_closing,
    write_new_year,
    write_sealing,
)
from sanyuan.audit.withholding import carry_out, earlier_log, judge, oldest_order
from sanyuan.audit.years import YearTurnedError
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.logkeys import signing_key_of, year_of
from sanyuan.common.positions import forget_taken, hash_at
from sanyuan.common.telemetry import record_hop
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.topics import WEEK
from sanyuan.common.withholding import Order

Clock = Callable[[], float]
"""Seconds since 1970."""

log = structlog.get_logger()
T = TypeVar("T")


class TransactionError(SanyuanError):
    """Nothing more is committed by this process."""


class Publication(NamedTuple):
    """A committed seal that is to be published."""

    sealing: Sealing
    stamps: Mapping[int, int]
    """How many of the records under it have which append time."""
    head: Checkpoint
    files: Files


class AuditLog:
    """Appends to and publishes one log."""

    def __init__(
        self,
        database: Database,
        sequencer: Sequencer,
        growth: Growth,
        publisher: Publisher,
        standing: Standing,
        clock: Clock = time.time,
    ) -> None:
        self._clock = clock
        self._over = False
        self._database = database
        self._sequencer = sequencer
        self._growth = growth
        self._publisher = publisher
        self._standing = standing
        self._turn = asyncio.Lock()
        self._ahead = False
        """Whether the state in memory may be ahead of the database."""

    async def append(self, checked: Checked) -> None:
        """Append one batch; its leaves are in the log once this returns."""
        started = time.time_ns()
        async with self._turn:
            self._check_year()
            batch = await self._transact(lambda each: self._append(each, checked))
            failpoint("audit.after-commit")
            self._growth.extend(batch.entries)
        self._standing.measures.appended(checked.records, batch)
        _trace(checked, started)

    async def seal(self) -> None:
        """Seal and publish what is new, if anything is."""
        async with self._turn:
            self._check_year()
            publication = await self._take_seal()
        if publication is not None:
            await self._publish(publication)

    async def turn_year(self) -> None:
        """Close the log, publish all of it, and begin the next one; then only a start goes on.

        Every step is durable before the next one; a start does again what is not done.
        """
        async with self._turn:
            self._check_year()
            if self._sequencer.state.next is None:
                await self._close()
            await self._transact(self._begin_next)
            failpoint("audit.after-commit")
            self._over = True
        self._standing.announced.end()

    def is_year_over(self) -> bool:
        """Whether the log is closed already, or of an earlier year than the clock's."""
        year = year_of(self._publisher.key.name)
        closed = self._sequencer.state.next is not None
        return closed or (year is not None and self._year() > year)

    def _year(self) -> int:
        return datetime.fromtimestamp(self._clock(), UTC).year

    def _check_year(self) -> None:
        if self._over:
            raise YearTurnedError

    async def _close(self) -> None:
        """Answer what orders to withhold there are, and publish the last seal."""
        while (publication := await self._take_seal()) is not None:
            await self._publish(publication)
        closing = await self._commit(self._write_closing)
        if closing is not None:
            await self._publish(closing)

    def _write_closing(self, connection: Connection) -> Sealing:
        year = self._year()
        origin = signing_key_of(self._publisher.key, year).name
        closing = self._sequencer.close(self._clock(), origin)
        drop_published(connection, self._publisher.published, self._publisher.note)
        write_closing(connection, closing, year)
        failpoint("audit.before-commit")
        return closing

    def _begin_next(self, connection: Connection) -> None:
        """Begin the log that the closing leaf names, behind the final checkpoint."""
        year = year_of(self._sequencer.state.next or "")
        if year is None:
            raise RuntimeError("only a closed log is carried over")
        published, note = self._publisher.published, self._publisher.note
        carried = self._sequencer.carry_over(self._clock(), published.origin, note)
        write_new_year(connection, carried, year)
        failpoint("audit.before-commit")

    async def _take_seal(self) -> Publication | None:
        answer = await self._answer_order()
        return await self._commit(lambda each: self._seal(each, answer))

    async def _commit(self, seal: Callable[[Connection], Sealing | None]) -> Publication | None:
        """Commit a seal and grow the tree over it; return what is to be published."""
        sealing = await self._transact(seal)
        failpoint("audit.after-commit")
        if sealing is None:
            return None
        self._growth.extend(sealing.entries)
        stamps = self._standing.measures.sealed()
        return Publication(sealing, stamps, self._head(), self._growth.publication())

    async def _publish(self, publication: Publication) -> None:
        sealing, head = publication.sealing, publication.head
        await self._publisher.publish(head, publication.files, parts_of(sealing))
        self._standing.measures.published(head, publication.stamps)
        self._standing.announced.tell(head, self._publisher.note)
        for source, topic, _first, last, head_hash in sealing.rows:
            self._standing.streams.setdefault(source, {})[topic] = (last, head_hash)

    async def forget(self) -> None:
        """Drop the hashes of records that their topics do not keep either."""
        before = time.time() - WEEK.total_seconds()
        await self._database.transaction(lambda each: forget_taken(each, before))

    async def publish_recovered(self, recovered: Recovered, parts: list[Part]) -> None:
        """Finish the publication that the last process left, then take up the leaves after it."""
        await self._publisher.begin(parts)
        head = self._head()
        if head.size > recovered.published.size:
            fresh = [part for part in parts if part.leaf >= recovered.published.size]
            await self._publisher.publish(head, self._growth.publication(), fresh)
        if head.size:
            self._standing.measures.published(head, {})
            self._standing.announced.tell(head, self._publisher.note)
        self._growth.extend(recovered.rest)
        state = self._sequencer.state
        for (source, topic), place in state.places.items():
            known = self._standing.streams.setdefault(source, {})
            known[f"{state.domain}/{topic}"] = (place.sequence, place.hash)

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that moves the state; raises TransactionError after one that failed.

        Whoever waits for its turn gets it before the failure has ended the process.
        """
        if self._ahead:
            raise TransactionError(
                "the transaction before this one failed",
                do="start again: the log goes on from what was committed",
            )
        self._ahead = True
        result = await self._database.transaction(work)
        self._ahead = False
        return result

    def _append(self, connection: Connection, checked: Checked) -> Batch:
        batch = self._sequencer.append(
            checked.records,
            checked.rejections,
            checked.offsets,
            taken=lambda stream, number: hash_at(connection, stream, number),
            at=self._clock(),
        )
        write_batch(connection, batch)
        failpoint("audit.before-commit")
        return batch

    async def _answer_order(self) -> Answer | None:
        """Carry out, or refuse, the oldest order to withhold an entry, if there is any."""
        state, published = self._sequencer.state, self._publisher.published
        index, participants = oldest_order(state, published), self._standing.participants
        if index is None or participants is None:
            return None
        folder = self._publisher.folder
        tiles = AuthenticTiles(folder.read_grown, published, str(folder.path))
        earlier = partial(earlier_log, folder, self._publisher.key.verifier)
        order = judge(index, state, tiles, participants.directory, earlier)
        if not isinstance(order, Order):
            log.warning("an order to withhold is refused", order=index, reason=order.reason)
            return order
        log.warning("an entry is withheld", order=index, log=order.said.log, entry=order.said.index)
        return await carry_out(order, self._database, self._growth, folder)

    def _seal(self, connection: Connection, answer: Answer | None) -> Sealing | None:
        sealing = self._sequencer.seal(self._clock(), answer)
        if sealing is not None:
            drop_published(connection, self._publisher.published, self._publisher.note)
            write_sealing(connection, sealing)
            failpoint("audit.before-commit")
        return sealing

    def _head(self) -> Checkpoint:
        tree = self._growth.tree
        return Checkpoint(self._publisher.published.origin, tree.size, tree.root())


def _trace(checked: Checked, started_ns: int) -> None:
    """The last hop of sampled records: appended."""
    for record in checked.records:
        if record.facts.traceparent is not None:
            attributes: dict[str, AttributeValue] = {
                "messaging.system": "kafka",
                "messaging.destination.name": record.raw.topic,
                "messaging.kafka.offset": record.raw.offset,
                "sanyuan.source": record.facts.source,
                "sanyuan.sequence": record.facts.number,
            }
            record_hop(
                "log append", record.facts.traceparent, SpanKind.CONSUMER, started_ns, attributes
            )
