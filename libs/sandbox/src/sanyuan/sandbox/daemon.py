"""A supervisor in the background, for `make up`, `down` and `status` from any shell.

What it shall run lies in `var/run/programs`, one file a program, in the order of their numbers; a
file more is a program started, a file less a program stopped, a changed one a program restarted.
"""

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from pydantic import TypeAdapter, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import run_folder
from sanyuan.sandbox.processes import Process, ProgramStartError
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.supervisor import Supervisor

_TICK: Final = 0.1
_LOG: Final = "supervisor.log"


class DaemonError(SanyuanError):
    """The supervisor in the background did not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A program to run, and its place in the order of starts."""

    number: int
    program: Program


_ORDER: Final = TypeAdapter(_Order)


def launch(var: Path, limit: float = 10.0) -> Process:
    """Starts a supervisor in the background that outlives us, with nothing to run yet.

    Raises AlreadyRunningError, or DaemonError with its last words.
    """
    run = var / "run"
    running = run_folder.supervisor(run)
    if running is not None:
        raise run_folder.AlreadyRunningError(
            f"this installation runs already (process {running.pid})", where=str(run)
        )
    for stale in _folder(var).glob("*.json"):  # before anyone can submit anything to the new one
        stale.unlink()
    (var / "logs").mkdir(parents=True, exist_ok=True)
    with (var / "logs" / _LOG).open("ab") as log:
        popen = subprocess.Popen(
            (sys.executable, "-m", __name__, str(var)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + limit
    while time.monotonic() < end and popen.poll() is None:
        started = run_folder.supervisor(run)
        if started is not None and started.pid == popen.pid:
            popen.returncode = 0  # it is on its own now: no warning that we did not wait for it
            return started
        time.sleep(0.02)
    raise DaemonError(
        "the supervisor did not start" + _last_line(var / "logs" / _LOG),
        where=str(var / "logs" / _LOG),
    )


def serves(var: Path) -> bool:
    """Whether what runs there is a supervisor in the background, and not somebody's `demo`."""
    process = run_folder.supervisor(var / "run")
    if process is None:
        return False
    with suppress(psutil.Error):
        return __name__ in psutil.Process(process.pid).cmdline()
    return False


def submit(var: Path, program: Program, limit: float = 10.0) -> Process:
    """Has the supervisor run `program`, and returns its process; raises DaemonError."""
    orders = _folder(var)
    orders.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = _read(orders / f"{program.name}.json")
    number = known.number if known else 1 + max((o.number for o in _all(orders)), default=0)
    before = _process(var, program.name)
    order = _Order(number, program)
    run_folder.write(orders / f"{program.name}.json", _ORDER.dump_json(order))
    if known == order and before is not None:
        return before
    end = time.monotonic() + limit + program.stop_seconds
    while time.monotonic() < end:
        process = _process(var, program.name)
        if process is not None and process != before:
            return process
        time.sleep(0.02)
    raise DaemonError(
        f"{program.name} was not started{_last_line(var / 'logs' / _LOG)}", where=str(var / "logs")
    )


def withdraw(var: Path, name: str, limit: float = 15.0) -> None:
    """Has the supervisor stop a program, and waits until it has; raises DaemonError."""
    (_folder(var) / f"{name}.json").unlink(missing_ok=True)
    end = time.monotonic() + limit
    while _process(var, name) is not None:
        if time.monotonic() > end:
            raise DaemonError(f"{name} was not stopped", where=str(var / "logs" / _LOG))
        time.sleep(0.02)


def halt(var: Path, limit: float = 60.0) -> bool:
    """Stops the supervisor and all that it runs; whether one ran. Raises DaemonError.

    A supervisor that does not end in time is killed, and its programs with it.
    """
    process = run_folder.supervisor(var / "run")
    if process is None:
        return False
    process.signal(signal.SIGTERM)
    if not _ended(process, limit):
        process.signal(signal.SIGKILL)
        if not _ended(process, 5.0):
            raise DaemonError("the supervisor cannot be stopped", where=f"process {process.pid}")
    return True


def serve(var: Path) -> None:
    """Runs what `var/run/programs` says until SIGTERM or SIGINT; raises AlreadyRunningError."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with Supervisor(var) as supervisor:
        orders, running = _folder(var), dict[str, _Order]()
        while not ending.wait(_TICK):
            _follow(supervisor, orders, running)


def _follow(supervisor: Supervisor, folder: Path, running: dict[str, _Order]) -> None:
    """Starts and stops what the folder says; `running` is what it said before."""
    wanted = {order.program.name: order for order in _all(folder)}
    for name in running.keys() - wanted.keys():
        supervisor.stop(name)
        del running[name]
    for name, order in wanted.items():
        if running.get(name) != order:
            running[name] = order
            try:
                supervisor.start(order.program)
            except ProgramStartError as error:
                print(error, flush=True)  # noqa: T201  its log is our standard output


def _folder(var: Path) -> Path:
    return var / "run" / "programs"


def _all(folder: Path) -> list[_Order]:
    orders = (_read(file) for file in folder.glob("*.json"))
    return sorted((order for order in orders if order), key=lambda order: order.number)


def _read(file: Path) -> _Order | None:
    with suppress(FileNotFoundError, ValidationError):
        return _ORDER.validate_json(file.read_bytes())
    return None


def _process(var: Path, name: str) -> Process | None:
    found = (state for state in run_folder.states(var / "run") if state.name == name)
    return next((state.process for state in found if state.is_alive()), None)


def _ended(process: Process, limit: float) -> bool:
    end = time.monotonic() + limit
    while process.is_alive():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f": {lines[-1]}" if lines else ""


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
