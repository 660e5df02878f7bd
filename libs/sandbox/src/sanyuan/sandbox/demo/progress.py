"""How far the load is: what its process tells, in a file that its readers poll.

Latencies are whole milliseconds from the scheduled time to the opened decision.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from sanyuan.sandbox import run_folder

Phase = Literal["connecting", "waiting", "running", "done"]
PLAN: Final = "plan.json"
RUN: Final = "run.json"
PROGRESS: Final = "progress.json"


@dataclass(slots=True)
class Progress:
    """Counts of one run; ``answered`` is the last sequence of each system that was decided."""

    plan: str | None = None
    phase: Phase = "connecting"
    offered: int = 0
    completed: int = 0
    mismatches: int = 0
    refused: int = 0
    surprising: int = 0
    """Decisions other than the draw makes expect."""
    elapsed: float = 0.0
    finished: float = 0.0
    """Seconds from the start to the last decision."""
    latencies: dict[int, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def catch_up(self, source: str, decided: int) -> None:
        """Count what was handed out between the last look and a kill; its latency is not known."""
        known = self.answered.get(source)
        if known is not None and decided > known:
            self.completed += decided - known
            self.answered[source] = decided


_PROGRESS: Final = TypeAdapter(Progress)


def save(folder: Path, progress: Progress) -> None:
    """Show where we are."""
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write(folder / PROGRESS, _PROGRESS.dump_json(progress))


def load(folder: Path) -> Progress:
    """Where the load's process is; nothing done when it never was."""
    try:
        return _PROGRESS.validate_json((folder / PROGRESS).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Progress()


def quantile(counts: Mapping[int, int], share: float) -> int | None:
    """The value below or at which a share of what was counted lies; None when nothing was."""
    wanted = share * sum(counts.values())
    for value, count in sorted(counts.items()):
        wanted -= count
        if wanted <= 0:
            return value
    return None


def since(now: Mapping[int, int], before: Mapping[int, int]) -> Counter[int]:
    """What was counted between two looks."""
    return Counter({value: count - before.get(value, 0) for value, count in now.items()})
