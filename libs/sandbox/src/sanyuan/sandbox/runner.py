"""Who runs the programs: a supervisor of our own for `demo`, one in the background for `up`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sanyuan.sandbox import daemon, run_folder
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.run_folder import State
from sanyuan.sandbox.supervisor import Supervisor


class Runner(Protocol):
    """Keeps programs running."""

    kept: bool
    """Whether what runs goes on when we end."""

    def start(self, program: Program) -> None:
        """Start a program; the same one again is left alone where it runs already."""

    def stop(self, name: str) -> None:
        """Stop a program."""

    def states(self) -> tuple[State, ...]:
        """Every program, in the order of starts."""


class OwnRunner:
    """A supervisor in this process: everything ends with it."""

    kept = False

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def start(self, program: Program) -> None:
        """See Runner."""
        if not any(s.name == program.name and s.is_alive() for s in self.states()):
            self._supervisor.start(program)

    def stop(self, name: str) -> None:
        """See Runner."""
        self._supervisor.stop(name)

    def kill(self, name: str) -> None:
        """SIGKILL, as an accident would have it: the program is started again."""
        self._supervisor.kill(name)

    def states(self) -> tuple[State, ...]:
        """See Runner."""
        return self._supervisor.states()


class BackgroundRunner:
    """The supervisor that runs in the background (daemon.py)."""

    kept = True

    def __init__(self, var: Path) -> None:
        self._var = var

    def start(self, program: Program) -> None:
        """See Runner."""
        daemon.submit(self._var, program)

    def stop(self, name: str) -> None:
        """See Runner."""
        daemon.withdraw(self._var, name)

    def states(self) -> tuple[State, ...]:
        """See Runner."""
        return run_folder.states(self._var / "run")


@contextmanager
def running(var: Path) -> Iterator[Runner]:
    """The supervisor in the background when there is one, else one of our own while this lasts.

    Raises AlreadyRunningError when another `demo` has the folder.
    """
    if daemon.serves(var):
        yield BackgroundRunner(var)
        return
    with Supervisor(var) as supervisor:
        yield OwnRunner(supervisor)


def deaths(runner: Runner, name: str) -> int:
    """How often a program has died."""
    return next((state.deaths for state in runner.states() if state.name == name), 0)


def mourner(runner: Runner, name: str, lives: int = 1) -> Callable[[], bool]:
    """A function that says whether a program has died so often since now."""
    before = deaths(runner, name)
    return lambda: deaths(runner, name) >= before + lives
