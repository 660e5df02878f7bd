"""The cycle of every domain service: records in, decisions out, a transaction a batch (design §4).

Commit point: once `transaction` in `Cycle._commit` has returned, every record of a batch is decided
exactly once, whatever dies next: a restart reads on from the committed offsets and sends the
outbox's unconfirmed rows. Before that line nothing has happened.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import Connection

from sanyuan.common import telemetry
from sanyuan.common.contracts.message import CommandRefused, Message, Tick
from sanyuan.common.database import Database, read_counter, write_counters
from sanyuan.common.deadletters import dead_letters
from sanyuan.common.deciding import Answer, Clock, Command, Handler, Observer, Outcome
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import failpoint
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.ids import format_time, new_case, time_of
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.positions import KnownPlaces, Partition, load_offsets, save_offsets
from sanyuan.common.producing import Producer
from sanyuan.common.record import RawRecord, Record, Rejection
from sanyuan.common.service.answering import Answering, Question
from sanyuan.common.service.checking import Checked, check, decode_all
from sanyuan.common.service.commands import parse_command
from sanyuan.common.service.following import Feed, places_of, read_facts
from sanyuan.common.service.measures import Measures
from sanyuan.common.service.taking import take
from sanyuan.common.systems import SystemFile
from sanyuan.common.telemetry import BatchTrace
from sanyuan.common.topics import TOPICS

log = structlog.get_logger()

ENTROPY_BYTES: Final = 32
BACKOFF_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
DECISIONS: Final = "decisions"
LAST_AT: Final = "last_at_us"
DEAD_LETTERS: Final = "dead-letters"


@dataclass(frozen=True, slots=True)
class Domain:
    """What makes a service this service.

    ``follows`` are the events topics of others on which its decisions depend, ``observe`` what they
    change; ``clock`` and ``tick`` belong to a service with deadlines.
    """

    name: str
    commands: tuple[str, ...]
    events: str
    refused: type[CommandRefused]
    handler: Handler
    follows: tuple[str, ...] = ()
    observe: Observer | None = None
    clock: Clock | None = None
    tick: type[Tick] | None = None


@dataclass(slots=True)
class _Batch:
    """What one transaction has made."""

    rows: list[Row] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Checking:
    """A batch before it is decided."""

    raws: Sequence[RawRecord]
    checked: Checked
    facts: Checked
    directory: Directory
    offsets: dict[Partition, int]
    started: float


class LostBatchError(SanyuanError):
    """A batch cannot be decided because the one before it was not committed."""


class Cycle:
    """Handles batches in order; checks one while the one before is decided and made durable.

    Much of deciding runs outside the interpreter's lock (signatures, the database), so that both
    cores have something to do.
    """

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
        self._places = KnownPlaces()
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
                checking = await self._check(raws)
                await self._follow_on()
            except Exception as error:
                await self._back_off(error)
                raise
            if checking is not None:
                self._reached |= checking.offsets
                self._deciding = asyncio.create_task(self._commit(checking), name="decide")

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

    async def _check(self, raws: Sequence[RawRecord]) -> "_Checking | None":
        started = time.perf_counter()
        done = await self.positions() | self._reached
        new = _unhandled(raws, done)
        if not new and not self._feed.pending:
            return None
        self._producer.check_room()
        readable = decode_all(
            new, domain=self._system.domain, partitions=lambda topic: TOPICS[topic].partitions
        )
        # Began after the records were read: only now may a key be called unknown (design §3).
        await self._follower.catch_up()
        directory = self._participants.directory
        told = _unhandled(self._feed.pending, done)
        if not new and not told:
            return None
        checked = check(readable, directory)
        facts = check(
            decode_all(told, domain=self._system.domain, partitions=lambda _topic: 1), directory
        )
        failpoint("service.after-check")
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in (*told, *new)}
        return _Checking(new, checked, facts, directory, offsets, started)

    async def _commit(self, checking: "_Checking") -> None:
        trace = BatchTrace.start(f"{self._domain.name} batch", checking.checked.records)
        try:
            batch = await self._database.transaction(
                lambda connection: self._decide(connection, checking, trace)
            )
        except Exception as error:  # noqa: BLE001  whatever the database raises: it is read again
            self._producer.outbox.forget()
            self._places.forget()
            self._reached.clear()
            await self._back_off(error)
            return
        failpoint("service.after-commit")
        self._next = await self.positions() | checking.offsets
        self._feed.drop(checking.offsets)
        if any(question.record.source == self._system.source for question in batch.questions):
            self._is_ticking = False
        self._producer.submit(batch.rows)
        self._failures, self.trouble = 0, None
        trace.end(len(checking.raws))
        if trace.is_sampled:
            _log_sampled(batch)
        seconds = time.perf_counter() - checking.started
        self.measures.batch(checking.raws, batch.outcomes, batch.rejections, seconds)

    async def _back_off(self, error: Exception) -> None:
        """Say why, and wait longer each time: an error that leaves at once comes again at once."""
        self.is_lost = True
        self.trouble = f"{type(error).__name__}: {error}"
        log.warning("the batch waits", error=self.trouble)
        await asyncio.sleep(BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)])
        self._failures += 1

    def _decide(self, connection: Connection, checking: "_Checking", trace: BatchTrace) -> _Batch:
        batch, directory = _Batch(), checking.directory
        asof = self._observe(connection, checking, batch)
        taken = take(connection, checking.checked.records, self._places)
        batch.rejections += [*checking.checked.rejections, *taken.rejections]
        last_at = read_counter(connection, LAST_AT)
        questions, last_at = self._questions(taken.records, directory, last_at, trace)
        batch.questions = questions
        batch.outcomes = self._outcomes(connection, directory, questions)
        first = read_counter(connection, DECISIONS) + 1
        answering = Answering(self._system, self._domain.events, asof)
        drafts = list(answering.drafts(first, questions, batch.outcomes))
        drafts += self._letters(batch.rejections)
        batch.rows = self._producer.outbox.append(connection, drafts)
        answered = sum(outcome.answer is not None for outcome in batch.outcomes)
        write_counters(connection, {DECISIONS: first + answered - 1, LAST_AT: last_at})
        save_offsets(connection, checking.offsets)
        failpoint("service.before-commit")
        return batch

    def _observe(
        self, connection: Connection, checking: "_Checking", batch: _Batch
    ) -> dict[str, int]:
        """Apply the facts of others, and return ``asof`` for the decisions of the batch."""
        asof = {"participants": checking.directory.sequence}
        domain = self._domain
        if domain.observe is None:
            return asof
        told = take(connection, checking.facts.records, self._places)
        batch.rejections += [*checking.facts.rejections, *told.rejections]
        if facts := read_facts(told.records, checking.directory):
            domain.observe(connection, facts)
        return asof | places_of(connection, self._places, domain.follows, checking.directory)

    def _questions(
        self, records: Sequence[Record], directory: Directory, last_at: int, trace: BatchTrace
    ) -> tuple[list[Question], int]:
        """Commands with their times: never before the time of the decision before (design §3)."""
        questions = []
        for record in records:
            sender = directory.systems.get(record.source)
            if sender is None or not (sender.inbox or self._is_tick(record)):
                continue
            last_at = max(record.raw.timestamp_ms * 1000, last_at)
            questions.append(Question(record, sender, time_of(last_at // 1000), trace.of(record)))
        return questions, last_at

    def _is_tick(self, record: Record) -> bool:
        """A service's own record on its commands topic, which nobody answers."""
        tick = self._domain.tick
        own = record.source == self._system.source
        return own and tick is not None and record.envelope.type == tick.TYPE

    def _outcomes(
        self, connection: Connection, directory: Directory, questions: Sequence[Question]
    ) -> list[Outcome]:
        entropy = os.urandom(ENTROPY_BYTES * len(questions))
        parsed = [
            parse_command(
                question.record,
                question.sender,
                question.at,
                directory,
                self._system,
                self._domain.refused,
                entropy[ENTROPY_BYTES * index : ENTROPY_BYTES * (index + 1)],
            )
            for index, question in enumerate(questions)
        ]
        commands: list[Command[Message]] = [item for item in parsed if isinstance(item, Command)]
        decided = iter(self._domain.handler(connection, directory, commands))
        return [
            _refused(question, item) if isinstance(item, Answer) else next(decided)
            for question, item in zip(questions, parsed, strict=True)
        ]

    def _letters(self, rejections: Sequence[Rejection]) -> list[Draft]:
        now = format_time(datetime.now(UTC))
        return [
            Draft(
                key=self._system.signing,
                domain=self._system.domain,
                topic=DEAD_LETTERS,
                type=letter.TYPE,
                data=letter.model_dump(mode="json", exclude_none=True),
                time=now,
                case=new_case(),
            )
            for letter in dead_letters(self._domain.name, rejections)
        ]


def _unhandled(raws: Sequence[RawRecord], done: Mapping[Partition, int]) -> list[RawRecord]:
    return [raw for raw in raws if raw.offset >= done.get((raw.topic, raw.partition), 0)]


def _refused(question: Question, answer: Answer) -> Outcome:
    """A tick under a key that was revoked meanwhile has nobody to be told."""
    return Outcome(answer if question.sender.inbox else None)


def _log_sampled(batch: _Batch) -> None:
    """Tell of each traced decision: case, trace, type and reason, never content."""
    for question, outcome in zip(batch.questions, batch.outcomes, strict=True):
        if outcome.answer is not None and telemetry.is_sampled(question.traceparent):
            log.info(
                "decided",
                case=question.record.envelope.correlationid,
                trace=telemetry.trace_id(question.traceparent),
                type=outcome.answer.type.TYPE,
                reason=outcome.answer.fields.get("reason"),
            )
