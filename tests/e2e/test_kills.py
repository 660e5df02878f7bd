"""``kill -9`` at every named step, of every process, under load: nothing lost, nothing doubled.

One installation for all: each test kills somebody at one step and waits until work goes on; the
load never stops. The last tests let everything settle and count (design §9, invariants 1, 2, 5).
"""

from __future__ import annotations

import ast
import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from tests.e2e.kill_installation import DEPARTMENTS, Installation, installation

from sanyuan.client.connector import Connector, ConnectorClosedError
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.identity import RevokeAssertion
from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.sandbox import services
from sanyuan.sandbox.faults import steady, tally
from sanyuan.sandbox.programs import Program

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.slow]

WHO: Final = {
    "service": ("identity",),
    "relay": ("identity", "steady"),
    "seal": ("identity", "steady"),
    "client": ("steady",),
    "audit": ("audit",),
}
"""Whose step a failpoint is, by the first part of its name."""
KILLS: Final = [(who, point) for point in FAILPOINTS for who in WHO[point.partition(".")[0]]]
HITS: Final = 3
RATE: Final = 60
LIMIT_SECONDS: Final = 120.0
"""A busy machine takes longer for what takes an idle one seconds."""
SYSTEMS: Final = ("steady-1", "steady-2", "steady-3")
VISITOR: Final = "visitor"
SOURCES: Final = Path(__file__).parents[2]


def test_every_step_in_the_code_is_in_the_list_and_every_one_of_the_list_is_in_the_code() -> None:
    files = [*SOURCES.glob("libs/*/src/**/*.py"), *SOURCES.glob("services/*/src/**/*.py")]
    named = [name for file in files for name in steps_in(file)]
    assert set(named) == set(FAILPOINTS)


def steps_in(file: Path) -> Iterator[str]:
    """What is written in each ``failpoint("…")``; a name that is not written out is a fault."""
    for node in ast.walk(ast.parse(file.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "failpoint"
        ):
            (name,) = node.args
            assert isinstance(name, ast.Constant), f"{file}:{node.lineno}"
            yield str(name.value)


def test_every_step_has_a_kill() -> None:
    assert {point for _, point in KILLS} == set(FAILPOINTS)


@dataclass
class Load:
    """The installation with a process that asks it steadily."""

    made: Installation
    armed: str | None = None
    """Who dies again and again at a step."""

    @cached_property
    def journal(self) -> tally.Journal:
        return tally.Journal(self.folder)

    @property
    def folder(self) -> Path:
        return self.made.var / "steady"

    def start(self, name: str, **environment: str) -> None:
        """Start a process anew; whatever it was is dead already."""
        if name != "steady":
            self.made.start(name, **environment)
            return
        command = (sys.executable, "-m", steady.MODULE, str(self.folder), str(RATE), *SYSTEMS)
        added = {"SANYUAN_VAR": str(self.made.var), **environment}
        self.made.supervisor.start(Program("steady", command, self.made.var, added))

    def arm(self, name: str, point: str) -> None:
        self.armed = name
        self.start(name, SANYUAN_FAILPOINT=f"{point}:{HITS}")

    def disarm(self) -> None:
        if self.armed is not None:
            self.made.supervisor.kill(self.armed)
            self.start(self.armed)
            self.armed = None

    def heard(self) -> int:
        return self.journal.heard()

    def goes_on(self, seconds: float = LIMIT_SECONDS) -> None:
        """Wait until the client hears of decisions of commands that were sent from now on."""
        before = tally.asked(self.folder)
        self.until(lambda: self.heard() > before, seconds)

    def until(self, reached: Callable[[], bool], seconds: float = LIMIT_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, self.state()
            time.sleep(0.05)

    def state(self) -> str:
        ready = {
            name: services.ask(port, "/ready").text.strip()
            for name, port in self.made.ports.items()
        }
        words = "\n\n".join(self.made.last_words(each) for each in self.names)
        return f"asked {tally.asked(self.folder)}, heard {self.heard()}, {ready}\n{words}"

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.made.ports, "steady")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    systems = {**dict(zip(SYSTEMS, DEPARTMENTS, strict=True)), VISITOR: DEPARTMENTS[0]}
    with installation(tmp_path_factory.mktemp("kills"), systems) as made:
        load = Load(made)
        load.folder.mkdir()
        load.start("steady")
        load.until(lambda: load.heard() > 0)
        yield load


@pytest.mark.parametrize(("who", "point"), KILLS)
def test_a_process_gets_to_this_step_under_load_and_dies_there(
    load: Load, who: str, point: str
) -> None:
    """The next life of the same process goes on with what this one has left."""
    if load.armed != who:
        load.disarm()
    load.made.supervisor.kill(who)
    load.arm(who, point)
    load.until(lambda: load.made.deaths(who) > 0)


def test_after_a_kill_at_every_step_work_goes_on(load: Load) -> None:
    load.disarm()
    load.goes_on()


def test_a_broker_that_is_killed_comes_back_and_nobody_else_ends(load: Load) -> None:
    before = deaths(load)
    load.made.kafka.kill()
    load.goes_on()
    assert deaths(load) == before


def test_a_broker_that_is_away_for_ten_seconds_is_waited_for_and_said(load: Load) -> None:
    before = deaths(load)
    assert asyncio.run(seconds_to_close_without_broker(load.made)) < 8
    end = time.monotonic() + 6
    load.until(lambda: not load.made.is_ready("identity"))
    load.until(lambda: not load.made.is_ready("audit"))
    time.sleep(max(0.0, end - time.monotonic()))
    load.made.kafka.start()
    load.goes_on()
    load.made.ready()
    assert deaths(load) == before


async def seconds_to_close_without_broker(made: Installation) -> float:
    """Connect, stop the broker, send something, leave: whoever waits is told."""
    file = made.system(VISITOR)
    async with Connector.open([file], made.var / "visitor.db") as connector:
        visitor = ConnectedSystem(connector, file)
        await asyncio.to_thread(made.kafka.stop)
        await visitor.send(RevokeAssertion, {"jti": str(uuid4())}, {})
        waiting = asyncio.ensure_future(anext(visitor.decisions()))
        begun = time.monotonic()
    with pytest.raises(ConnectorClosedError):
        await waiting
    return time.monotonic() - begun


@pytest.mark.parametrize("who", ["identity", "audit"])
def test_a_broker_and_a_process_that_are_killed_at_once_come_back(load: Load, who: str) -> None:
    load.made.kafka.kill(wait=False)
    load.made.supervisor.kill(who)
    load.goes_on()


def test_everything_that_is_killed_at_once_comes_back(load: Load) -> None:
    load.made.kafka.kill(wait=False)
    for name in load.names:
        load.made.supervisor.kill(name)
    load.goes_on()


def test_a_standby_takes_over_when_the_writer_is_killed(load: Load) -> None:
    made = load.made
    made.ports["standby"] = made.ports["identity"] + 1
    program = services.program("identity", made.var, made.ports["standby"])
    made.supervisor.start(Program("standby", program.command, made.var, program.environment))
    load.until(lambda: "standing by" in services.ask(made.ports["standby"], "/ready").text)
    made.supervisor.stop("identity")
    load.until(lambda: made.is_ready("standby"))
    load.goes_on()
    made.supervisor.kill("standby")
    made.supervisor.stop("standby")
    del made.ports["standby"]
    made.start("identity")
    load.goes_on()


def test_a_database_that_is_ahead_of_its_broker_is_refused(load: Load) -> None:
    database = load.made.var / "identity" / "identity.db"
    load.made.supervisor.kill("identity")
    load.made.supervisor.stop("identity")
    move_offsets(database, 1_000_000)
    load.made.start("identity")
    load.until(lambda: load.made.deaths("identity") > 0)
    assert "StoredOffsetError" in load.made.last_words("identity")
    load.made.supervisor.stop("identity")
    move_offsets(database, -1_000_000)
    load.made.start("identity")
    load.goes_on()


def move_offsets(database: Path, by: int) -> None:
    with closing(sqlite3.connect(database)) as writer, writer:
        writer.execute(
            "UPDATE next_offset SET offset = offset + ? WHERE topic LIKE '%-commands'", [by]
        )


def deaths(load: Load) -> dict[str, int]:
    return {name: load.made.deaths(name) for name in load.names}


def test_afterwards_every_command_has_one_decision_and_the_log_has_it_once(load: Load) -> None:
    (load.folder / steady.QUIET).touch()
    identity = load.made.var / "identity" / "identity.db"
    load.until(lambda: load.heard() == tally.asked(load.folder))
    load.until(lambda: tally.unsealed(load.folder / steady.DATABASE) == 0)
    load.until(lambda: tally.unsealed(identity) == 0)
    report = load.made.verify()
    assert (report.exit_code, report.findings) == (0, ())
    assert report.size is not None
    counted = asyncio.run(
        tally.count(
            str(load.made.var / "audit" / "log"),
            report.size,
            load.made.system("agency").agency,
            load_log_key(load.made.var / LOG_KEY_FILE).verifier,
            load.folder,
        )
    )
    assert counted.faults == 0, counted
    assert counted.asked == counted.decided > 0
