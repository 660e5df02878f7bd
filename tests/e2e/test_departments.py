"""The demo's systems: an open-loop load that a SIGKILL neither loses nor doubles."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sanyuan.client.verify.source import open_source
from sanyuan.common.tlog.tiles import WIDTH, Tile, decode_bundle
from sanyuan.sandbox.demo import departments
from sanyuan.sandbox.demo.evidence import wait_until_quiet
from sanyuan.sandbox.demo.progress import Progress, load
from sanyuan.sandbox.demo.schedule import Plan
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.starting import Installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LIMIT_SECONDS = 90


@pytest.fixture
def running(installation: Installation) -> Iterator[Installation]:
    installation.runner.start(departments.program(installation.settings.var))
    yield installation
    installation.runner.stop(departments.NAME)


def wait(installation: Installation, plan: Plan, phase: str, completed: int = 0) -> Progress:
    folder, end = departments.folder_of(installation.settings.var), time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        progress = load(folder)
        if progress.plan == plan.id and progress.phase == phase and progress.completed >= completed:
            return progress
        time.sleep(0.05)
    pytest.fail(f"not {phase} in time: {load(folder)}")


def decided(installation: Installation, first: dict[str, int]) -> Counter[tuple[str, str]]:
    """(source, sequence) of the commands that the log has decisions of, from `first` on."""
    found = Counter[tuple[str, str]]()
    log = str(installation.settings.var / "audit" / "log")
    with open_source(log) as source:
        size = int((source.read("checkpoint") or b"").split(b"\n")[1])
        for bundle in range(-(-size // WIDTH)):
            width = min(WIDTH, size - bundle * WIDTH)
            raw = source.read(Tile(-1, bundle, width).path) or b""
            for entry in decode_bundle(raw, width):
                data = json.loads(entry.partition(b"\n\n")[0])["data"]
                command = data.get("command")
                if command and int(command["sequence"]) >= first.get(command["source"], 1 << 62):
                    found[command["source"], command["sequence"]] += 1
    return found


def test_every_question_is_answered_as_the_register_has_it(running: Installation) -> None:
    plan = Plan("calm", 50, 4, 7)
    departments.order(running.settings.var, plan)
    progress = wait(running, plan, "done")

    assert (progress.offered, progress.completed, progress.refused) == (200, 200, 0)
    assert progress.surprising == 0
    assert 0 < progress.mismatches < 20
    assert sum(progress.latencies.values()) == 200


@pytest.mark.kill
def test_a_killed_load_goes_on_where_its_outbox_stands(running: Installation) -> None:
    plan = Plan("killed", 100, 5, 11)
    departments.order(running.settings.var, plan)
    wait(running, plan, "running", completed=50)
    assert isinstance(running.runner, OwnRunner)
    running.runner.kill(departments.NAME)
    progress = wait(running, plan, "done")
    wait_until_quiet(running)

    assert (progress.completed, progress.refused, progress.surprising) == (500, 0, 0)
    run = json.loads((departments.folder_of(running.settings.var) / "run.json").read_text())
    counted = decided(running, run["first"])
    assert len(counted) == 500
    assert set(counted.values()) == {1}
    assert not _unread(departments.folder_of(running.settings.var) / "client.db")


def _unread(database: Path) -> int:
    """Decisions that were taken and never handed out, once the process had time to forget them."""
    time.sleep(1)
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM inbox_row").fetchone()[0])
