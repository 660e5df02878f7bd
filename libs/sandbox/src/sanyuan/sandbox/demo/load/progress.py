"""How far the load is: what each of its processes tells, in files that readers poll and sum.

Latencies are whole milliseconds from the scheduled time to the opened answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from sanyuan.sandbox import run_folder
from sanyuan.sandbox.demo.load.mix import KINDS, Kind

Phase = Literal["making", "publishing", "waiting", "running", "done"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
PROGRESS: Final = "progress.json"


class Outcome(IntEnum):
    """How an operation ended; only the first two are completed."""

    ANSWERED = 1
    """Opened, checked, and what it had to be."""
    NOT_VERIFIED = 2
    """Signed, and rightly so: name and number belong to two people."""
    REFUSED_AS_EXPECTED = 3
    """It went beyond its grant in order to be refused."""
    REFUSED = 4
    FAILED = 5
    """No answer, or one that says that there can be none."""
    SURPRISING = 6
    """Answered, but not as the registers and the provider's database have it."""


@dataclass(slots=True)
class KindProgress:
    """One kind of operation; ``offered`` leaves out what is sent in order to be refused."""

    offered: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    latencies: dict[int, int] = field(default_factory=dict)

    def count(self, outcome: Outcome, milliseconds: int | None) -> None:
        """Count an operation that has ended; a latency that is not known is left out."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if milliseconds is not None and outcome <= Outcome.NOT_VERIFIED:
            self.latencies[milliseconds] = self.latencies.get(milliseconds, 0) + 1

    def of(self, *outcomes: Outcome) -> int:
        """How many have ended so."""
        return sum(self.outcomes.get(outcome, 0) for outcome in outcomes)

    @property
    def completed(self) -> int:
        """Opened answers, and signed refusals to confirm what is not so."""
        return self.of(Outcome.ANSWERED, Outcome.NOT_VERIFIED)

    @property
    def ended(self) -> int:
        """All that wait for nothing any more."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class Progress:
    """One process, or all of them together; times in seconds from the start of the plan."""

    plan: str | None = None
    phase: Phase = "making"
    kinds: dict[Kind, KindProgress] = field(
        default_factory=lambda: {kind: KindProgress() for kind in KINDS}
    )
    published: int = 0
    to_publish: int = 0
    """How many resources, grants and licences the domain has, and how many it shall have."""
    ready_for_case: bool = False
    """Whether what goes first is there."""
    elapsed: float = 0.0
    finished: float = 0.0
    """When the last operation ended."""
    cpu_seconds: float = 0.0

    @property
    def completed(self) -> int:
        """Of all kinds."""
        return sum(kind.completed for kind in self.kinds.values())

    @property
    def ended(self) -> int:
        """Of all kinds."""
        return sum(kind.ended for kind in self.kinds.values())

    def of(self, *outcomes: Outcome) -> int:
        """How many of all kinds have ended so."""
        return sum(kind.of(*outcomes) for kind in self.kinds.values())


_PROGRESS: Final = TypeAdapter(Progress)


def save(folder: Path, progress: Progress) -> None:
    """Show where we are."""
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write(folder / PROGRESS, _PROGRESS.dump_json(progress))


def load(folder: Path) -> Progress:
    """Where a process is; nothing done when it never was."""
    try:
        return _PROGRESS.validate_json((folder / PROGRESS).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Progress()


def together(parts: Iterable[Progress], plan: str | None) -> Progress:
    """All processes as one: as far as the slowest; counts of another plan are left out."""
    whole = Progress(plan, phase="done", ready_for_case=True)
    for part in parts:
        going = part.plan == plan
        behind = not going and PHASES.index(part.phase) > PHASES.index("waiting")
        phase: Phase = "waiting" if behind else part.phase
        whole.phase = min(whole.phase, phase, key=PHASES.index)
        whole.ready_for_case &= part.ready_for_case
        whole.published += part.published
        whole.to_publish += part.to_publish
        whole.cpu_seconds += part.cpu_seconds
        if going:
            whole.elapsed = max(whole.elapsed, part.elapsed)
            whole.finished = max(whole.finished, part.finished)
            for kind, counts in part.kinds.items():
                _add(whole.kinds[kind], counts)
    return whole


def _add(whole: KindProgress, part: KindProgress) -> None:
    whole.offered += part.offered
    for outcome, count in part.outcomes.items():
        whole.outcomes[outcome] = whole.outcomes.get(outcome, 0) + count
    for milliseconds, count in part.latencies.items():
        whole.latencies[milliseconds] = whole.latencies.get(milliseconds, 0) + count


def all_latencies(progress: Progress) -> Mapping[int, int]:
    """Of all kinds."""
    whole = KindProgress()
    for kind in progress.kinds.values():
        _add(whole, kind)
    return whole.latencies
