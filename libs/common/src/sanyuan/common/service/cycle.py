"""The cycle of every domain service: records in, decisions out, a transaction a batch (design §4).

Commit point: once `transaction` in `Cycle._commit` has returned, every record of a batch is decided
exactly once, whatever dies next: a restart reads on from the committed offsets and sends the
outbox's unconfirmed rows. Before that line nothing has happened.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from sanyuan.common import telemetry
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.ids import format_time, new_case
from sanyuan.common.outbox import Draft
from sanyuan.common.positions import Partition, load_offsets
from sanyuan.common.producing import Producer
from sanyuan.common.record import RawRecord, read_all
from sanyuan.common.service.checking import check
from sanyuan.common.service.deciding import Batch, Decided, Decider, Domain
from sanyuan.common.service.following import Feed
from sanyuan.common.service.measures import Measures
from sanyuan.common.systems import SystemFile
from sanyuan.common.telemetry import BatchTrace
from sanyuan.common.topics import partitions_of

log = structlog.get_logger()

BACKOFF_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class LostBatchError(SanyuanError):
    """A batch cannot be decided because the one before it was not committed."""


class Cycle:
    """Handles batches in order; reads and checks one while the one before is made durable."""

    def __init__(
        self,
        domain: Domain,
        system: SystemFile,
        database: Database,
        producer: Producer,
        participants: Participants,
        follower: Follower,
        feed: Feed | None = None,
    ) -> None:
        self._domain = domain
        self._system = system
        self._database = database
        self._producer = producer
        self._participants = participants
        self._follower = follower
        self._feed = feed or Feed()
        self._turn = asyncio.Lock()
        self._decider = Decider(domain, system, producer.outbox)
        self._is_ticking = False
        self._next: dict[Partition, int] | None = None
        self.measures = Measures(domain.name)
        self._reached: dict[Partition, int] = {}
        self._deciding: asyncio.Task[None] | None = None
        self._failures = 0
        self.is_lost = False
        """A batch was not committed: read again from `positions`."""
        self.trouble: str | None = None
        """Why the current batch waits."""
        self.failure: Exception | None = None
        """Why the service cannot work at all."""

    async def positions(self) -> dict[Partition, int]:
        """(topic, partition) → the first offset that is not handled, as the database has it."""
        if self._next is None:
            self._next = await self._database.transaction(load_offsets)
        return self._next

    async def handle(self, raws: Sequence[RawRecord]) -> None:
        """Check a batch, wait for the one before, and let it be decided while the next is read.

        Raises infrastructure errors only, after a back-off; then nothing of this batch has happened
        and `is_lost` tells the reader to begin again where the database stands.
        """
        failpoint("service.after-receive")
        async with self._turn:
            try:
                batch = await self._check(raws)
                await self._follow_on()
            except Exception as error:
                await self._back_off(error)
                raise
            if batch is not None:
                self._reached |= batch.offsets
                self._deciding = asyncio.create_task(self._commit(batch), name="decide")

    async def idle(self) -> None:
        """Take the facts that have come while nobody asks anything; a failure is tried again."""
        if self._feed.pending and not self.is_lost:
            with contextlib.suppress(SanyuanError):
                await self.handle(())

    async def tick(self) -> None:
        """Tell the service's own stream that a deadline has passed, if one has (design §3).

        The next waits until this one is decided: nothing piles up while the broker is away.
        """
        clock, kind = self._domain.clock, self._domain.tick
        if clock is None or kind is None or self._is_ticking:
            return
        due = await self._database.transaction(clock)
        if due is None or due > datetime.now(UTC):
            return
        self._is_ticking = True
        draft = Draft(
            key=self._system.signing,
            domain=self._system.domain,
            topic=self._domain.commands[0],
            type=kind.TYPE,
            data={},
            time=format_time(datetime.now(UTC)),
            case=new_case(),
        )
        try:
            rows = await self._database.transaction(
                lambda connection: self._producer.outbox.append(connection, [draft])
            )
        except Exception:
            self._producer.outbox.forget()
            self._is_ticking = False
            raise
        self._producer.submit(rows)

    async def _follow_on(self) -> None:
        await self.settled()
        if self.is_lost:
            raise LostBatchError("the batch before was not committed", do="read both again")

    async def settled(self) -> None:
        """Wait until no batch is being decided."""
        if self._deciding is not None:
            await self._deciding

    async def _check(self, raws: Sequence[RawRecord]) -> Batch | None:
        started = time.perf_counter()
        done = await self.positions() | self._reached
        new = _unhandled(raws, done)
        if not new and not self._feed.pending:
            return None
        self._producer.check_room()
        readable = read_all(new, domain=self._system.domain, partitions=partitions_of)
        # Began after the records were read: only now may a key be called unknown (design §3).
        await self._follower.catch_up()
        directory = self._participants.directory
        told = _unhandled(self._feed.pending, done)
        if not new and not told:
            return None
        checked = check(readable, directory)
        facts = check(
            read_all(told, domain=self._system.domain, partitions=lambda _topic: 1), directory
        )
        failpoint("service.after-check")
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in (*told, *new)}
        return Batch(new, checked, facts, directory, offsets, started)

    async def _commit(self, batch: Batch) -> None:
        trace = BatchTrace.start(f"{self._domain.name} batch", batch.checked.records)
        try:
            decided = await self._database.transaction(
                lambda connection: self._decider.decide(connection, batch, trace)
            )
        except Exception as error:  # noqa: BLE001  whatever the database raises: it is read again
            self._decider.forget()
            self._reached.clear()
            await self._back_off(error)
            return
        failpoint("service.after-commit")
        self._next = await self.positions() | batch.offsets
        self._feed.drop(batch.offsets)
        if any(question.record.source == self._system.source for question in decided.questions):
            self._is_ticking = False
        self._producer.submit(decided.rows)
        self._failures, self.trouble = 0, None
        trace.end(len(batch.raws))
        if trace.is_sampled:
            _log_sampled(decided)
        seconds = time.perf_counter() - batch.started
        self.measures.batch(batch.raws, decided.outcomes, decided.rejections, seconds)

    async def _back_off(self, error: Exception) -> None:
        """Say why, and wait longer each time: an error that leaves at once comes again at once."""
        self.is_lost = True
        self.trouble = f"{type(error).__name__}: {error}"
        log.warning("the batch waits", error=self.trouble)
        await asyncio.sleep(BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)])
        self._failures += 1


def _unhandled(raws: Sequence[RawRecord], done: Mapping[Partition, int]) -> list[RawRecord]:
    return [raw for raw in raws if raw.offset >= done.get((raw.topic, raw.partition), 0)]


def _log_sampled(decided: Decided) -> None:
    """Tell of each traced decision: case, trace, type and reason, never content."""
    for question, outcome in zip(decided.questions, decided.outcomes, strict=True):
        if outcome.answer is not None and telemetry.is_sampled(question.traceparent):
            log.info(
                "decided",
                case=question.record.envelope.correlationid,
                trace=telemetry.trace_id(question.traceparent),
                type=outcome.answer.type.TYPE,
                reason=outcome.answer.fields.get("reason"),
            )
