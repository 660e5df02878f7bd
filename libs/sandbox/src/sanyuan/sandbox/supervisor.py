"""Runs programs and starts again what dies; when it ends, everything that it started has ended.

Invariants:
- A program that was started and not stopped runs, or waits for its next start (backoff.py).
- Programs are stopped in the reverse of the order in which they were started.
- Even SIGKILL of this process leaves no child behind (processes.py).
"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import backoff, run_folder
from sanyuan.sandbox.processes import Group, Process, ProgramStartError
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.run_folder import Condition, State

_TICK: Final = 0.05
_LOG_BYTES: Final = 16 << 20
_LOG_CHECK_SECONDS: Final = 10.0


class UnknownProgramError(SanyuanError):
    """No program of this name was started here."""


@dataclass(slots=True)
class _Child:
    """A program and its present life; all fields are guarded by the supervisor's lock."""

    program: Program
    order: int
    popen: subprocess.Popen[bytes] | None = None
    process: Process | None = None
    condition: Condition = "stopped"
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    born: float = 0.0
    next_start: float = 0.0
    delay: float = 0.0
    deaths: int = 0
    last_exit: int | None = None

    def state(self) -> State:
        return State(
            self.program.name,
            self.order,
            self.condition,
            self.process,
            self.since,
            self.deaths,
            self.last_exit,
        )


class Supervisor:
    """A context manager over the folder `var`; its methods may be called from any thread."""

    def __init__(self, var: Path) -> None:
        self._logs, self._run = var / "logs", var / "run"
        self._children = dict[str, _Child]()
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._watching, name="supervisor", daemon=True)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Raises AlreadyRunningError when another supervisor has this folder."""
        with ExitStack() as stack:
            stack.enter_context(run_folder.claimed(self._run))
            self._group = Group()
            stack.callback(self._group.close)
            self._watch.start()
            stack.callback(self._end)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops everything, gracefully while it can be."""
        self._open.__exit__(kind, error, trace)

    def start(self, program: Program) -> Process:
        """Starts a program and keeps it running; raises ProgramStartError.

        A program of the same name that runs already is stopped first, and keeps its place.
        """
        known = self._children.get(program.name)
        if known is not None:
            self.stop(program.name)
        with self._lock:
            child = _Child(program, known.order if known else len(self._children))
            process = self._spawn(child)
            self._children[program.name] = child
            return process

    def stop(self, name: str) -> None:
        """Stops a program: SIGTERM, then SIGKILL after its `stop_seconds`. Idempotent."""
        with self._lock:
            child = self._child(name)
            child.condition = "stopped"  # from here on its end is no death
            popen = child.popen
        if popen is not None:
            popen.terminate()
            try:
                child.last_exit = popen.wait(child.program.stop_seconds)
            except subprocess.TimeoutExpired:
                popen.kill()
                child.last_exit = popen.wait()
        with self._lock:
            self._enter(child, "stopped")

    def kill(self, name: str) -> None:
        """SIGKILL, as an accident would have it: the program is started again."""
        with self._lock:
            child = self._child(name)
            if child.popen is not None:
                child.popen.kill()
                child.popen.wait()

    def states(self) -> tuple[State, ...]:
        """Every program, in the order of starts."""
        with self._lock:
            children = sorted(self._children.values(), key=lambda child: child.order)
            return tuple(child.state() for child in children)

    def mourner(self, name: str) -> Callable[[], bool]:
        """A function that says whether the program has died since now, for who waits for it."""
        before = self._child(name).deaths
        return lambda: self._child(name).deaths > before

    def _end(self) -> None:
        self._ending.set()
        self._watch.join()
        for state in reversed(self.states()):
            self.stop(state.name)

    def _watching(self) -> None:
        next_check = 0.0
        while not self._ending.wait(_TICK):
            with self._lock:
                for child in self._children.values():
                    self._attend(child)
            if time.monotonic() >= next_check:
                next_check = time.monotonic() + _LOG_CHECK_SECONDS
                self._trim_logs()

    def _attend(self, child: _Child) -> None:
        """Notes a death, starts again what has waited long enough."""
        if child.condition == "running" and child.popen is not None:
            code = child.popen.poll()
            if code is not None:
                self._note_death(child, code)
        elif child.condition == "waiting" and time.monotonic() >= child.next_start:
            try:
                self._spawn(child)
            except ProgramStartError:
                self._note_death(child, None)

    def _note_death(self, child: _Child, code: int | None) -> None:
        child.deaths += 1
        child.last_exit = code
        child.delay = backoff.delay(child.delay, time.monotonic() - child.born)
        child.next_start = time.monotonic() + child.delay
        self._enter(child, "waiting")

    def _spawn(self, child: _Child) -> Process:
        popen = self._group.spawn(child.program, self._log(child))
        child.popen, child.process = popen, Process.of(popen.pid)
        child.born = time.monotonic()
        self._enter(child, "running")
        return child.process

    def _enter(self, child: _Child, condition: Condition) -> None:
        if condition != "running":
            child.popen = child.process = None
        child.condition = condition
        child.since = datetime.now(UTC)
        run_folder.publish(self._run, child.state())

    def _child(self, name: str) -> _Child:
        try:
            return self._children[name]
        except KeyError:
            raise UnknownProgramError(f"no program {name} was started") from None

    def _log(self, child: _Child) -> Path:
        return self._logs / f"{child.program.name}.log"

    def _trim_logs(self) -> None:
        """Copies a log that grew too long aside and empties it; its writer appends, and goes on."""
        for log in map(self._log, list(self._children.values())):
            if log.exists() and log.stat().st_size > _LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)
