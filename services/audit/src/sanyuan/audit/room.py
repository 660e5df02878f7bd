"""Room on the disks: the log stops taking records while some is left to finish what it has taken.

A disk that is full all the same ends the service at a write; the start is the recovery, and waits
here until there is room again. Records wait in the broker meanwhile, a week long.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Room:
    """How much must be free where; `folders` exist."""

    folders: Sequence[Path]
    wanted: int
    """Bytes."""

    def trouble(self) -> str | None:
        """Say where there is too little; None when there is enough everywhere."""
        for folder in self.folders:
            if shutil.disk_usage(folder).free < self.wanted:
                return (
                    f"less than {self.wanted // MIB} MiB are free on the disk of {folder}: free "
                    "space there; records wait in the broker, nothing is lost"
                )
        return None
