"""Memory of the writer and of `sanyuan verify`, whatever the size of the log.

The writer is the audit service's own code without a broker (`sanyuan.audit.bench`), which grows one
log; at each size the log is verified from zero. Memory is the peak of a whole family of processes.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sanyuan.client.progress import Report
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.bench.usage import family, resident_mib

SIZES: Final = (10_000, 100_000)
_EVERY_SECONDS: Final = 0.1
_END_SECONDS: Final = 60.0
_WRITER: Final = "sanyuan.audit.bench"
_VERIFY: Final = "import sys; from sanyuan.client.cli import main; sys.exit(main())"


class GrowthError(SanyuanError):
    """The writer ended, or its log does not verify."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a log of ``records`` entries cost; memory in MiB."""

    records: int
    writer_mib: float
    verifier_mib: float
    verified_per_second: float


class _Peak:
    """The most memory that a family of processes had since the last look."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._ending = threading.Event()
        self._peak = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def take(self) -> float:
        """It, and begin anew."""
        peak, self._peak = max(self._peak, resident_mib(family(self._root))), 0.0
        return peak

    def close(self) -> None:
        """Look no more."""
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(_EVERY_SECONDS):
            self._peak = max(self._peak, resident_mib(family(self._root)))


def measure_growth(sizes: Sequence[int], report: Report) -> list[Point]:
    """Grow a log to each size in turn; raises GrowthError."""
    points = []
    with tempfile.TemporaryDirectory(prefix="sanyuan-growth-") as name:
        folder = Path(name)
        with _writing(folder, sizes) as writer:
            keys = _next(writer)
            peak = _Peak(writer.pid)
            try:
                for done, size in enumerate(sizes, 1):
                    _go_on(writer)
                    _next(writer)
                    written = peak.take()
                    points.append(_verified(folder, keys, size, written))
                    report("growing logs", done, len(sizes))
                    peak.take()  # what it took to wait is no writing
            finally:
                peak.close()
    return points


@contextmanager
def _writing(folder: Path, sizes: Sequence[int]) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", _WRITER, str(folder), *map(str, sizes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as writer:
        try:
            yield writer
            _go_on(writer)  # it has nothing more to do
            writer.wait(_END_SECONDS)
        finally:
            writer.kill()


def _next(writer: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line; the writer waits behind it for `_go_on`."""
    line = writer.stdout.readline() if writer.stdout else ""
    if not line:
        raise GrowthError("the writer ended", where=_WRITER)
    said: dict[str, Any] = json.loads(line)
    return said


def _go_on(writer: "subprocess.Popen[str]") -> None:
    if writer.stdin is not None:
        writer.stdin.write("\n")
        writer.stdin.flush()


def _verified(folder: Path, keys: Mapping[str, str], size: int, written: float) -> Point:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / f"state-{size}")}
    command = [sys.executable, "-c", _VERIFY, "verify", str(folder / "log"), "--json"]
    command += ["--agency-key", keys["agency_key"], "--log-key", keys["log_key"]]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as verifier:
        peak = _Peak(verifier.pid)
        try:
            out, err = verifier.communicate()
            seconds = time.perf_counter() - started
        finally:
            peak.close()
    if verifier.returncode != 0:
        raise GrowthError("the log does not verify", where=(err or out)[-500:])
    return Point(size, written, peak.take(), size / seconds)
