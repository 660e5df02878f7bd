"""The audit service at work: intake → sequencer → publication, and what it waits for before.

Three loops: one reads ahead and has batches checked; one appends and commits; one seals and
publishes while the next batches are appended already. `turn` makes a commit and the growth of the
tree over it one step. Any error ends the process: the start is the recovery.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Final, NamedTuple, TypeVar

import structlog
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue
from sqlalchemy import Connection

from sanyuan.audit.announcing import Announcement
from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder, LogFolderHeldError
from sanyuan.audit.growth import Files, Growth
from sanyuan.audit.heads import ForkError
from sanyuan.audit.intake import Intake, ParticipantsFeed
from sanyuan.audit.measures import Measures
from sanyuan.audit.published import published_notes
from sanyuan.audit.publisher import Publisher, Sender
from sanyuan.audit.recovery import Recovered, recover
from sanyuan.audit.room import Room
from sanyuan.audit.sequencer import Answer, Batch, Sealing, Sequencer
from sanyuan.audit.settings import Settings, load_policy
from sanyuan.audit.state import OWN_TOPIC
from sanyuan.audit.store import (
    MODELS,
    Part,
    drop_published,
    load_parts,
    parts_of,
    write_batch,
    write_closing,
    write_new_year,
    write_sealing,
)
from sanyuan.audit.voice import Voice
from sanyuan.audit.withholding import carry_out, judge, oldest_order
from sanyuan.audit.witnesses import Witnesses
from sanyuan.audit.years import YearTurnedError, known_year, settle
from sanyuan.common import memory
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.logkeys import load_log_key, signing_key_of, year_of
from sanyuan.common.notes import SigningKey
from sanyuan.common.positions import forget_taken, hash_at
from sanyuan.common.service.waiting import wait_connected, wait_for_lock, wait_registered
from sanyuan.common.telemetry import record_hop
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.topics import WEEK
from sanyuan.common.withholding import Order

FORGET_SECONDS: Final = 3600.0
STANDBY_SECONDS: Final = 0.5
Clock = Callable[[], float]
"""Seconds since 1970."""
AHEAD: Final = 4
"""Batches that are checked, or wait, while another one is appended: the workers never wait. With
two, they waited for a fifth of the time."""

log = structlog.get_logger()
T = TypeVar("T")


@dataclass
class Standing:
    """What `/ready` and the reads tell."""

    waiting: str | None = "starting"
    intake: Intake | None = None
    participants: Participants | None = None
    """Who is registered, as far as the topic was read; None before it was."""
    streams: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    """Source -> signed topic -> last place in the log and the hash of its value."""
    measures: Measures = field(default_factory=Measures)
    announced: Announcement = field(default_factory=Announcement)

    def say(self, text: str) -> None:
        """Tell once what is waited for."""
        if text != self.waiting:
            self.waiting = text
            log.info("waiting", what=text)

    def begin(self) -> None:
        """A log begins: what waited for the one before has been told."""
        self.announced = Announcement()
        self.intake, self.waiting = None, "starting"

    def trouble(self) -> str | None:
        """Why the service does not work now; None when it does."""
        return self.waiting or (self.intake.trouble if self.intake else None)


class TransactionError(SanyuanError):
    """Nothing more is committed by this process."""


class Publication(NamedTuple):
    """A committed seal that is to be published."""

    sealing: Sealing
    stamps: list[int]
    """Append times of the records under it."""
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
            self._standing.measures.published(head, [])
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
        order = judge(index, state, tiles, participants.directory)
        if not isinstance(order, Order):
            log.warning("an order to withhold is refused", order=index, reason=order.reason)
            return order
        log.warning("an entry is withheld", order=index, entry=order.said.index)
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


async def work(settings: Settings, standing: Standing, clock: Clock = time.time) -> None:
    """Run until an error ends it; raises what ended it. Each year's log is a start of its own."""
    while True:
        try:
            await _work_on_one(settings, standing, clock)
        except* YearTurnedError:
            log.info("the log of a year is closed")
        standing.begin()


async def _work_on_one(settings: Settings, standing: Standing, clock: Clock) -> None:
    system = await wait_connected(settings.system_file, standing.say)
    key = load_log_key(settings.log_key_file)
    folder = LogFolder(settings.log_folder)
    own = (system.source, OWN_TOPIC)
    room = Room((folder.path.parent, folder.path), settings.room_bytes)
    while trouble := room.trouble():
        standing.say(trouble)
        await asyncio.sleep(STANDBY_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        database = await wait_for_lock(
            lambda: Database.open(settings.database, MODELS), standing.say
        )
        stack.callback(database.close)
        held = await wait_for_folder(folder, standing)
        stack.callback(held.close)
        standing.say("comparing the log with its checkpoints")
        policy = load_policy(settings.witness_policy)
        known = await database.transaction(lambda each: known_year(each, key))
        notes = await published_notes(system, folder, known.verifier, policy)
        current, found = await database.transaction(lambda each: settle(each, folder, key, notes))
        recovered = await database.transaction(
            lambda each: recover(
                each, folder, found, key=current.verifier, domain=system.domain, own=own
            )
        )
        state = recovered.state
        feed = ParticipantsFeed(system, state.offsets.get((PARTICIPANTS, 0), 0))
        follower = await Follower.start(system, {PARTICIPANTS: feed.apply})
        stack.push_async_callback(follower.stop)
        await wait_registered(system, follower, feed.seen, standing.say)
        check_founding(feed.seen, key)
        standing.participants = feed.seen
        sender = Sender(system)
        stack.push_async_callback(sender.stop)
        voice = Voice(system.domain, system.source, system.signing)
        publisher = Publisher(folder, current, sender, recovered.published)
        stack.callback(publisher.close)
        audit_log = AuditLog(
            database,
            Sequencer(state, voice, gap_seconds=settings.gap_seconds),
            recovered.growth,
            publisher,
            standing,
            clock,
        )
        await audit_log.publish_recovered(recovered, await database.transaction(load_parts))
        checker = Checker(system.domain)
        stack.callback(checker.close)
        # Half of what the next checkpoint is waited for anyway.
        collect = settings.checkpoint_seconds / 2
        intake = Intake(system, feed, follower, checker, standing.measures, room, collect)
        stack.push_async_callback(intake.stop)
        await intake.start(state.offsets)
        standing.intake, standing.waiting = intake, None
        memory.settle()
        log.info("ready", source=system.source, size=state.size, published=publisher.published.size)
        async with asyncio.TaskGroup() as tasks:
            if policy is not None:
                witnesses = make_witnesses(policy, folder, publisher, standing, settings)
                stack.push_async_callback(witnesses.stop)
                tasks.create_task(witnesses.run(), name="witnesses")
            tasks.create_task(run(intake, audit_log, settings.checkpoint_seconds), name="run")


async def wait_for_folder(folder: LogFolder, standing: Standing) -> IO[str]:
    """Become the one process that writes the log's files; they are free when the result closes."""
    while True:
        try:
            return folder.hold()
        except LogFolderHeldError as error:
            standing.say(f"standing by: {error}")
        await asyncio.sleep(STANDBY_SECONDS)


def make_witnesses(
    policy: Policy,
    folder: LogFolder,
    publisher: Publisher,
    standing: Standing,
    settings: Settings,
) -> Witnesses:
    """Return what asks the policy's witnesses and publishes what they cosign."""

    async def publish(head: Checkpoint, note: bytes) -> None:
        await publisher.publish_cosigned(head, note)
        standing.measures.cosigned = head.size

    return Witnesses(policy, folder, standing.announced, publish, settings.witness_seconds)


async def run(intake: Intake, audit_log: AuditLog, interval: float) -> None:
    """Read, append and publish until one of them fails."""
    batches: asyncio.Queue[asyncio.Task[Checked]] = asyncio.Queue(maxsize=AHEAD)

    async def read() -> None:
        while True:
            await batches.put(await intake.next())

    async def append() -> None:
        while True:
            await audit_log.append(await (await batches.get()))

    async def seal() -> None:
        forgotten = 0.0
        while True:
            started = time.monotonic()
            if started > forgotten + FORGET_SECONDS:
                await audit_log.forget()
                forgotten = started
            await audit_log.seal()
            if audit_log.is_year_over():
                await audit_log.turn_year()
            await asyncio.sleep(max(0.0, started + interval - time.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for loop in (read, append, seal):
            tasks.create_task(loop(), name=loop.__name__)


def check_founding(participants: Participants, key: SigningKey) -> None:
    """Raise ForkError unless the domain was founded with this very log."""
    founding = participants.directory.founding
    if founding is None or (founding.log_origin, founding.log_key) != (key.name, key.verifier):
        raise ForkError(
            f"the domain was founded with another log than {key.verifier}",
            do="the log's key and origin are those of the founding record: restore that key",
        )
