"""Random kills under load: who dies where, and how long until work goes on (design §9.5)."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.sandbox import services
from sanyuan.sandbox.faults import steady, tally
from sanyuan.sandbox.kafka import NAME as KAFKA
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.starting import Installation
from sanyuan.sandbox.supervisor import Supervisor

STEADY: Final = "steady"
SYSTEMS: Final = ("spare-1", "spare-2", "spare-3")
STEPS: Final = {
    "identity": ("service", "relay", "seal"),
    "audit": ("audit",),
    STEADY: ("client", "relay", "seal"),
}
"""Which failpoints a process passes, by the first part of their names."""
ARMED_SHARE: Final = 0.5
TOGETHER_SHARE: Final = 0.15
MAX_HITS: Final = 8
PAUSE_SECONDS: Final = (0.2, 2.0)
ARMED_SECONDS: Final = 15.0
STUCK_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.05


class StuckError(SanyuanError):
    """Work did not go on after a kill: the very fault that a campaign looks for."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Who died, at which named step if at one, and how long until an answer came (seconds)."""

    who: tuple[str, ...]
    step: str | None
    recovery: float


@dataclass
class Campaign:
    """An installation under load; `show` is called often while it waits."""

    installation: Installation
    supervisor: Supervisor
    rate: float
    random: Random
    show: Callable[["Campaign"], None] = lambda _: None
    """Draws."""
    strikes: list[Strike] = field(default_factory=list)
    kills: int = 0
    undisturbed: float = 0.0
    """Seconds from a question to its answer while nobody dies."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._journal = tally.Journal(self.folder)

    @property
    def var(self) -> Path:
        """The installation's folder."""
        return self.installation.settings.var

    @property
    def folder(self) -> Path:
        """The client's folder."""
        return self.var / STEADY

    @property
    def asked(self) -> int:
        """Commands so far."""
        return tally.asked(self.folder)

    @property
    def heard(self) -> int:
        """Commands whose decision the client knows."""
        return self._journal.heard()

    def begin(self) -> None:
        """Start the load and measure it while nobody dies."""
        self._start(STEADY)
        self.until(lambda: self.heard > 0)
        times = [self._goes_on() for _ in range(10)]
        self.undisturbed = sorted(times)[len(times) // 2]

    def run(self, seconds: float) -> None:
        """Strike for so long; raises StuckError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.strikes.append(self._strike())
            self._pause(self.random.uniform(*PAUSE_SECONDS))

    def settle(self) -> None:
        """Stop asking and wait until everything is answered, sealed and forgotten."""
        (self.folder / steady.QUIET).touch()
        outboxes = (self.folder / steady.DATABASE, self.var / "identity" / "identity.db")
        self.until(lambda: self.heard == self.asked)
        self.until(lambda: not any(map(tally.unsealed, outboxes)))

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait; raises StuckError with what everybody says."""
        end = time.monotonic() + STUCK_SECONDS
        while not reached():
            if time.monotonic() > end:
                raise StuckError(
                    f"work does not go on: {self.asked} asked, {self.heard} heard, {self._words()}",
                    where=str(self.var / "logs"),
                )
            self._pause(POLL_SECONDS)

    def _strike(self) -> Strike:
        chance = self.random.random()
        if chance < ARMED_SHARE:
            return self._kill_at_step()
        others = list(STEPS)
        if chance < ARMED_SHARE + TOGETHER_SHARE:
            victims = self.random.sample(others, self.random.randint(1, len(others)))
            return self._kill((KAFKA, *sorted(victims)))
        return self._kill((self.random.choice([KAFKA, *others]),))

    def _kill(self, who: Sequence[str]) -> Strike:
        for name in who:
            self.supervisor.kill(name)
        self.kills += len(who)
        return Strike(tuple(who), None, self._goes_on(who))

    def _kill_at_step(self) -> Strike:
        """Kill a process and start it so that it dies at a step; it is started once more then."""
        who = self.random.choice(list(STEPS))
        steps = [name for name in FAILPOINTS if name.partition(".")[0] in STEPS[who]]
        step = self.random.choice(steps)
        self.supervisor.kill(who)
        self._start(who, SANYUAN_FAILPOINT=f"{step}:{self.random.randint(1, MAX_HITS)}")
        end = time.monotonic() + ARMED_SECONDS
        while not self._deaths(who) and time.monotonic() < end:
            self._pause(POLL_SECONDS)
        died = bool(self._deaths(who))
        self.supervisor.kill(who)
        self._start(who)
        self.kills += 2
        return Strike((who,), step if died else None, self._goes_on((who,)))

    def _goes_on(self, who: Sequence[str] = ()) -> float:
        """Seconds until a question that is asked from now on has its answer.

        When audit died, also until it has published a longer log.
        """
        begun, before, size = time.monotonic(), self.asked, self._published()
        self.until(lambda: self.heard > before)
        if "audit" in who:
            self.until(lambda: self._published() > size)
        return time.monotonic() - begun

    def _published(self) -> int:
        """The size that the newest checkpoint says (C2SP tlog-checkpoint: the second line)."""
        try:
            return int((self.var / "audit" / "log" / "checkpoint").read_bytes().split(b"\n")[1])
        except FileNotFoundError:
            return 0

    def _start(self, name: str, **environment: str) -> None:
        if name == STEADY:
            command = (
                *(sys.executable, "-m", steady.MODULE, str(self.folder), str(self.rate)),
                *SYSTEMS,
            )
            program = Program(STEADY, command, self.var, {"SANYUAN_VAR": str(self.var)})
        else:
            program = services.program(name, self.var, self.installation.ports[name])
        added = {**program.environment, **environment}
        self.supervisor.start(replace(program, environment=added))

    def _deaths(self, name: str) -> int:
        return next(state.deaths for state in self.supervisor.states() if state.name == name)

    def _pause(self, seconds: float) -> None:
        self.show(self)
        time.sleep(seconds)

    def _words(self) -> str:
        ports = self.installation.ports
        said = {name: services.ask(ports[name], "/ready").text.strip() for name in services.NAMES}
        return ", ".join(f"{name}: {text or 'no answer'}" for name, text in said.items())
