"""Random kills under load: who dies where, and how long until work goes on (design §9.5)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.sandbox.faults.nation import PASSED_BY, POLL_SECONDS, Nation
from sanyuan.sandbox.faults.tally import unsealed
from sanyuan.sandbox.kafka import NAME as KAFKA

STEPS: Final = {
    name: tuple(step for step in FAILPOINTS if name in PASSED_BY[step.partition(".")[0]])
    for name in sorted({name for names in PASSED_BY.values() for name in names})
}
"""Which steps a process passes."""
ARMED_SHARE: Final = 0.5
TOGETHER_SHARE: Final = 0.2
MAX_HITS: Final = 6
PAUSE_SECONDS: Final = (0.2, 2.0)
ARMED_SECONDS: Final = 15.0
_CALM: Final = 5


@dataclass(frozen=True, slots=True)
class Strike:
    """Who died, at which named step if at one, and how long until work went on (seconds)."""

    who: tuple[str, ...]
    step: str | None
    recovery: float


@dataclass
class Campaign:
    """Strikes against a nation at work."""

    nation: Nation
    random: Random
    strikes: list[Strike] = field(default_factory=list)
    kills: int = 0
    undisturbed: float = 0.0
    """Median seconds from an operation's time to its end while nobody dies."""

    def begin(self) -> None:
        """Measure work that nobody disturbs; raises StuckError."""
        times = sorted(self.nation.goes_on() for _ in range(_CALM))
        self.undisturbed = times[_CALM // 2]

    def run(self, seconds: float) -> None:
        """Strike for so long; raises StuckError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.strikes.append(self._strike())
            self.nation.pause(self.random.uniform(*PAUSE_SECONDS))

    def settle(self) -> None:
        """Send no more, and wait until all has ended and the log has confirmed it; StuckError."""
        self.nation.cut()
        self.nation.until(lambda: self.nation.is_done)
        self.nation.until(lambda: unsealed(self.nation.var) == 0)

    def _strike(self) -> Strike:
        chance, everybody = self.random.random(), [KAFKA, *STEPS]
        if chance < ARMED_SHARE:
            return self._kill_at_step()
        count = (
            self.random.randint(2, len(everybody)) if chance < ARMED_SHARE + TOGETHER_SHARE else 1
        )
        return self._kill(tuple(sorted(self.random.sample(everybody, count))))

    def _kill(self, who: Sequence[str]) -> Strike:
        for name in who:
            self.nation.supervisor.kill(name)
        self.kills += len(who)
        return Strike(tuple(who), None, self.nation.goes_on(who))

    def _kill_at_step(self) -> Strike:
        """Kill a process and start it so that it dies at a step; it is started once more then."""
        who = self.random.choice(list(STEPS))
        step = self.random.choice(STEPS[who])
        self.nation.arm(who, step, self.random.randint(1, MAX_HITS))
        end = time.monotonic() + ARMED_SECONDS
        while not self.nation.deaths(who) and time.monotonic() < end:
            self.nation.pause(POLL_SECONDS)
        died = bool(self.nation.deaths(who))
        self.nation.supervisor.kill(who)
        self.nation.start(who)
        self.kills += 2
        return Strike((who,), step if died else None, self.nation.goes_on((who,)))
