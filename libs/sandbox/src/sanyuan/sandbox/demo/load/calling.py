"""A run under way: sends what is due without waiting for answers, and counts what has ended.

Killed at any moment it goes on: what stands in the outbox is not sent again, what has ended stands
in the journal, and everything else comes again or is still to come.
"""

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sanyuan.client.calls import CallResult
from sanyuan.client.faces.catalog import Call as SharedCall
from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import GrantTerms
from sanyuan.common.contracts.identity import VerifyOrganisation, VerifyPerson
from sanyuan.common.contracts.license_exchange import RequestLicenseFields
from sanyuan.sandbox.demo.load.assertions import Assertions
from sanyuan.sandbox.demo.load.checking import (
    ASSERTION,
    check_call,
    check_exchange,
    check_verification,
)
from sanyuan.sandbox.demo.load.drawing import Draws, Organisation, Person
from sanyuan.sandbox.demo.load.grants import (
    LICENSE_FIELDS,
    UNGRANTED_FIELD,
    Wanted,
)
from sanyuan.sandbox.demo.load.journal import Ended, Journal
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.progress import KindProgress, Outcome, Progress
from sanyuan.sandbox.demo.load.schedule import TOPICS, Run, Step, steps_of
from sanyuan.sandbox.demo.load.subjects import Subject, Subjects
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE

TICK_SECONDS: Final = 0.08
"""What is due within it shares a transaction: a fifth of the CPU for 40 ms of mean latency."""
MOST_OPEN: Final = 1500
"""Operations under way in one process, a few seconds' worth. What is due beyond waits with its
caller, as behind any pool of connections, and its delay counts all the same: were it sent, it would
wait in topics, where calls have ten seconds."""
LAW: Final = "数据安全法 第三十八条"
_KIND_OF_TOPIC: Final[dict[str, Kind]] = {topic: kind for kind, topic in TOPICS.items()}
Heads = Mapping[Kind, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a process calls with: its systems, everybody's names, and the grants that it holds.

    ``terms`` are by number of the wanted grant, ``license_terms`` by department.
    """

    systems: Mapping[int, ConnectedSystem]
    subjects: Subjects
    wanted: Sequence[Wanted]
    terms: Mapping[int, GrantTerms]
    license_terms: Mapping[int, GrantTerms]


class Caller:
    """One run of one process; `send` is a task, `take_…` are told what inboxes have."""

    def __init__(self, folder: Path, run: Run, equipment: Equipment, progress: Progress) -> None:
        self._run = run
        self._equipment = equipment
        self._progress = progress
        self._departments = tuple(equipment.systems)
        self._draws = Draws(run.plan, equipment.wanted, equipment.subjects.sizes)
        self._offered = self._count_offered()
        self._journal = Journal.open(folder, run.plan.id)
        self._assertions = Assertions.open(folder, run.plan.id)
        self._exchanges: dict[int, deque[Step]] = {at: deque() for at in self._departments}
        self._sends: set[asyncio.Task[object]] = set()
        progress.kinds = {kind: KindProgress() for kind in KINDS}
        progress.finished = 0.0
        for ended in self._journal:
            self._count(ended)

    @property
    def is_done(self) -> bool:
        """Whether every operation has ended."""
        return self._progress.ended >= self._total

    def close(self) -> None:
        """Carry out no more."""
        self._journal.close()
        self._assertions.close()

    async def send(self, heads: Heads) -> None:
        """Send what ``heads`` does not have, each when it is due; raises what sending raises."""
        remaining = list(self._run.remaining(self._departments, heads))
        sent = self._total - sum(1 for _ in _operations(remaining))
        steps = iter(remaining)
        step = next(steps, None)
        while step is not None:
            now, due = time.time(), list[Step]()
            room = MOST_OPEN - (sent - self._progress.ended)
            while step is not None and len(due) < room and self._due(step) <= now:
                due.append(step)
                step = next(steps, None)
            sent += sum(1 for _ in _operations(due))
            self._dispatch(due)
            await self.check()
            wait = TICK_SECONDS if step is None else self._due(step) - time.time()
            await asyncio.sleep(max(wait, TICK_SECONDS))

    async def check(self) -> None:
        """Raises what a send raised: the next process goes on from the outbox."""
        for task in [task for task in self._sends if task.done()]:
            self._sends.discard(task)
            await task

    def look(self) -> None:
        """Bring the progress up to date with the clock."""
        elapsed = max(0.0, time.time() - self._run.plan.start)
        self._progress.elapsed = elapsed
        for kind, offsets in self._offered.items():
            self._progress.kinds[kind].offered = bisect_right(offsets, elapsed)

    def take_result(self, department: int, result: CallResult) -> None:
        """A call has ended."""
        step = self._run.step("shared-call", department, int(result.call.sequence))
        if step is not None and step not in self._journal:
            drawn = self._draws.call(step)
            wanted = self._equipment.wanted[drawn.grant]
            self._end(step, check_call(result, drawn, wanted, self._subject(wanted, drawn.rank)))

    def take_decision(self, department: int, decision: Decision) -> None:
        """Identity or license-exchange has decided, if it is about one of our operations."""
        command = decision.command
        if command is None or decision.unexpected is not None:
            return
        kind = _KIND_OF_TOPIC.get(command.topic.partition("/")[2])
        if kind is None:
            return
        step = self._run.step(kind, department, int(command.sequence))
        if step is None or step in self._journal:
            return
        if kind == "verification":
            self._end_verification(step, decision)
        else:
            drawn = self._draws.exchange(step)
            subject = self._equipment.subjects.organisations[drawn.rank]
            self._end(step, check_exchange(decision, drawn, subject))

    def _end_verification(self, step: Step, decision: Decision) -> None:
        drawn = self._draws.verification(step)
        if isinstance(drawn, Organisation):
            text = (decision.opened.get(ASSERTION) or b"").decode()
            self._assertions.put(step.department, drawn.exchange, text)
            self._send_exchanges(step.department)
        self._end(step, check_verification(decision, drawn))

    def _end(self, step: Step, outcome: Outcome) -> None:
        if step.operation is None or step.operation >= self._run.plan.total:
            return
        late = time.time() - self._run.plan.due(step.operation)
        ended = Ended(step, outcome, max(0, int(late * 1000)))
        self._journal.write(ended)
        self._count(ended)

    def _count(self, ended: Ended) -> None:
        operation = ended.step.operation
        if operation is None:
            return
        self._progress.kinds[ended.step.kind].count(ended.outcome, ended.milliseconds)
        at = operation / self._run.plan.rate + ended.milliseconds / 1000
        self._progress.finished = max(self._progress.finished, at)

    def _count_offered(self) -> dict[Kind, list[float]]:
        """When what is not sent in order to be refused is due, in seconds from the start."""
        offered: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
        self._total = 0
        for step, operation in _operations(steps_of(self._run.plan, self._departments)):
            self._total += 1
            if not self._draws.goes_beyond(step):
                offered[step.kind].append(operation / self._run.plan.rate)
        return offered

    def _due(self, step: Step) -> float:
        """When to send; what only prepares goes at once."""
        operation = step.operation
        return 0.0 if operation is None else self._run.plan.due(operation)

    def _dispatch(self, steps: Sequence[Step]) -> None:
        # Tasks start in the order in which they were made: so do the streams.
        calls: dict[int, list[SharedCall]] = {}
        for step in steps:
            match step.kind:
                case "shared-call":
                    calls.setdefault(step.department, []).append(self._call(step))
                case "verification":
                    self._start(self._verify(step))
                case "license-exchange":
                    self._exchanges[step.department].append(step)
                    self._send_exchanges(step.department)
        for department, each in calls.items():
            self._start(self._equipment.systems[department].request_calls(each))

    def _start(self, sending: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(sending)
        self._sends.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[object]") -> None:
        if not task.cancelled() and task.exception() is None:
            self._sends.discard(task)

    def _call(self, step: Step) -> SharedCall:
        drawn = self._draws.call(step)
        wanted = self._equipment.wanted[drawn.grant]
        subject = self._subject(wanted, drawn.rank)
        return SharedCall(self._equipment.terms[drawn.grant], {wanted.fields[0]: subject.key})

    def _verify(self, step: Step) -> Coroutine[Any, Any, object]:
        drawn, subjects = self._draws.verification(step), self._equipment.subjects
        system = self._equipment.systems[step.department]
        data = {
            "purpose": DEPARTMENTS[step.department].purposes[0],
            "legal_basis": LAW,
            "audience": "license-exchange",
        }
        match drawn:
            case Person(number, name):
                person = {"name": subjects.people[name].name, "number": subjects.people[number].key}
                return system.send(VerifyPerson, data, {"subject": person})
            case Organisation(rank):
                organisation = subjects.organisations[rank]
                subject = {"name": organisation.name, "code": organisation.key}
                return system.send(VerifyOrganisation, data, {"subject": subject})

    def _send_exchanges(self, department: int) -> None:
        """Those that are due and have their assertion, in their order."""
        waiting = self._exchanges[department]
        while waiting:
            text = self._assertions.take(department, waiting[0].index)
            if text is None:
                return
            self._start(self._exchange(waiting.popleft(), text))

    def _exchange(self, step: Step, assertion: str) -> Coroutine[Any, Any, object]:
        terms = self._equipment.license_terms[step.department]
        beyond = self._draws.exchange(step).outside
        data = {
            "type": BUSINESS_LICENSE.code,
            "purpose": terms.purpose,
            "grant": terms.grant,
            "fields": [*LICENSE_FIELDS, UNGRANTED_FIELD] if beyond else [*LICENSE_FIELDS],
        }
        sealed = {ASSERTION: assertion.encode()}
        return self._equipment.systems[step.department].send(RequestLicenseFields, data, sealed)

    def _subject(self, wanted: Wanted, rank: int) -> Subject:
        subjects = self._equipment.subjects
        return (subjects.people if wanted.about == "person" else subjects.organisations)[rank]


def terms_by_number(
    wanted: Sequence[Wanted], grants: Mapping[tuple[int, str], GrantTerms]
) -> dict[int, GrantTerms]:
    """The terms of those wanted grants that a process holds."""
    return {
        number: grants[each.caller, each.resource]
        for number, each in enumerate(wanted)
        if (each.caller, each.resource) in grants
    }


def _operations(steps: Iterable[Step]) -> Iterator[tuple[Step, int]]:
    for step in steps:
        if (operation := step.operation) is not None:
            yield step, operation
