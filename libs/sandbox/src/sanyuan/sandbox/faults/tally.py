"""The count after faults: every command decided once, every admitted call answered once.

What was offered is the outbox heads of the callers; what was decided and answered is what the log
holds, read and verified as anybody would; what came back is in the callers' own journals.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from sanyuan.client.follow import Follower, Logged
from sanyuan.client.joining import system_path
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.demo.load.journal import Ended
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of, system_of
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.schedule import TOPICS, Run, Step

SERVICES: Final = ("identity", "catalog", "license-exchange")
"""Who decides, and sends from an outbox of its own."""
DATABASE: Final = "client.db"
_ADMITTED: Final = "call.admitted.v1"
_ANSWERS: Final = frozenset({"call.answered.v1", "call.failed.v1"})
_RIGHT: Final = (Outcome.ANSWERED, Outcome.NOT_VERIFIED, Outcome.REFUSED_AS_EXPECTED)
_WRONG: Final = (Outcome.REFUSED, Outcome.SURPRISING)
Place = tuple[str, str, int]
"""(source, signed topic, sequence) of a command."""


@dataclass(slots=True)
class Found:
    """What a log says of commands."""

    decided: Counter[Place] = field(default_factory=Counter)
    admitted: set[Place] = field(default_factory=set)
    answered: Counter[Place] = field(default_factory=Counter)
    numbers: dict[str, Counter[int]] = field(default_factory=dict)
    """Service (its source) → how often it has given each number to a decision."""

    def take(self, logged: Logged) -> None:
        """One more record."""
        envelope = logged.leaf.envelope
        data: Mapping[str, Any] = envelope.data
        if "decision" in data and "command" in data:
            place = _place(data["command"])
            self.decided[place] += 1
            self.numbers.setdefault(envelope.source, Counter())[data["decision"]] += 1
            if envelope.type == _ADMITTED:
                self.admitted.add(place)
        elif envelope.type in _ANSWERS:
            self.answered[_place(data["call"])] += 1

    @property
    def misnumbered(self) -> int:
        """Decision numbers that a service has left out or given twice."""
        return sum(
            given[number] != 1
            for given in self.numbers.values()
            for number in range(1, max(given) + 1)
        )


@dataclass(frozen=True, slots=True)
class KindTally:
    """One kind of operation; `lost`, `doubled` and `wrong` must be zero."""

    offered: int
    """Commands that callers have made durable."""
    decided: int
    """Of them, with a decision in the log."""
    answered: int
    """Operations that came back to their callers as the registers and providers have them."""
    late: int
    """Calls that ended in time for their callers, but without an answer: nobody was there."""
    lost: int
    """Commands without a decision, admitted calls without an answer, ends that nobody was told."""
    doubled: int
    """Commands with more than one decision or answer, and ends that were told twice."""
    wrong: int
    """Operations that were refused without reason, or answered otherwise."""

    @property
    def faults(self) -> int:
        """Everything that must not be."""
        return self.lost + self.doubled + self.wrong


def tally(
    kind: Kind, commands: Mapping[Place, Step], ended: Iterable[Ended], log: Found
) -> KindTally:
    """Count one kind: its commands, with their steps, and what has ended, each time it was told."""
    topic = TOPICS[kind]
    places = {place: step for place, step in commands.items() if place[1].endswith(f"/{topic}")}
    ends = Counter(each.step for each in ended if each.step.kind == kind)
    outcomes = Counter(each.outcome for each in ended if each.step.kind == kind)
    told = [step for step in places.values() if step.operation is not None]
    twice = (log.decided, log.answered)
    return KindTally(
        offered=len(places),
        decided=sum(1 for place in places if log.decided[place]),
        answered=sum(outcomes[each] for each in _RIGHT),
        late=outcomes[Outcome.FAILED],
        lost=sum(1 for place in places if not log.decided[place])
        + sum(1 for place in places if place in log.admitted and not log.answered[place])
        + sum(1 for step in told if not ends[step]),
        doubled=sum(1 for place in places for each in twice if each[place] > 1)
        + sum(1 for times in ends.values() if times > 1),
        wrong=sum(outcomes[each] for each in _WRONG),
    )


async def read_log(log: str, size: int, agency: VerifierKey, key: VerifierKey) -> Found:
    """What the log's first ``size`` leaves say, verified; raises ForgedLogError."""
    found = Found()
    with open_source(log) as source:
        async for logged in Follower(source, agency, key).records():
            found.take(logged)
            if logged.index >= size - 1:
                break
    return found


class Stream(NamedTuple):
    """The commands of a kind that a department has made durable in a run, by their sequences."""

    kind: Kind
    department: int
    first: int
    last: int

    @property
    def newest(self) -> Step | None:
        """The step of its last command; None without any."""
        if self.last < self.first:
            return None
        return Step(self.kind, self.department, self.last - self.first)


def streams_of(var: Path, runs: Iterable[Run]) -> list[Stream]:
    """What stands in the callers' outboxes, or stood there."""
    query = "SELECT source, topic, sequence FROM outbox_head"
    heads = {
        (source, topic): last
        for process in PROCESSES
        for source, topic, last in _rows(folder_of(var, process) / DATABASE, query)
    }
    return [
        Stream(kind, at, first, heads.get((_system(var, at).source, TOPICS[kind]), 0))
        for run in runs
        for kind in KINDS
        for at, first in run.first[kind].items()
    ]


def commands_of(var: Path, runs: Iterable[Run]) -> dict[Place, Step]:
    """Every command that the callers have made durable in a run, and which step it is."""
    found: dict[Place, Step] = {}
    for kind, department, first, last in streams_of(var, runs):
        system = _system(var, department)
        topic = f"{system.domain}/{TOPICS[kind]}"
        for sequence in range(first, last + 1):
            found[system.source, topic, sequence] = Step(kind, department, sequence - first)
    return found


def unsealed(var: Path) -> int:
    """How many records of services and callers the log has not confirmed to their senders."""
    databases = [var / name / f"{name}.db" for name in SERVICES]
    databases += [folder_of(var, process) / DATABASE for process in PROCESSES]
    query = "SELECT count(*) FROM outbox_row"
    return sum(rows for database in databases for (rows,) in _rows(database, query))


@cache
def _system(var: Path, department: int) -> SystemFile:
    return SystemFile.load(system_path(var, system_of(department)))


def _place(command: Mapping[str, Any]) -> Place:
    return command["source"], command["topic"], int(command["sequence"])


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as reader:
        return list(reader.execute(query))
