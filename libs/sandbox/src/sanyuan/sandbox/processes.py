"""Processes of ours: told apart from others with the same number, and never left behind.

Every child of a `Group` is in one process group with a watchdog, a shell that waits for the end of
its standard input. Only we hold the other end: when we end in whatever way, SIGKILL included, the
watchdog kills the group. Unlike Linux's parent-death signal this works from any thread, on any
POSIX system, and reaches grandchildren.
"""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.programs import Program

_WATCHDOG: Final = ("/bin/sh", "-c", "trap '' HUP INT TERM; read -r _; kill -KILL 0")
_SAME_START: Final = 2.0
"""Seconds by which two readings of one start may differ: the system's clock is set now and then."""


class ProgramStartError(SanyuanError):
    """A program cannot be started at all: no such command, or not ours to run."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its number and its start (seconds since 1970): numbers are given out again."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """A child of ours that we have not waited for yet, so that it has its number still."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def ours(cls) -> Self:
        """The one that runs this."""
        return cls.of(os.getpid())

    def is_alive(self) -> bool:
        """Whether it still runs: neither ended, nor a zombie, nor another one with its number."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, to nobody when it has ended."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Group:
    """Children that cannot outlive us."""

    def __init__(self) -> None:
        self._watchdog = subprocess.Popen(
            _WATCHDOG,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def spawn(self, program: Program, log: Path) -> subprocess.Popen[bytes]:
        """Starts `program` with its output appended to `log`; raises ProgramStartError."""
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as output:
                return subprocess.Popen(
                    program.command,
                    cwd=program.folder,
                    env={**os.environ, **program.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=self._watchdog.pid,
                )
        except OSError as error:
            raise ProgramStartError(
                f"{program.name} cannot be started: {error.strerror}",
                where=str(error.filename or program.command[0]),
            ) from error

    def close(self) -> None:
        """Kills what is left of the group."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._watchdog.wait()
