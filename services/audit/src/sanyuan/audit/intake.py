"""What the log is made from: every topic of the table but its own two, at its own positions.

Inbox topics are assigned as systems are registered; `assign` forgets positions, so that each is
sought anew (faststream.md, fact 23). The positions in the database are the truth; a position beyond
the broker's end means another broker, or an old copy of it, and ends the service.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.audit.measures import Measures
from sanyuan.audit.room import Room
from sanyuan.audit.state import Partition
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.follower import CatchUpError, Follower, Participants
from sanyuan.common.kafka import raw_records, start_consumer, stop_consumer, until_answered
from sanyuan.common.reading import FETCH_WAIT_MS, Pace
from sanyuan.common.record import RawRecord
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import TOPICS

MAX_RECORDS: Final = 2000
RETRY_SECONDS: Final = 0.5

log = structlog.get_logger()


class BrokerBehindError(SanyuanError):
    """The broker has less than what the log has read."""


class ParticipantsFeed:
    """`participants` as it is read: what the log has already is folded, what is new waits."""

    def __init__(self, system: SystemFile, next_offset: int) -> None:
        self.seen = Participants(system)
        """Everything that was read."""
        self.judged = Participants(system)
        """What the leaves say, up to the batch that was checked last."""
        self._next = next_offset
        self._fresh: list[RawRecord] = []

    def apply(self, raw: RawRecord) -> None:
        """Take one record of the topic (called by the follower)."""
        self.seen.apply(raw)
        if raw.offset < self._next:
            self.judged.apply(raw)
        else:
            self._fresh.append(raw)

    def take(self) -> list[RawRecord]:
        """Return what is new since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh


class Intake:
    """Reads, catches up and has it checked; some batches ahead of the sequencer."""

    def __init__(
        self,
        system: SystemFile,
        feed: ParticipantsFeed,
        follower: Follower,
        checker: Checker,
        measures: Measures,
        room: Room,
        collect_seconds: float,
    ) -> None:
        """Records gather for `collect_seconds` between two reads: any batch costs 4 ms."""
        self._system = system
        self._feed = feed
        self._follower = follower
        self._checker = checker
        self._measures = measures
        self._room = room
        self._next: dict[Partition, int] = {}
        self._pace = Pace(collect_seconds)
        self._consumer: AIOKafkaConsumer | None = None
        self.trouble: str | None = None
        """Why the current batch waits."""

    async def start(self, offsets: dict[Partition, int]) -> None:
        """Connect and stand at `offsets`; raises BrokerBehindError."""
        self._consumer = consumer = await start_consumer(
            self._system, fetch_max_wait_ms=FETCH_WAIT_MS
        )
        known = {
            TopicPartition(*partition): offset
            for partition, offset in offsets.items()
            if offset and partition[0] != PARTICIPANTS
        }
        self._next = dict(known)
        # Before the ends: of topics that were not assigned, they come one by one (fact 29).
        self._assign(consumer)
        await until_answered(self._system, partial(check_ends, consumer, known))

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await stop_consumer(self._consumer)

    async def next(self) -> asyncio.Task[Checked]:
        """Return the next batch with anything in it, while it is still checked.

        Waits while broker or disk give trouble.
        """
        while True:
            await self._wait_for_room()
            raws = await self._read()
            failpoint("audit.after-receive")
            await self._catch_up()
            fresh = self._feed.take()
            if not fresh and not raws:
                self._measures.idle()
                continue
            self._measures.received(raws, time.time())
            checked = self._checker.check(fresh, raws, self._feed.judged)
            if fresh and self._consumer is not None:
                self._assign(self._consumer)
            return checked

    async def _wait_for_room(self) -> None:
        while trouble := self._room.trouble():
            if trouble != self.trouble:
                log.warning("nothing more is taken", why=trouble)
            self.trouble = trouble
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> list[RawRecord]:
        consumer = self._consumer
        if consumer is None:
            raise RuntimeError("the intake was not started")
        while True:
            try:
                records = await self._pace.read_many(
                    consumer, lambda: self._next, max_records=MAX_RECORDS
                )
            except KafkaError as error:
                self.trouble = f"the broker does not answer: {type(error).__name__}"
                log.warning("reading failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                self._assign(consumer)
                continue
            return self._advance(raw_records(records))

    def _advance(self, raws: list[RawRecord]) -> list[RawRecord]:
        """Move the positions; drop what was read before (a seek may have gone back)."""
        new, known = [], self._next
        for raw in raws:
            partition = raw.topic, raw.partition
            if raw.offset >= known.get(partition, 0):
                known[partition] = raw.offset + 1
                new.append(raw)
        return new

    async def _catch_up(self) -> None:
        while True:
            try:
                await self._follower.catch_up()
            except CatchUpError as error:
                self.trouble = str(error)
                log.warning("catching up failed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.trouble = None
                return

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        wanted = {
            TopicPartition(topic.name, number)
            for topic in TOPICS.values()
            if topic.is_stream and topic.name != PARTICIPANTS
            for number in range(topic.partitions)
        }
        wanted |= {TopicPartition(inbox, 0) for inbox in self._feed.judged.directory.by_inbox}
        if wanted != consumer.assignment():
            consumer.assign(sorted(wanted))
        for partition in wanted:
            consumer.seek(partition, self._next.get(partition, 0))


async def check_ends(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
    """Compare positions with what the broker has; raises BrokerBehindError.

    Records that the broker dropped unread are told in the log of the process: the streams that lost
    them get their gap leaves.
    """
    if not offsets:
        return
    ends = await consumer.end_offsets(list(offsets))
    starts = await consumer.beginning_offsets(list(offsets))
    for partition, offset in offsets.items():
        where = f"{partition.topic} partition {partition.partition}"
        if offset > ends[partition]:
            raise BrokerBehindError(
                f"the log has read up to offset {offset}, the broker ends at {ends[partition]}",
                where=where,
                do="connect the broker that the log was made from, or restore it",
            )
        if offset < starts[partition]:
            log.error("records were dropped unread", where=where, missed=starts[partition] - offset)
