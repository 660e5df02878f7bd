"""The demo's systems: 53 departments in one process, asking by plan (``-m …demo.departments``).

It waits for ``state/departments/plan.json`` below ``var``, sends what is due without waiting for
answers, and tells how far it is. Killed at any moment it goes on where its outbox stands: what was
sent is not sent again, what was decided meanwhile comes through ``decisions()``.
"""

import asyncio
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import uvloop
from pydantic import TypeAdapter, ValidationError

from sanyuan.client.connector import Connector
from sanyuan.client.inbox import Decision
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem
from sanyuan.common import logs, memory, telemetry
from sanyuan.common.contracts.identity import VerifyPerson
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import run_folder
from sanyuan.sandbox.demo.progress import PLAN, RUN, Progress, load, save
from sanyuan.sandbox.demo.schedule import Plan, Run, draw
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS, Organ

NAME: Final = "departments"
LAW: Final = "数据安全法 第三十八条"
TOPIC: Final = "identity-commands"
TICK_SECONDS: Final = 0.08
"""What is due within it shares a transaction: a fifth of the CPU for 25 ms of mean latency."""
TELL_SECONDS: Final = 0.5
LEAD_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.1
_PLAN: Final = TypeAdapter(Plan)
_RUN: Final = TypeAdapter(Run)
_REFUSED: Final = "identity.verification-refused.v1"


def folder_of(var: Path) -> Path:
    """Where plan, progress and database lie."""
    return var / "state" / NAME


def order(var: Path, plan: Plan) -> None:
    """Have the process carry out a plan."""
    folder_of(var).mkdir(parents=True, exist_ok=True)
    run_folder.write(folder_of(var) / PLAN, _PLAN.dump_json(plan))


def program(var: Path) -> Program:
    """What runs them."""
    return Program(NAME, (sys.executable, "-m", __name__, str(var)), var)


class Departments:
    """One process's systems at work."""

    def __init__(
        self,
        var: Path,
        connector: Connector,
        systems: Sequence[SystemFile],
        progress: Progress,
    ) -> None:
        self._folder = folder_of(var)
        self._systems = [ConnectedSystem(connector, system) for system in systems]
        self._sources = [system.source for system in systems]
        self._people = _people(var)
        self._progress = progress
        plan = _read_plan(self._folder)
        going = plan is not None and plan.id == progress.plan
        self._run = _read_run(self._folder, plan) if plan is not None and going else None
        self._sends: set[asyncio.Task[object]] = set()

    async def work(self) -> None:
        """Carry out plans for ever; raises what the SDK raises."""
        async with asyncio.TaskGroup() as tasks:
            for system in self._systems:
                tasks.create_task(self._receive(system))
            tasks.create_task(self._tell())
            tasks.create_task(self._follow_plans())

    async def _follow_plans(self) -> None:
        while True:
            plan = _read_plan(self._folder)
            if plan is None or (plan.id == self._progress.plan and self._progress.phase == "done"):
                if self._progress.phase != "done":
                    self._progress.phase = "waiting"
                await asyncio.sleep(POLL_SECONDS)
                continue
            await self._carry_out(plan)

    async def _carry_out(self, plan: Plan) -> None:
        heads = _heads(self._folder / "client.db")
        run = _read_run(self._folder, plan)
        if run is None:
            first = {source: heads.get(source, 0) + 1 for source in self._sources}
            run = Run(plan, time.time() + LEAD_SECONDS, first)
            self._progress = Progress(plan.id)
            save(self._folder, self._progress)
            # From here on a restart continues this run.
            run_folder.write(self._folder / RUN, _RUN.dump_json(run))
        self._run, self._progress.phase = run, "running"
        for operation in run.remaining(self._sources, heads):
            await _until(run.due(operation))
            self._send(run, operation)
        while self._progress.completed + self._progress.refused < plan.total:
            await self._check_sends()
            await asyncio.sleep(POLL_SECONDS)
        self._progress.phase = "done"
        self._snapshot()

    def _send(self, run: Run, operation: int) -> None:
        at = operation % len(self._systems)
        chosen = draw(run.plan, operation, len(self._people))
        subject = {"name": self._people[chosen.name][1], "number": self._people[chosen.number][0]}
        data = {
            "purpose": DEPARTMENTS[at].purposes[0],
            "legal_basis": LAW,
            "audience": "license-exchange",
        }
        # Tasks start in the order in which they were made: so does the stream.
        task = asyncio.create_task(self._systems[at].send(VerifyPerson, data, {"subject": subject}))
        self._sends.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[object]") -> None:
        if not task.cancelled() and task.exception() is None:
            self._sends.discard(task)

    async def _check_sends(self) -> None:
        """Raises what a send raised: the next process goes on from the outbox."""
        for task in [task for task in self._sends if task.done()]:
            await task

    async def _receive(self, system: ConnectedSystem) -> None:
        async for decision in system.decisions():
            self._count(system.source, decision)

    def _count(self, source: str, decision: Decision) -> None:
        run, progress, command = self._run, self._progress, decision.command
        if run is None or command is None or decision.unexpected is not None:
            return
        sequence = int(command.sequence)
        # Not of this run, or handed out once more after a restart.
        if sequence < run.first[source] or sequence <= progress.answered.get(source, 0):
            return
        operation = run.operation(self._sources, source, sequence)
        now = time.time()
        progress.answered[source] = sequence
        if decision.type == _REFUSED:
            progress.refused += 1
            return
        matches = decision.opened.get("assertion") is not None
        progress.completed += 1
        progress.mismatches += not matches
        progress.surprising += matches != draw(run.plan, operation, len(self._people)).matches
        milliseconds = int((now - run.due(operation)) * 1000)
        progress.latencies[milliseconds] = progress.latencies.get(milliseconds, 0) + 1
        progress.finished = now - run.start

    async def _tell(self) -> None:
        while True:
            self._snapshot()
            await self._check_sends()
            await asyncio.sleep(TELL_SECONDS)

    def _snapshot(self) -> None:
        run, progress = self._run, self._progress
        progress.cpu_seconds = time.process_time()
        if run is not None:
            progress.elapsed = time.time() - run.start
            due = int(max(0.0, progress.elapsed) * run.plan.rate)
            progress.offered = min(run.plan.total, due)
        save(self._folder, progress)


async def main(var: Path) -> None:
    """Serve until SIGTERM."""
    logs.set_up(NAME)
    telemetry.set_up(NAME, folder=var / "traces")
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    systems = [SystemFile.load(system_path(var, _main_system(each))) for each in DEPARTMENTS]
    database = folder_of(var) / "client.db"
    with suppress(asyncio.CancelledError):
        taken = _handed_out(database)
        progress = load(folder_of(var))
        for system in systems:
            progress.catch_up(system.source, taken.get(system.inbox or "", 0))
        async with Connector.open(systems, database) as connector:
            departments = Departments(var, connector, systems, progress)
            memory.settle()
            await departments.work()
    telemetry.flush()


async def _until(moment: float) -> None:
    """Wait for a moment in Unix seconds; what is due within a tick goes together."""
    if (wait := moment - time.time()) > 0:
        await asyncio.sleep(max(wait, TICK_SECONDS))


def _main_system(department: Organ) -> str:
    return department.systems[0].name


def _people(var: Path) -> list[tuple[str, str]]:
    """(number, name) of everybody, in an order that no register has."""
    register = var / "registers" / "population.db"
    with closing(sqlite3.connect(f"file:{register}?mode=ro", uri=True)) as database:
        people = list(database.execute("SELECT number, name FROM person"))
    random.Random("departments").shuffle(people)  # noqa: S311  the same for every process
    return people


def _handed_out(database: Path) -> dict[str, int]:
    """How many decisions of each inbox were handed out and forgotten: every record is one."""
    if not database.exists():
        return {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        statement = """
            SELECT topic, sequence - (SELECT count(*) FROM inbox_row AS r WHERE r.topic = p.topic)
            FROM stream_place AS p WHERE topic LIKE 'inbox-%'
        """
        return dict(connection.execute(statement))


def _heads(database: Path) -> dict[str, int]:
    """The last sequence that each system has in the outbox, or had."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        statement = "SELECT source, sequence FROM outbox_head WHERE topic = ?"
        return dict(connection.execute(statement, (TOPIC,)))


def _read_plan(folder: Path) -> Plan | None:
    try:
        return _PLAN.validate_json((folder / PLAN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _read_run(folder: Path, plan: Plan) -> Run | None:
    try:
        run = _RUN.validate_json((folder / RUN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return run if run.plan.id == plan.id else None


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
