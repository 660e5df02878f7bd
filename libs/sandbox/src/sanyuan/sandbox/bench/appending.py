"""Audit from a backlog: leaves a second, with every signature checked, committed and published."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import Note, NoteError, VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.sandbox.bench.signed import Writers
from sanyuan.sandbox.bench.usage import cpu_seconds, family

PATIENCE_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.02
_SAMPLE: Final = 3000


@dataclass(frozen=True, slots=True)
class Appended:
    """From the first checkpoint that has some of a backlog to the one that has all of it."""

    per_second: float
    cpu_us: float
    """CPU of the service and of its workers, a record."""


def log_size(log: Path) -> int:
    """The size that the published checkpoint says; 0 before there is one."""
    try:
        return Checkpoint.parse(Note.parse((log / "checkpoint").read_bytes()).text).size
    except (FileNotFoundError, NoteError):
        return 0


def append(log: Path, pid: int, start: int, count: int) -> Appended:
    """Wait until the log has grown by ``count``; ``pid`` is the audit service."""
    seen: list[tuple[float, int, float]] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while not seen or seen[-1][1] < start + count:
        if time.monotonic() > end:
            raise TimeoutError(f"the log did not grow by {count} within {PATIENCE_SECONDS:g} s")
        size = log_size(log)
        if size > start and (not seen or size > seen[-1][1]):
            seen.append((time.monotonic(), size, cpu_seconds(family(pid))))
        time.sleep(POLL_SECONDS)
    (first, before, used), (last, after, used_after) = seen[0], seen[-1]
    if first == last:
        raise TimeoutError("the log grew in one step: use a longer backlog")
    grown = after - before
    return Appended(grown / (last - first), (used_after - used) / grown * 1e6)


def signature_us(writers: Writers) -> float:
    """CPU of one signature check, as the audit service does it, over records of the same length."""
    records = writers.make(_SAMPLE)
    keys: dict[bytes, VerifierKey] = writers.keys
    leaves = [
        (parse_leaf(b"%s\n\n%s\n" % (value, signature)), keys[key])
        for key, value, signature in records
    ]
    started = time.thread_time()
    for leaf, key in leaves:
        leaf.verify(key)
    return (time.thread_time() - started) / len(leaves) * 1e6
