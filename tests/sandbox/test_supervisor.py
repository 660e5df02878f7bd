import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sanyuan.sandbox import run_folder
from sanyuan.sandbox.processes import Process, ProgramStartError
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.run_folder import AlreadyRunningError, State
from sanyuan.sandbox.supervisor import Supervisor, UnknownProgramError


def _wait(condition: Callable[[], bool], limit: float = 60.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _program(folder: Path, name: str = "sleeper", script: str = "exec sleep 60") -> Program:
    return Program(name, ("/bin/sh", "-c", script), folder, stop_seconds=1.0)


def _state(supervisor: Supervisor, name: str = "sleeper") -> State:
    return next(state for state in supervisor.states() if state.name == name)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path) as running:
        yield running


@pytest.mark.kill
def test_what_dies_comes_back(supervisor: Supervisor, tmp_path: Path) -> None:
    first = supervisor.start(_program(tmp_path))
    mourner = supervisor.mourner("sleeper")
    supervisor.kill("sleeper")
    _wait(lambda: _state(supervisor).deaths == 1 and _state(supervisor).is_alive())

    assert not first.is_alive()
    assert mourner()
    assert _state(supervisor).last_exit == -signal.SIGKILL


def test_what_dies_at_once_is_started_again_ever_more_slowly(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    begun = time.monotonic()
    supervisor.start(_program(tmp_path, script="echo born; exit 3"))
    log = tmp_path / "logs" / "sleeper.log"
    _wait(lambda: log.exists() and log.read_text().count("born") == 4)

    assert time.monotonic() - begun > 1.3  # after 0, 0.2, 0.6 and 1.4 s, or later on a busy machine
    assert _state(supervisor).last_exit == 3


def test_what_was_stopped_stays_stopped(supervisor: Supervisor, tmp_path: Path) -> None:
    process = supervisor.start(_program(tmp_path))
    supervisor.stop("sleeper")
    supervisor.stop("sleeper")
    time.sleep(0.5)

    assert not process.is_alive()
    assert _state(supervisor).condition == "stopped"
    assert _state(supervisor).deaths == 0


def test_who_ignores_the_request_to_stop_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = _program(tmp_path, script="trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    process = supervisor.start(deaf)
    _wait(lambda: b"deaf" in (tmp_path / "logs" / "sleeper.log").read_bytes())
    supervisor.stop("sleeper")

    assert not process.is_alive()
    assert _state(supervisor).last_exit == -signal.SIGKILL


def test_nothing_survives_the_end_not_even_grandchildren(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        parent = supervisor.start(_program(tmp_path, script="sleep 61 & echo $!; wait"))
        log = tmp_path / "logs" / "sleeper.log"
        _wait(lambda: log.read_text().strip().isdecimal())
        grandchild = Process.of(int(log.read_text()))

    _wait(lambda: not parent.is_alive() and not grandchild.is_alive())


def test_programs_are_stopped_in_the_reverse_order_of_their_starts(tmp_path: Path) -> None:
    note = f"trap 'echo $0 >> {tmp_path}/ends; exit' TERM; echo ready; while :; do sleep 0.05; done"
    with Supervisor(tmp_path) as supervisor:
        for name in ("broker", "service", "demo"):
            supervisor.start(Program(name, ("/bin/sh", "-c", note, name), tmp_path))
            _wait(lambda name=name: b"ready" in (tmp_path / f"logs/{name}.log").read_bytes())  # type: ignore[misc]  # a default binds the name of this round

    assert (tmp_path / "ends").read_text().split() == ["demo", "service", "broker"]


def test_a_command_that_does_not_exist_is_an_error_that_names_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with pytest.raises(ProgramStartError, match="nowhere"):
        supervisor.start(Program("lost", ("/nowhere/command",), tmp_path))


def test_a_name_that_was_never_started_is_an_error(supervisor: Supervisor) -> None:
    with pytest.raises(UnknownProgramError, match="ghost"):
        supervisor.kill("ghost")


def test_one_installation_has_one_supervisor(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunningError, match=str(os.getpid())), Supervisor(tmp_path):
        pass


def test_a_process_file_whose_number_was_given_out_again_is_nobody(tmp_path: Path) -> None:
    stranger = Process(os.getpid(), Process.ours().created - 100)
    (tmp_path / "run").mkdir()
    run_folder.write(
        tmp_path / "run" / "supervisor.json",
        f'{{"pid": {stranger.pid}, "created": {stranger.created}}}'.encode(),
    )

    assert run_folder.supervisor(tmp_path / "run") is None
    with Supervisor(tmp_path):
        assert run_folder.supervisor(tmp_path / "run") == Process.ours()
    assert run_folder.supervisor(tmp_path / "run") is None


def test_a_broken_process_file_is_nobody(tmp_path: Path) -> None:
    (tmp_path / "supervisor.json").write_bytes(b'{"pid": "no')

    assert run_folder.supervisor(tmp_path) is None


@pytest.mark.kill
def test_the_end_of_a_supervisor_by_sigkill_leaves_no_child(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from sanyuan.sandbox.programs import Program\n"
        "from sanyuan.sandbox.supervisor import Supervisor\n"
        "var = Path(sys.argv[1])\n"
        "with Supervisor(var) as s:\n"
        "    for n in ('one', 'two'):\n"
        "        print(s.start(Program(n, ('sleep', '60'), var)).pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        (sys.executable, "-c", script, str(tmp_path)), stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None
        children = [Process.of(int(popen.stdout.readline())) for _ in range(2)]
        popen.kill()
    _wait(lambda: not any(child.is_alive() for child in children), limit=2.0)

    assert not any(state.is_alive() for state in run_folder.states(tmp_path / "run"))
    with Supervisor(tmp_path) as next_one:
        assert next_one.states() == ()


def test_a_log_that_grew_too_long_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sanyuan.sandbox.supervisor._LOG_BYTES", 1000)
    monkeypatch.setattr("sanyuan.sandbox.supervisor._LOG_CHECK_SECONDS", 0.05)
    talk = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.002; done"
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(_program(tmp_path, "talker", talk))
        _wait((tmp_path / "logs" / "talker.log.1").exists)
        time.sleep(0.3)

    assert (tmp_path / "logs" / "talker.log").stat().st_size < 5000


def test_the_watchdog_is_gone_too(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with Supervisor(tmp_path):
        assert len(set(psutil.Process().children()) - before) == 1

    assert set(psutil.Process().children()) == before
