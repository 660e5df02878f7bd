"""Audit from a backlog: leaves a second, with every signature checked, committed and published."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import Note, NoteError, VerifierKey, verify_all
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.sandbox.bench.signed import Writers
from sanyuan.sandbox.bench.usage import cpu_seconds, family

PATIENCE_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.02
_SAMPLE: Final = 3000


@dataclass(frozen=True, slots=True)
class Appended:
    """From the moment that a backlog is there to the checkpoint that has all of it."""

    per_second: float
    cpu_us: float
    """CPU of the service and of its workers, a record."""


def log_size(log: Path) -> int:
    """The size that the published checkpoint says; 0 before there is one."""
    try:
        return Checkpoint.parse(Note.parse((log / "checkpoint").read_bytes()).text).size
    except (FileNotFoundError, NoteError):
        return 0


def append(log: Path, pid: int, fill: Callable[[], object], count: int) -> Appended:
    """Let the audit service ``pid`` append a backlog of ``count`` records that ``fill`` makes.

    The service runs before, so that its start is no part of it, and is suspended meanwhile.
    """
    start = log_size(log)
    os.kill(pid, signal.SIGSTOP)
    try:
        fill()
    finally:
        os.kill(pid, signal.SIGCONT)
    began, used = time.monotonic(), cpu_seconds(family(pid))
    while log_size(log) < start + count:
        if time.monotonic() > began + PATIENCE_SECONDS:
            raise TimeoutError(f"the log did not grow by {count} within {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    return Appended(count / seconds, (cpu_seconds(family(pid)) - used) / count * 1e6)


def signature_us(writers: Writers) -> float:
    """CPU of one signature check, as the audit service does it, over records of the same length."""
    records = writers.make(_SAMPLE)
    keys: dict[bytes, VerifierKey] = writers.keys
    leaves = [
        (parse_leaf(b"%s\n\n%s\n" % (value, signature)), keys[key])
        for key, value, signature in records
    ]
    signed = [(key, leaf.value + b"\n", leaf.blob) for leaf, key in leaves]
    started = time.thread_time()
    verify_all(signed)
    return (time.thread_time() - started) / len(signed) * 1e6
