"""``kill -9`` at every named step, of every process, under the national mix.

One small nation for all (`sandbox.faults.nation`): four services, the processes of 53 departments,
a broker of their own. The load never stops; the last test lets everything settle and counts:
nothing lost, nothing doubled, every stream in the log contiguous (design §9, invariants 1, 2, 5).
"""

from __future__ import annotations

import ast
import asyncio
import io
import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from rich.console import Console
from tests.e2e.conftest import settings_of

from sanyuan.client.connector import Connector, ConnectorClosedError
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.identity import RevokeAssertion
from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import ports, services
from sanyuan.sandbox.demo import evidence
from sanyuan.sandbox.demo.load.mix import KINDS
from sanyuan.sandbox.embedded import EmbeddedKafka
from sanyuan.sandbox.faults.nation import CALLERS, Nation
from sanyuan.sandbox.faults.run import count
from sanyuan.sandbox.faults.tally import SERVICES, unsealed
from sanyuan.sandbox.kafka import NAME as KAFKA
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.supervisor import Supervisor

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.slow]

FIRST, SECOND = CALLERS
"""Both run the same program, so each dies at every other of its steps."""
KILLS: Final[Mapping[str, tuple[str, ...]]] = {
    "service.after-receive": ("identity", "catalog"),
    "service.after-check": ("identity", "license-exchange"),
    "service.before-commit": SERVICES,
    "service.after-commit": SERVICES,
    "relay.after-first-send": (*SERVICES, FIRST),
    "relay.after-send": (*SERVICES, SECOND),
    "relay.after-mark": ("identity", FIRST),
    "seal.after-trim": ("catalog", SECOND),
    "client.after-commit": (FIRST,),
    "client.after-receive": (SECOND,),
    "client.after-take": (FIRST,),
    "audit.after-receive": ("audit",),
    "audit.before-commit": ("audit",),
    "audit.after-commit": ("audit",),
    "audit.after-tiles": ("audit",),
    "audit.after-checkpoint-file": ("audit",),
    "audit.after-checkpoint-topic": ("audit",),
    "audit.after-seals": ("audit",),
}
"""Who dies at which step: where it makes a difference, everybody who passes it.

Before a service's transaction nothing has changed, and only what is read differs: catalog has two
topics of commands, license-exchange two of facts. From the transaction on each has its own tables,
and what it tells first; once that is acknowledged, marking and trimming are the same everywhere.
`make faults` kills everybody at every step.
"""
HITS: Final = {"license-exchange": 1, "identity": 1}
"""Their commands are rare."""
OFTEN: Final = 2
RATE: Final = 60
SEED: Final = 7
SECONDS: Final = 1800.0
"""Longer than all tests take: the last one cuts the plan. A restart goes through all of it."""
VISITOR: Final = "spare-1"
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


def without_kill(steps: Iterable[str]) -> set[str]:
    return {step for step in steps if not KILLS.get(step)}


def test_every_step_has_a_kill() -> None:
    assert not without_kill(FAILPOINTS)
    assert set(KILLS) <= set(FAILPOINTS)


def test_a_step_without_a_kill_is_found() -> None:
    assert without_kill([*FAILPOINTS, "relay.before-first-send"]) == {"relay.before-first-send"}


class Hunt:
    """Everybody dies at all of their steps, one after the other, all of them at the same time.

    Only the callers take turns: there is always one that asks.
    """

    def __init__(self, nation: Nation) -> None:
        self.nation = nation
        self.died: set[tuple[str, str]] = set()
        lanes: dict[str, deque[tuple[str, str]]] = {}
        for step, names in KILLS.items():
            for name in names:
                lane = "callers" if name in CALLERS else name
                lanes.setdefault(lane, deque()).append((name, step))
        self._lanes = tuple(lanes.values())
        for deaths in self._lanes:
            self._arm(*deaths[0])
        nation.show = self.look

    def look(self) -> None:
        """The next life of whoever has died goes on with what this one has left."""
        for lane in self._lanes:
            if lane and self.nation.deaths(lane[0][0]):
                name, step = lane.popleft()
                self.died.add((name, step))
                if not lane or lane[0][0] != name:
                    self.nation.start(name)
                if lane:
                    self._arm(*lane[0])

    def _arm(self, name: str, step: str) -> None:
        self.nation.arm(name, step, HITS.get(name, OFTEN))


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nation]:
    settings = settings_of(tmp_path_factory.mktemp("kills") / "var")
    with Supervisor(settings.var) as supervisor:
        nation = Nation.bring_up(settings, supervisor, Console(file=io.StringIO()))
        nation.begin(RATE, SECONDS, SEED)
        nation.goes_on()
        yield nation


@pytest.fixture(scope="module")
def hunt(nation: Nation) -> Hunt:
    return Hunt(nation)


@pytest.mark.parametrize(
    ("name", "step"), [(name, step) for step, names in KILLS.items() for name in names]
)
def test_a_process_gets_to_this_step_under_load_and_dies_there(
    hunt: Hunt, name: str, step: str
) -> None:
    hunt.nation.until(lambda: (name, step) in hunt.died)


@pytest.fixture
def own_kafka(nation: Nation) -> EmbeddedKafka:
    return EmbeddedKafka(nation.installation.kafka, nation.supervisor)


def deaths(nation: Nation) -> dict[str, int]:
    return {name: nation.deaths(name) for name in (*services.NAMES, *CALLERS)}


def is_ready(nation: Nation, name: str) -> bool:
    return services.ask(nation.installation.ports[name], "/ready").ready


def last_words(nation: Nation, name: str) -> str:
    return (nation.var / "logs" / f"{name}.log").read_text(errors="replace")[-3000:]


def test_after_a_kill_at_every_step_work_goes_on(nation: Nation) -> None:
    nation.goes_on((*services.NAMES, *CALLERS))


def test_a_broker_that_is_killed_comes_back_and_nobody_else_ends(nation: Nation) -> None:
    before = deaths(nation)
    nation.supervisor.kill(KAFKA)
    nation.goes_on([KAFKA])
    assert deaths(nation) == before


def test_a_broker_that_is_away_for_ten_seconds_is_waited_for_and_said(
    nation: Nation, own_kafka: EmbeddedKafka
) -> None:
    before = deaths(nation)
    assert asyncio.run(seconds_to_close_without_broker(nation, own_kafka)) < 8
    end = time.monotonic() + 6
    nation.until(lambda: not any(is_ready(nation, name) for name in services.NAMES))
    time.sleep(max(0.0, end - time.monotonic()))
    own_kafka.start()
    nation.goes_on([KAFKA])
    nation.until(lambda: all(is_ready(nation, name) for name in services.NAMES))
    assert deaths(nation) == before


async def seconds_to_close_without_broker(nation: Nation, own_kafka: EmbeddedKafka) -> float:
    """Connect, stop the broker, send something, leave: whoever waits is told."""
    file = SystemFile.load(system_path(nation.var, VISITOR))
    async with Connector.open([file], nation.var / "visitor.db") as connector:
        visitor = ConnectedSystem(connector, file)
        await asyncio.to_thread(own_kafka.stop)
        await visitor.send(RevokeAssertion, {"jti": str(uuid4())}, {})
        waiting = asyncio.ensure_future(anext(visitor.decisions()))
        begun = time.monotonic()
    with pytest.raises(ConnectorClosedError):
        await waiting
    return time.monotonic() - begun


def test_a_broker_and_all_services_that_are_killed_at_once_come_back(nation: Nation) -> None:
    for name in (KAFKA, *services.NAMES):
        nation.supervisor.kill(name)
    nation.goes_on((KAFKA, *services.NAMES))


def test_everything_that_is_killed_at_once_comes_back(nation: Nation) -> None:
    everything = (KAFKA, *services.NAMES, *CALLERS)
    for name in everything:
        nation.supervisor.kill(name)
    nation.goes_on(everything)


def test_a_standby_takes_over_when_the_writer_is_killed(nation: Nation) -> None:
    port = ports.free(max(nation.installation.ports.values()) + 1)
    program = services.program("identity", nation.var, port)
    nation.supervisor.start(Program("standby", program.command, nation.var, program.environment))
    nation.until(lambda: "standing by" in services.ask(port, "/ready").text)
    nation.supervisor.stop("identity")
    nation.until(lambda: services.ask(port, "/ready").ready)
    nation.goes_on(["identity"])
    nation.supervisor.kill("standby")
    nation.supervisor.stop("standby")
    nation.start("identity")
    nation.goes_on(["identity"])


def test_a_database_that_is_ahead_of_its_broker_is_refused(nation: Nation) -> None:
    database = nation.var / "identity" / "identity.db"
    nation.supervisor.kill("identity")
    nation.supervisor.stop("identity")
    move_offsets(database, 1_000_000)
    nation.start("identity")
    nation.until(lambda: nation.deaths("identity") > 0)
    assert "StoredOffsetError" in last_words(nation, "identity")
    nation.supervisor.stop("identity")
    move_offsets(database, -1_000_000)
    nation.start("identity")
    nation.goes_on(["identity"])


def move_offsets(database: Path, by: int) -> None:
    with closing(sqlite3.connect(database)) as writer, writer:
        writer.execute(
            "UPDATE next_offset SET offset = offset + ? WHERE topic LIKE '%-commands'", [by]
        )


def test_afterwards_every_command_has_one_decision_and_the_log_has_it_once(nation: Nation) -> None:
    nation.cut()
    nation.until(lambda: nation.is_done)
    nation.until(lambda: unsealed(nation.var) == 0)
    report = evidence.verify(nation.installation, Console(file=io.StringIO()))
    assert (report.exit_code, report.findings) == (0, ())
    found, tallies = count(nation, report)
    assert found.misnumbered == 0
    for kind in KINDS:
        assert tallies[kind].faults == 0, tallies
        assert tallies[kind].offered == tallies[kind].decided > 0
