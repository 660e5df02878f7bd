"""Audit from a backlog: leaves a second, with every signature checked, committed and published."""

import time
from pathlib import Path
from typing import Final

from sanyuan.common.notes import Note, NoteError
from sanyuan.common.tlog.checkpoint import Checkpoint

PATIENCE_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.02


def log_size(log: Path) -> int:
    """The size that the published checkpoint says; 0 before there is one."""
    try:
        return Checkpoint.parse(Note.parse((log / "checkpoint").read_bytes()).text).size
    except (FileNotFoundError, NoteError):
        return 0


def append_rate(log: Path, start: int, count: int) -> float:
    """Wait until the log has grown by ``count``; leaves a second between its checkpoints."""
    seen: list[tuple[float, int]] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while not seen or seen[-1][1] < start + count:
        if time.monotonic() > end:
            raise TimeoutError(f"the log did not grow by {count} within {PATIENCE_SECONDS:g} s")
        size = log_size(log)
        if size > start and (not seen or size > seen[-1][1]):
            seen.append((time.monotonic(), size))
        time.sleep(POLL_SECONDS)
    (first, before), (last, after) = seen[0], seen[-1]
    if first == last:
        raise TimeoutError("the log grew in one step: use a longer backlog")
    return (after - before) / (last - first)
