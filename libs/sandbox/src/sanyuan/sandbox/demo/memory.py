"""The memory of everything that belongs to an installation, and the most that it ever was."""

import os
import threading
from typing import Final, Self

import psutil

from sanyuan.sandbox import run_folder
from sanyuan.sandbox.settings import Settings

MIB: Final = 1 << 20
_EVERY_SECONDS: Final = 1.0


class MemoryWatch:
    """A context manager that looks once a second; sums are resident memory in MiB."""

    def __init__(self, settings: Settings) -> None:
        self._run = settings.var / "run"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self.now = 0.0
        self.peak = 0.0

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(_EVERY_SECONDS):
            self.now = sum(map(_resident, self._processes()))
            self.peak = max(self.peak, self.now)

    def _processes(self) -> set[psutil.Process]:
        """We, the supervisor, and all that either has started."""
        roots = {os.getpid()}
        if (supervisor := run_folder.supervisor(self._run)) is not None:
            roots.add(supervisor.pid)
        found = set[psutil.Process]()
        for pid in roots:
            try:
                root = psutil.Process(pid)
                found |= {root, *root.children(recursive=True)}
            except psutil.Error:
                continue
        return found


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / MIB
    except psutil.Error:
        return 0.0
