"""The national mix on a small nation whose every process may be killed, and how far it is.

What is offered is arithmetic (`load.schedule`), what has ended stands in the callers' journals: so
looking needs nobody alive.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import services
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.demo.load import process
from sanyuan.sandbox.demo.load.journal import Ended, JournalReader
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of, name_of
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.orders import order, read_run, write_run
from sanyuan.sandbox.demo.load.schedule import Plan, Run, Step
from sanyuan.sandbox.faults.small import make_small
from sanyuan.sandbox.faults.tally import streams_of
from sanyuan.sandbox.kafka import NAME as KAFKA
from sanyuan.sandbox.members import DOMAIN
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor

CALLERS: Final = tuple(map(name_of, PROCESSES))
"""The processes of the departments, which are providers too."""
PASSED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "service": ("identity", "catalog", "license-exchange"),
    "relay": ("identity", "catalog", "license-exchange", *CALLERS),
    "seal": ("identity", "catalog", "license-exchange", *CALLERS),
    "client": CALLERS,
    "audit": ("audit",),
}
"""Who passes which failpoints, by the first part of their names."""
KIND_OF: Final[Mapping[str, Kind]] = {
    "identity": "verification",
    "license-exchange": "license-exchange",
}
"""What stands still while one is away; without any other, shared calls do."""
STUCK_SECONDS: Final = 240.0
POLL_SECONDS: Final = 0.1
_LEAD_SECONDS: Final = 2.0


class StuckError(SanyuanError):
    """Work does not go on after a kill: the very fault that is looked for."""


@dataclass
class Nation:
    """An installation under the national mix; ``show`` is called often while it waits."""

    installation: Installation
    supervisor: Supervisor
    show: Callable[[], None] = lambda: None
    """Draws."""
    ended: list[Ended] = field(default_factory=list)
    """What has ended, each time that a caller has written it down: once, that is."""

    @classmethod
    def bring_up(cls, settings: Settings, supervisor: Supervisor, console: Console) -> "Nation":
        """Found it, run it, and load what it calls; raises SanyuanError."""
        make_small(settings.var / "registers", settings.cache, DOMAIN)
        installation = bring_up(settings, OwnRunner(supervisor), console)
        loading.start(installation)
        loading.wait_for_all(installation, console)
        return cls(installation, supervisor)

    @property
    def var(self) -> Path:
        """The installation's folder."""
        return self.installation.settings.var

    @property
    def plan(self) -> Plan:
        """What the callers do."""
        return self._plan

    @property
    def runs(self) -> list[Run]:
        """What each of the callers has begun."""
        found = [read_run(folder_of(self.var, each), self._plan) for each in PROCESSES]
        return [run for run in found if run is not None]

    @property
    def offered(self) -> int:
        """How many operations were due until now."""
        passed = (time.time() - self._plan.start) * self._plan.rate
        return min(max(0, int(passed)), self._plan.total)

    def begin(self, rate: float, seconds: float, seed: int) -> None:
        """Have the callers carry out so many operations a second, for so long."""
        self._plan = Plan(f"faults-{seed}", rate, seconds, seed, time.time() + _LEAD_SECONDS)
        folders = [folder_of(self.var, each) for each in PROCESSES]
        self._readers = [JournalReader(folder, self._plan.id) for folder in folders]
        self._newest: dict[Kind, int] = dict.fromkeys(KINDS, -1)
        self._steps = set[Step]()
        order(self.var, self._plan)

    def cut(self) -> None:
        """End the plan here: the callers' next life sends what is missing before their newest."""
        for name in CALLERS:
            self.supervisor.stop(name)
        runs = {each: read_run(folder_of(self.var, each), self._plan) for each in PROCESSES}
        total = max(self.sent().values()) + 1
        self._plan = replace(self._plan, seconds=total / self._plan.rate)
        order(self.var, self._plan)
        for each, run in runs.items():
            if run is not None:
                write_run(folder_of(self.var, each), replace(run, plan=self._plan))
        for name in CALLERS:
            self.start(name)

    def look(self) -> None:
        """Read what has ended since the last look."""
        for reader in self._readers:
            for ended in reader.new():
                operation = ended.step.operation
                if operation is not None:
                    self.ended.append(ended)
                    self._steps.add(ended.step)
                    newest = self._newest[ended.step.kind]
                    self._newest[ended.step.kind] = max(newest, operation)

    @property
    def is_done(self) -> bool:
        """Whether every operation of the plan has ended."""
        self.look()
        return len(self._steps) >= self._plan.total

    def sent(self) -> dict[Kind, int]:
        """The newest operation of each kind that a caller has made durable; -1 without any."""
        found = dict.fromkeys(KINDS, -1)
        for stream in streams_of(self.var, self.runs):
            newest = stream.newest
            if newest is not None and newest.operation is not None:
                found[stream.kind] = max(found[stream.kind], newest.operation)
        return found

    def goes_on(self, killed: Iterable[str] = ()) -> float:
        """Seconds until an operation that is sent from now on has ended; raises StuckError.

        One of each kind that the killed are needed for, and when audit was killed, also until it
        has published a longer log.
        """
        begun, sent, size = time.monotonic(), self.sent(), self._published()
        kinds: set[Kind] = {KIND_OF.get(name, "shared-call") for name in (*killed, "catalog")}
        if KAFKA in killed:
            kinds = set(KINDS)
        self.until(lambda: self._reached(kinds, sent))
        if "audit" in killed or KAFKA in killed:
            self.until(lambda: self._published() > size)
        return time.monotonic() - begun

    def until(self, reached: Callable[[], bool], seconds: float = STUCK_SECONDS) -> None:
        """Wait; raises StuckError with what everybody says."""
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                raise StuckError(
                    f"work does not go on: {self.offered} offered, {len(self.ended)} ended, "
                    f"newest {self._newest}, {self._words()}",
                    where=str(self.var / "logs"),
                )
            self.pause(POLL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Let so much time pass."""
        self.show()
        time.sleep(seconds)

    def start(self, name: str, **environment: str) -> None:
        """Start a process anew, with more in its environment."""
        if name in CALLERS:
            program = process.program(self.var, PROCESSES[CALLERS.index(name)])
        else:
            program = services.program(name, self.var, self.installation.ports[name])
        added = {**program.environment, **environment}
        self.supervisor.start(replace(program, environment=added))

    def arm(self, name: str, step: str, hits: int) -> None:
        """Kill a process, and have its next life end when it passes a step so often."""
        self.supervisor.kill(name)
        self.start(name, SANYUAN_FAILPOINT=f"{step}:{hits}")

    def deaths(self, name: str) -> int:
        """How often a process has died since it was last started by `start`."""
        return next(state.deaths for state in self.supervisor.states() if state.name == name)

    def _reached(self, kinds: Iterable[Kind], sent: Mapping[Kind, int]) -> bool:
        self.look()
        return all(self._newest[kind] > sent[kind] for kind in kinds)

    def _published(self) -> int:
        """The size that the newest checkpoint says (C2SP tlog-checkpoint: the second line)."""
        try:
            return int((self.var / "audit" / "log" / "checkpoint").read_bytes().split(b"\n")[1])
        except FileNotFoundError:
            return 0

    def _words(self) -> str:
        ports = self.installation.ports
        said = {name: services.ask(ports[name], "/ready").text.strip() for name in services.NAMES}
        return ", ".join(f"{name}: {text or 'no answer'}" for name, text in said.items())
