"""`make up`, `status`, `demo`, `down` from one shell after another, with state kept between."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanyuan.client.joining import join
from sanyuan.common.sources import Source
from sanyuan.sandbox import daemon, run_folder
from sanyuan.sandbox.settings import Settings, port_setting

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

COMMAND = (sys.executable, "-m", "sanyuan.sandbox")
LIMIT_SECONDS = 600


@pytest.fixture(scope="module")
def var(whole_nation: Settings) -> Iterator[Path]:
    yield whole_nation.var
    daemon.halt(whole_nation.var)


@pytest.fixture(scope="module")
def environment(whole_nation: Settings, var: Path) -> dict[str, str]:
    return os.environ | {
        "SANYUAN_VAR": str(var),
        "SANYUAN_KAFKA_PORT": str(whole_nation.kafka_port),
        **{port_setting(name): str(port) for name, port in whole_nation.http_ports.items()},
        "SANYUAN_LANG": "en",
        "COLUMNS": "120",
        "XDG_STATE_HOME": str(var.parent / "state"),
    }


def run(environment: dict[str, str], *arguments: str, answer: str = "") -> tuple[int, str]:
    ended = subprocess.run(
        (*COMMAND, *arguments),
        env=environment,
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    return ended.returncode, ended.stdout


def fingerprint(text: str) -> str:
    found = re.search(r"SHA256:\S+", text)
    assert found is not None, text
    return found[0]


def test_nothing_runs_in_an_empty_folder(environment: dict[str, str]) -> None:
    code, text = run(environment, "status")
    assert (code, "Nothing is running" in text) == (1, True)
    assert run(environment, "down")[0] == 0


def test_up_status_demo_down_and_up_again_are_one_installation(
    environment: dict[str, str], var: Path
) -> None:
    code, first = run(environment, "up")
    assert code == 0, first
    code, text = run({**environment, "SANYUAN_LANG": "zh"}, "status")
    assert code == 0, text
    assert re.search(r"identity\s+运行.*是", text)

    code, text = run(environment, "demo", "--rate", "20", "--seconds", "2")
    assert code == 0, text
    assert "Still running" in text
    report = json.loads((var / "report.json").read_text())
    kinds = report["load"]["kinds"].values()
    answered = sum(kind["completed"] for kind in kinds)
    assert answered + report["load"]["expected_refusals"] == 40
    assert report["verify"] == {"integrity": "sound", "completeness": "complete", "exit": 0}
    names = {state.name for state in run_folder.states(var / "run") if state.is_alive()}
    assert names == {"kafka", "audit", "identity", "catalog", "license-exchange"}

    code, text = run(environment, "clean", "--yes")
    assert code == 2
    assert "make down" in text
    assert run(environment, "down")[0] == 0
    assert run_folder.supervisor(var / "run") is None

    code, again = run(environment, "up")
    assert code == 0, again
    assert fingerprint(again) == fingerprint(first)
    assert "new: 0 topics" in again
    assert run(environment, "down")[0] == 0


def test_an_interrupted_start_leaves_nothing_running_and_says_how_to_go_on(
    environment: dict[str, str], var: Path
) -> None:
    begun = subprocess.Popen(
        (*COMMAND, "demo"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + LIMIT_SECONDS
    while not run_folder.states(var / "run") and time.monotonic() < end:
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    text, _ = begun.communicate(timeout=LIMIT_SECONDS)

    # Python itself may end by the signal when it struck inside of `exec`: shells call both 130.
    assert begun.returncode in (130, -signal.SIGINT), text
    assert "make demo" in text
    assert "Traceback" not in text
    assert run_folder.supervisor(var / "run") is None


def test_clean_asks_first_and_keeps_what_is_not_ours(
    environment: dict[str, str], tmp_path: Path
) -> None:
    var = tmp_path / "var"
    join(var, Source("cn", "department", "11110000000012345X", "permits"))
    ours = {**environment, "SANYUAN_VAR": str(var)}
    code, text = run(ours, "clean", answer="n\n")
    assert (code, var.exists()) == (0, True)
    assert "Nothing was touched" in text
    assert run(ours, "clean", answer="y\n")[0] == 0
    assert not var.exists()

    (tmp_path / "thesis.txt").touch()
    code, text = run({**environment, "SANYUAN_VAR": str(tmp_path)}, "clean", "--yes")
    assert code == 2
    assert (tmp_path / "thesis.txt").exists()


def test_a_taken_port_is_one_clear_message(environment: dict[str, str], tmp_path: Path) -> None:
    settings = {**environment, "SANYUAN_VAR": str(tmp_path / "var")}
    code, text = run({**settings, "SANYUAN_KAFKA_PORT": "99999"}, "up")
    assert code == 2
    assert "SANYUAN_KAFKA_PORT" in text
    assert "Traceback" not in text
