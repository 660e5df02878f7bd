"""`var/run`: what runs, for other shells to see. The files may be stale; their readers check.

- `supervisor.lock`: held by the supervisor while it lives; the system releases it with the process.
- `supervisor.json`: its process. `<program>.json`: the state of each of its programs.
- `programs/<program>.json`: what a supervisor in the background shall run (daemon.py).
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.processes import Process

Condition = Literal["running", "waiting", "stopped"]
_SUPERVISOR: Final = "supervisor"


class AlreadyRunningError(SanyuanError):
    """Another supervisor runs this installation."""


@dataclass(frozen=True, slots=True)
class State:
    """A program as its supervisor sees it; `waiting` is between a death and the next start."""

    name: str
    order: int
    condition: Condition
    process: Process | None
    since: datetime
    deaths: int = 0
    last_exit: int | None = None
    """As subprocess has it: a negative number is the signal that ended it."""

    def is_alive(self) -> bool:
        """Whether it runs now, whatever the file says."""
        return self.process is not None and self.process.is_alive()


_STATE: Final = TypeAdapter(State)
_PROCESS: Final = TypeAdapter(Process)


@contextmanager
def claimed(run: Path) -> Iterator[None]:
    """Holds `run` as its only supervisor; raises AlreadyRunningError."""
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (run / f"{_SUPERVISOR}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = supervisor(run)
            raise AlreadyRunningError(
                "this installation runs already" + (f" (process {holder.pid})" if holder else ""),
                where=str(run),
                do="stop it first: make down",
            ) from None
        _clear(run)  # what a killed supervisor left
        write(run / f"{_SUPERVISOR}.json", _PROCESS.dump_json(Process.ours()))
        try:
            yield
        finally:
            _clear(run)


def supervisor(run: Path) -> Process | None:
    """The supervisor that runs now, if one does."""
    try:
        process = _PROCESS.validate_json((run / f"{_SUPERVISOR}.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return process if process.is_alive() else None


def states(run: Path) -> tuple[State, ...]:
    """The states of all programs, in the order in which they were started."""
    found = []
    for file in run.glob("*.json"):
        if file.stem != _SUPERVISOR:
            with suppress(FileNotFoundError, ValidationError):
                found.append(_STATE.validate_json(file.read_bytes()))
    return tuple(sorted(found, key=lambda state: state.order))


def publish(run: Path, state: State) -> None:
    """Shows a program's state to other shells."""
    write(run / f"{state.name}.json", _STATE.dump_json(state))


def write(file: Path, content: bytes) -> None:
    """Replaces a file in one step, readable by its owner only."""
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(file)


def _clear(run: Path) -> None:
    for file in (*run.glob("*.json"), *run.glob("*.new")):
        file.unlink(missing_ok=True)
