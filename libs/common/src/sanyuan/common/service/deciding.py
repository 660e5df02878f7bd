"""One batch in its one transaction: what it takes, decides and writes (design §4).

Deciding a batch whole equals deciding it in any split. Nothing that this remembers counts once the
transaction was rolled back: call `Decider.forget`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from sanyuan.common.contracts.message import CommandRefused, Message, Tick
from sanyuan.common.database import read_counter, write_counters
from sanyuan.common.deadletters import dead_letters
from sanyuan.common.deciding import Answer, Clock, Command, Handler, Observer, Outcome
from sanyuan.common.directory import Directory
from sanyuan.common.failpoints import failpoint
from sanyuan.common.ids import format_time, new_case, time_of
from sanyuan.common.outbox import Draft, Outbox, Row
from sanyuan.common.positions import KnownPlaces, Partition, save_offsets
from sanyuan.common.record import RawRecord, Record, Rejection
from sanyuan.common.service.answering import Answering, Question
from sanyuan.common.service.checking import Checked
from sanyuan.common.service.commands import parse_command
from sanyuan.common.service.following import places_of, read_facts
from sanyuan.common.service.taking import take
from sanyuan.common.systems import SystemFile
from sanyuan.common.telemetry import BatchTrace

ENTROPY_BYTES: Final = 32
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


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is checked and not decided."""

    raws: Sequence[RawRecord]
    checked: Checked
    facts: Checked
    directory: Directory
    offsets: dict[Partition, int]
    """Next offsets after all of it."""
    started: float
    """When its check began, by `time.perf_counter`."""


@dataclass(slots=True)
class Decided:
    """What one transaction has made."""

    rows: list[Row] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class Decider:
    """Decides the batches of one service, in order."""

    def __init__(self, domain: Domain, system: SystemFile, outbox: Outbox) -> None:
        self._domain = domain
        self._system = system
        self._outbox = outbox
        self._places = KnownPlaces()

    def forget(self) -> None:
        """Read heads and places anew: call this after a transaction that was rolled back."""
        self._outbox.forget()
        self._places.forget()

    def decide(self, connection: Connection, batch: Batch, trace: BatchTrace) -> Decided:
        """Take, decide and write a batch; durable once the caller commits."""
        decided, directory = Decided(), batch.directory
        asof = self._observe(connection, batch, decided)
        taken = take(connection, batch.checked.records, self._places)
        decided.rejections += [*batch.checked.rejections, *taken.rejections]
        last_at = read_counter(connection, LAST_AT)
        questions, last_at = self._questions(taken.records, directory, last_at, trace)
        decided.questions = questions
        decided.outcomes = self._outcomes(connection, directory, questions)
        first = read_counter(connection, DECISIONS) + 1
        answering = Answering(self._system, self._domain.events, asof)
        drafts = list(answering.drafts(first, questions, decided.outcomes))
        drafts += self._letters(decided.rejections)
        decided.rows = self._outbox.append(connection, drafts)
        answered = sum(outcome.answer is not None for outcome in decided.outcomes)
        write_counters(connection, {DECISIONS: first + answered - 1, LAST_AT: last_at})
        save_offsets(connection, batch.offsets)
        failpoint("service.before-commit")
        return decided

    def _observe(self, connection: Connection, batch: Batch, decided: Decided) -> dict[str, int]:
        """Apply the facts of others, and return ``asof`` for the decisions of the batch."""
        asof = {"participants": batch.directory.sequence}
        domain = self._domain
        if domain.observe is None:
            return asof
        told = take(connection, batch.facts.records, self._places)
        decided.rejections += [*batch.facts.rejections, *told.rejections]
        if facts := read_facts(told.records, batch.directory):
            domain.observe(connection, facts)
        return asof | places_of(connection, self._places, domain.follows, batch.directory)

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


def _refused(question: Question, answer: Answer) -> Outcome:
    """A tick under a key that was revoked meanwhile has nobody to be told."""
    return Outcome(answer if question.sender.inbox else None)
