import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanyuan.sandbox import daemon, run_folder
from sanyuan.sandbox.processes import Process
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.run_folder import AlreadyRunningError


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    daemon.halt(tmp_path)


def _program(var: Path, name: str = "sleeper", seconds: str = "60") -> Program:
    return Program(name, ("sleep", seconds), var)


def test_what_is_up_is_seen_and_stopped_from_another_shell(var: Path) -> None:
    supervisor = daemon.launch(var)
    sleeper = daemon.submit(var, _program(var))

    assert run_folder.supervisor(var / "run") == supervisor
    assert [(state.name, state.is_alive()) for state in run_folder.states(var / "run")] == [
        ("sleeper", True)
    ]
    assert daemon.halt(var)
    assert not supervisor.is_alive()
    assert not sleeper.is_alive()
    assert run_folder.states(var / "run") == ()


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    assert daemon.halt(tmp_path) is False


def test_up_twice_is_refused(var: Path) -> None:
    daemon.launch(var)

    with pytest.raises(AlreadyRunningError):
        daemon.launch(var)


def test_submitting_the_same_program_again_leaves_it_alone_another_restarts_it(var: Path) -> None:
    daemon.launch(var)
    first = daemon.submit(var, _program(var))

    assert daemon.submit(var, _program(var)) == first
    second = daemon.submit(var, _program(var, seconds="61"))
    assert second != first
    assert not first.is_alive()


@pytest.mark.kill
def test_a_killed_supervisor_takes_its_programs_along_and_up_works_again(var: Path) -> None:
    supervisor = daemon.launch(var)
    sleeper = daemon.submit(var, _program(var))
    supervisor.signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while sleeper.is_alive() or supervisor.is_alive():
        assert time.monotonic() < end
        time.sleep(0.01)

    again = daemon.launch(var)
    assert isinstance(again, Process)
    assert run_folder.states(var / "run") == ()  # what it ran before is submitted anew by `up`
