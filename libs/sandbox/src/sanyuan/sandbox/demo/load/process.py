"""The departments of four access nodes in one process (``-m …demo.load.process VAR NUMBER``).

Every system calls and serves. The process makes its departments' databases if they are missing,
publishes what is missing, then waits for ``plan.json`` and carries plans out. The first of the two
also does the agency's reviews. Killed at any moment it goes on where its outbox, ledger and journal
stand.
"""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Final

import uvloop

from sanyuan.client.connector import Connector
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.common import logs, memory, telemetry
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import settings
from sanyuan.sandbox.demo.load.calling import Caller, Equipment, Heads, terms_by_number
from sanyuan.sandbox.demo.load.grants import Wanted, wanted_grants, wanted_license_grants
from sanyuan.sandbox.demo.load.layout import (
    PROCESSES,
    departments_of,
    folder_of,
    name_of,
    providers_of,
    published_of,
    system_of,
)
from sanyuan.sandbox.demo.load.ledger import LEDGER, Follower, Ledger
from sanyuan.sandbox.demo.load.mix import KINDS
from sanyuan.sandbox.demo.load.orders import read_first, read_plan, read_run, write_run
from sanyuan.sandbox.demo.load.progress import Progress, save
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.demo.load.publishing import ISSUER, Publisher
from sanyuan.sandbox.demo.load.reviewing import review
from sanyuan.sandbox.demo.load.schedule import TOPICS, Plan, Run
from sanyuan.sandbox.demo.load.serving import serve
from sanyuan.sandbox.demo.load.subjects import load_subjects
from sanyuan.sandbox.members import AGENCY_SOURCE
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.synthetic.catalogue.keeping import NAME as CATALOGUE
from sanyuan.sandbox.synthetic.catalogue.keeping import load_served, marked_lines, read_catalogue
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.licenses import business_licenses
from sanyuan.sandbox.synthetic.providers.making import Sources, database_of, make_providers
from sanyuan.sandbox.synthetic.registers import Registers

TELL_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.1
_REVIEWER: Final = PROCESSES[0]


def program(var: Path, process: int) -> Program:
    """What runs a process."""
    return Program(name_of(process), (sys.executable, "-m", __name__, str(var), str(process)), var)


class LoadProcess:
    """One process's departments at work."""

    def __init__(self, var: Path, process: int, connector: Connector) -> None:
        self._var = var
        self._process = process
        self._folder = folder_of(var, process)
        files = {
            at: SystemFile.load(system_path(var, system_of(at))) for at in departments_of(process)
        }
        self._systems = {at: ConnectedSystem(connector, file) for at, file in files.items()}
        self._sources = {file.source: at for at, file in files.items()}
        self._ledger = Ledger(self._folder / LEDGER)
        self._published = Published(published_of(var))
        self._catalogue = var / "registers" / CATALOGUE
        self._marks = [f'"provider":"{DEPARTMENTS[at].code}"' for at in self._systems]
        self._first = read_first(var)
        self._publisher = Publisher(self._systems, self._ledger, self._published, self._first)
        self._progress = Progress(phase="publishing")
        self._caller: Caller | None = None
        self._wanted: tuple[Wanted, ...] = ()
        self._license_wanted: tuple[Wanted, ...] = ()
        self._asked: list[Wanted] = []

    async def work(self) -> None:
        """Serve, publish, carry out plans, for ever; raises what the SDK raises."""
        self._prepare()
        async with asyncio.TaskGroup() as tasks:
            for at, system in self._systems.items():
                database = database_of(providers_of(self._var), DEPARTMENTS[at])
                tasks.create_task(serve(system, database))
                tasks.create_task(self._receive_results(at, system))
                tasks.create_task(self._receive_decisions(at, system))
            tasks.create_task(self._tell())
            tasks.create_task(self._publish_and_follow())

    def _prepare(self) -> None:
        """Know what is wanted, and what was going on when an earlier life ended."""
        served = load_served(self._catalogue)
        self._wanted, self._license_wanted = wanted_grants(served), wanted_license_grants(served)
        self._asked = [
            each for each in (*self._license_wanted, *self._wanted) if each.caller in self._systems
        ]
        resources = sum(1 for _ in marked_lines(self._catalogue, *self._marks))
        registers = Registers(self._var / "registers")
        licensed = registers.count_organisations() if ISSUER in self._systems else 0
        self._progress.to_publish = resources + len(self._asked) + licensed
        plan = read_plan(self._folder)
        run = None if plan is None else read_run(self._folder, plan)
        if run is not None and self._begin(run).is_done:
            self._progress.phase = "done"

    def _resources(self) -> Iterator[Resource]:
        """Our departments' resources, one at a time, what goes first before the others."""
        codes = [f'"code":"{each}"' for each in sorted(self._first)]
        ours = {DEPARTMENTS[at].code for at in self._systems}
        if codes:
            first = read_catalogue(self._catalogue, *codes)
            yield from (each for each in first if each.provider in ours)
        for each in read_catalogue(self._catalogue, *self._marks):
            if each.code not in self._first:
                yield each

    async def _publish_and_follow(self) -> None:
        if self._progress.phase == "publishing":
            await self._publish()
        self._progress.ready_for_case = True
        memory.settle()
        while True:
            plan = read_plan(self._folder)
            if plan is not None and (plan.id, "done") != (
                self._progress.plan,
                self._progress.phase,
            ):
                await self._carry_out(plan)
            elif self._progress.phase != "done":
                self._progress.phase = "waiting"
            await asyncio.sleep(POLL_SECONDS)

    async def _publish(self) -> None:
        registers = Registers(self._var / "registers")
        licenses = business_licenses(registers) if ISSUER in self._systems else ()
        async with asyncio.TaskGroup() as tasks:
            if self._process == _REVIEWER:
                tasks.create_task(self._review())
            tasks.create_task(self._publisher.publish(self._resources(), licenses, self._asked))

    async def _review(self) -> None:
        """The agency's part, while there is something to review."""
        total = sum(1 for _ in marked_lines(self._catalogue))
        if len(self._published.codes) >= total:
            return
        ledgers = [Follower(folder_of(self._var, each) / LEDGER) for each in PROCESSES]
        async with connect(system_path(self._var, AGENCY_SOURCE.name)) as agency:
            await review(agency, ledgers, self._published, total)

    async def _carry_out(self, plan: Plan) -> None:
        heads = self._heads()
        run = read_run(self._folder, plan)
        if run is None:
            first = {
                kind: {at: heads[kind].get(at, 0) + 1 for at in self._systems} for kind in KINDS
            }
            run = Run(plan, first)
            # From here on a restart continues this run.
            write_run(self._folder, run)
        caller = self._begin(run)
        await caller.send(heads)
        while not caller.is_done:
            await caller.check()
            await asyncio.sleep(POLL_SECONDS)
        self._progress.phase = "done"
        self._snapshot()

    def _begin(self, run: Run) -> Caller:
        """The caller of a run, the one that there is or a new one."""
        if self._caller is not None and self._progress.plan == run.plan.id:
            return self._caller
        if self._caller is not None:
            self._caller.close()
        self._progress.plan, self._progress.phase = run.plan.id, "running"
        self._caller = Caller(self._folder, run, self._equipment, self._progress)
        self._snapshot()
        return self._caller

    @cached_property
    def _equipment(self) -> Equipment:
        """What calls are made with; grants do not change any more once a plan is here."""
        return Equipment(
            systems=self._systems,
            subjects=load_subjects(Registers(self._var / "registers")),
            wanted=self._wanted,
            terms=terms_by_number(self._wanted, self._ledger.grants),
            license_terms={
                each.caller: self._ledger.grants[each.caller, each.resource]
                for each in self._license_wanted
                if each.caller in self._systems
            },
        )

    async def _receive_results(self, department: int, system: ConnectedSystem) -> None:
        async for result in system.answers():
            if self._caller is not None:
                self._caller.take_result(department, result)

    async def _receive_decisions(self, department: int, system: ConnectedSystem) -> None:
        async for decision in system.decisions():
            if self._caller is not None:
                self._caller.take_decision(department, decision)
            await self._publisher.take(department, decision)

    async def _tell(self) -> None:
        while True:
            self._snapshot()
            await asyncio.sleep(TELL_SECONDS)

    def _snapshot(self) -> None:
        progress = self._progress
        progress.cpu_seconds = time.process_time()
        progress.published = self._ledger.entries
        if not progress.ready_for_case:
            self._published.look()
            ours = {each for each in self._first if "/" in each or ISSUER in self._systems}
            progress.ready_for_case = ours <= self._published.codes | self._ledger.licensed
        if self._caller is not None:
            self._caller.look()
        save(self._folder, progress)

    def _heads(self) -> Heads:
        """The last sequence that each system has in the outbox, or had."""
        heads: dict[str, dict[int, int]] = {topic: {} for topic in TOPICS.values()}
        database = self._folder / "client.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT source, topic, sequence FROM outbox_head")
            for source, topic, sequence in rows:
                if topic in heads and source in self._sources:
                    heads[topic][self._sources[source]] = sequence
        return {kind: heads[TOPICS[kind]] for kind in KINDS}


async def main(var: Path, process: int) -> None:
    """Serve until SIGTERM."""
    name, folder = name_of(process), folder_of(var, process)
    logs.set_up(name)
    telemetry.set_up(name, folder=var / "traces")
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    departments = departments_of(process)
    save(folder, Progress())
    with suppress(asyncio.CancelledError):
        make_databases(var, departments)
        systems = [SystemFile.load(system_path(var, system_of(each))) for each in departments]
        async with Connector.open(systems, folder / "client.db") as connector:
            await LoadProcess(var, process, connector).work()
    telemetry.flush()


def make_databases(var: Path, departments: Sequence[int]) -> None:
    """The departments' own databases, where they are missing; raises SyntheticDataError."""
    sources = Sources(Registers(var / "registers"), var / "registers" / CATALOGUE)
    organs = [DEPARTMENTS[each] for each in departments]
    make_providers(providers_of(var), settings.load(os.environ).cache, sources, organs)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
