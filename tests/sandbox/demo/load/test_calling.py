import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.sandbox.demo.load.simulated import Nation, System, failed, subjects, terms

from sanyuan.client.calls import Answered, CallResult
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.demo.load.calling import Caller, Equipment, terms_by_number
from sanyuan.sandbox.demo.load.drawing import Draws
from sanyuan.sandbox.demo.load.grants import Wanted, wanted_grants, wanted_license_grants
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.progress import Outcome, Progress
from sanyuan.sandbox.demo.load.schedule import Plan, Run, steps_of

OURS = (40, 48)
"""Two departments whose neighbours they are."""


@pytest.fixture(scope="module")
def wanted(nation: tuple[Resource, ...]) -> tuple[tuple[Wanted, ...], tuple[Wanted, ...]]:
    return wanted_grants(nation), wanted_license_grants(nation)


@pytest.fixture(scope="module")
def equipment(wanted: tuple[tuple[Wanted, ...], tuple[Wanted, ...]]) -> Equipment:
    calls, licenses = wanted
    grants = {
        (each.caller, each.resource): terms(number, each)
        for number, each in enumerate(calls)
        if each.caller in OURS
    }
    return Equipment(
        systems={},
        subjects=subjects(),
        wanted=calls,
        terms=terms_by_number(calls, grants),
        license_terms={
            each.caller: terms(9_000 + number, each)
            for number, each in enumerate(licenses)
            if each.caller in OURS
        },
    )


def plan(seconds: float = 2.0) -> Plan:
    return Plan("plan", 6_000.0, seconds, 7, time.time() + 0.1)


class Life:
    """One life of a process: a caller, its consumers, and its sending."""

    def __init__(self, folder: Path, nation: Nation, equipment: Equipment, run: Run) -> None:
        systems = {at: System(nation, at) for at in OURS}
        self.progress = Progress()
        self.caller = Caller(
            folder,
            run,
            replace(equipment, systems=cast("dict[int, ConnectedSystem]", systems)),
            self.progress,
        )
        heads = {kind: dict(nation.heads[kind]) for kind in KINDS}
        work: list[Coroutine[Any, Any, None]] = [self.caller.send(heads)]
        work += [self._results(at, system) for at, system in systems.items()]
        work += [self._decisions(at, system) for at, system in systems.items()]
        self._tasks = [asyncio.create_task(each) for each in work]

    async def _results(self, at: int, system: System) -> None:
        async for result in system.answers():
            self.caller.take_result(at, result)

    async def _decisions(self, at: int, system: System) -> None:
        async for decision in system.decisions():
            self.caller.take_decision(at, decision)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._raise()
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        """As a SIGKILL: closing the files writes nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.caller.close()

    def _raise(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()


def begun(plan: Plan) -> Run:
    return Run(plan, {kind: dict.fromkeys(OURS, 1) for kind in KINDS})


def expected(plan: Plan, equipment: Equipment) -> dict[Kind, dict[Outcome, int]]:
    """How every operation has to end."""
    draws = Draws(plan, equipment.wanted, equipment.subjects.sizes)
    counts: dict[Kind, dict[Outcome, int]] = {kind: {} for kind in KINDS}
    for step in steps_of(plan, OURS):
        if step.operation is None:
            continue
        outcome = Outcome.ANSWERED
        if draws.goes_beyond(step):
            outcome = Outcome.REFUSED_AS_EXPECTED
        elif step.kind == "verification":
            drawn = draws.verification(step)
            if not getattr(drawn, "matches", True):
                outcome = Outcome.NOT_VERIFIED
        counts[step.kind][outcome] = counts[step.kind].get(outcome, 0) + 1
    return counts


@pytest.mark.asyncio
async def test_every_operation_ends_as_the_plan_knows_it_must(
    tmp_path: Path, equipment: Equipment
) -> None:
    nation, whole = Nation(equipment.subjects), plan()
    life = Life(tmp_path, nation, equipment, begun(whole))
    await life.until(lambda: life.caller.is_done)
    await life.end()
    life.caller.look()
    found = {kind: each.outcomes for kind, each in life.progress.kinds.items()}
    assert found == expected(whole, equipment)
    assert found["shared-call"][Outcome.ANSWERED] > 300
    assert found["license-exchange"][Outcome.ANSWERED] >= 2
    for kind in life.progress.kinds.values():
        assert kind.offered == kind.completed
        assert sum(kind.latencies.values()) == kind.completed
    assert whole.seconds - 0.2 < life.progress.finished < whole.seconds + 2


@pytest.mark.asyncio
async def test_a_killed_process_sends_nothing_twice_and_leaves_nothing_out(
    tmp_path: Path, equipment: Equipment
) -> None:
    nation, whole = Nation(equipment.subjects), plan()
    run = begun(whole)
    for share in (0.2, 0.6):
        life = Life(tmp_path, nation, equipment, run)
        enough = whole.total * share / 53 * len(OURS)
        await life.until(lambda life=life, enough=enough: life.progress.ended > enough)  # type: ignore[misc]  # bound now
        await life.end()
    last = Life(tmp_path, nation, equipment, run)
    await last.until(lambda: last.caller.is_done)
    await last.end()
    found = {kind: each.outcomes for kind, each in last.progress.kinds.items()}
    assert found == expected(whole, equipment)
    steps = list(steps_of(whole, OURS))
    for kind in KINDS:
        for at in OURS:
            sent = sum(1 for step in steps if (step.kind, step.department) == (kind, at))
            assert nation.heads[kind][at] == sent


@pytest.mark.asyncio
async def test_an_answer_about_somebody_else_is_not_completed(
    tmp_path: Path, equipment: Equipment
) -> None:
    def lie(result: CallResult) -> CallResult:
        if isinstance(result, Answered) and result.found:
            name = "person_name" if "person_name" in result.fields else "organisation_name"
            return replace(result, fields={**result.fields, name: "somebody else"})
        return result

    nation = Nation(equipment.subjects, spoil=lie)
    life = Life(tmp_path, nation, equipment, begun(plan(0.5)))
    await life.until(lambda: life.caller.is_done)
    await life.end()
    calls = life.progress.kinds["shared-call"]
    assert calls.of(Outcome.SURPRISING) > 80
    assert calls.completed < 20


@pytest.mark.asyncio
async def test_a_call_that_failed_has_ended_and_is_not_completed(
    tmp_path: Path, equipment: Equipment
) -> None:
    nation = Nation(equipment.subjects, spoil=failed)
    life = Life(tmp_path, nation, equipment, begun(plan(0.5)))
    await life.until(lambda: life.caller.is_done)
    await life.end()
    calls = life.progress.kinds["shared-call"]
    assert (calls.completed, calls.ended) == (0, calls.of(Outcome.FAILED))
    assert life.progress.kinds["verification"].completed > 0
