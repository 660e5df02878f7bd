"""The national load: two processes of departments that a SIGKILL makes neither lose nor double."""

import io
import json
import time
from collections import Counter

import pytest
from rich.console import Console
from tests.e2e.conftest import Theatre

from sanyuan.client.joining import system_path
from sanyuan.client.verify.source import open_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.tiles import WIDTH, Tile, decode_bundle
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.demo.evidence import wait_until_quiet
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of, name_of, published_of, system_of
from sanyuan.sandbox.demo.load.mix import KINDS
from sanyuan.sandbox.demo.load.orders import order, read_run
from sanyuan.sandbox.demo.load.progress import PROGRESS, Outcome, Phase, Progress, load, together
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.demo.load.schedule import EVERYBODY, TOPICS, Plan, steps_of
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.starting import Installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LIMIT_SECONDS = 300
PROMPT_SECONDS = 5.0
"""Half the time that a provider has: a process that is away longer may be too late for a call."""
LEAD_SECONDS = 4.0


@pytest.fixture(scope="module")
def running(theatre: Theatre) -> Installation:
    loading.wait_for_all(theatre.installation, Console(file=io.StringIO()))
    return theatre.installation


def begin(installation: Installation, name: str, rate: float, seconds: float) -> Plan:
    plan = Plan(name, rate, seconds, 7, time.time() + LEAD_SECONDS)
    order(installation.settings.var, plan)
    return plan


def wait(installation: Installation, plan: Plan, phase: Phase, ended: int = 0) -> Progress:
    folders = [folder_of(installation.settings.var, each) for each in PROCESSES]
    end, progress = time.monotonic() + LIMIT_SECONDS, Progress()
    while time.monotonic() < end:
        progress = together(map(load, folders), plan.id)
        if progress.phase == phase and progress.ended >= ended:
            return progress
        time.sleep(0.05)
    pytest.fail(f"not {phase} in time: {progress}")


def expect_all_completed(plan: Plan, progress: Progress, *, late: bool = False) -> None:
    """All operations ended as they must; calls may have failed where a provider came back late."""
    assert progress.ended == plan.total
    wrong = (Outcome.REFUSED, Outcome.FAILED, Outcome.SURPRISING)
    found = {outcome: progress.of(outcome) for outcome in wrong}
    failed = progress.kinds["shared-call"].of(Outcome.FAILED) if late else 0
    assert found == {**dict.fromkeys(wrong, 0), Outcome.FAILED: failed}
    for name, kind in progress.kinds.items():
        # Among those that failed may be some that were sent in order to be refused.
        lost = failed if name == "shared-call" else 0
        assert kind.completed <= kind.offered <= kind.completed + lost
        assert kind.completed > 0
    assert progress.of(Outcome.REFUSED_AS_EXPECTED) > 0


def seconds_until_back(installation: Installation, process: int) -> float:
    """How long a process that was just killed takes until it goes on with its plan."""
    folder, begun = folder_of(installation.settings.var, process), time.monotonic()
    before = (folder / PROGRESS).stat().st_mtime_ns
    while (folder / PROGRESS).stat().st_mtime_ns == before or load(folder).phase == "making":
        assert time.monotonic() < begun + LIMIT_SECONDS
        time.sleep(0.05)
    return time.monotonic() - begun


def decided(installation: Installation, plan: Plan) -> Counter[tuple[str, str, str]]:
    """(source, topic, sequence) of the commands of a plan that the log has decisions of."""
    runs = [read_run(folder_of(installation.settings.var, each), plan) for each in PROCESSES]
    first = {
        (department, f"cn/{TOPICS[kind]}"): number
        for run in runs
        if run is not None
        for kind in KINDS
        for department, number in run.first[kind].items()
    }
    by_source = {
        SystemFile.load(system_path(installation.settings.var, system_of(at))).source: at
        for at in EVERYBODY
    }
    found = Counter[tuple[str, str, str]]()
    with open_source(str(installation.settings.var / "audit" / "log")) as source:
        size = int((source.read("checkpoint") or b"").split(b"\n")[1])
        for bundle in range(-(-size // WIDTH)):
            width = min(WIDTH, size - bundle * WIDTH)
            raw = source.read(Tile(-1, bundle, width).path) or b""
            for entry in decode_bundle(raw, width):
                command = json.loads(entry.partition(b"\n\n")[0])["data"].get("command")
                if command is None or command["source"] not in by_source:
                    continue
                stream = by_source[command["source"]], command["topic"]
                if int(command["sequence"]) >= first.get(stream, 1 << 62):
                    found[command["source"], command["topic"], command["sequence"]] += 1
    return found


def test_the_whole_catalogue_is_in_force(running: Installation) -> None:
    assert len(Published(published_of(running.settings.var)).codes) == 9_942


def test_every_answer_is_as_register_and_provider_have_it(running: Installation) -> None:
    plan = begin(running, "calm", 200, 6)
    expect_all_completed(plan, wait(running, plan, "done"))


@pytest.mark.kill
def test_a_killed_process_goes_on_where_its_outbox_and_journal_stand(
    running: Installation,
) -> None:
    plan = begin(running, "killed", 200, 10)
    wait(running, plan, "running", ended=400)
    assert isinstance(running.runner, OwnRunner)
    running.runner.kill(name_of(PROCESSES[0]))
    away = seconds_until_back(running, PROCESSES[0])
    expect_all_completed(plan, wait(running, plan, "done"), late=away > PROMPT_SECONDS)
    wait_until_quiet(running)
    counted = decided(running, plan)
    assert len(counted) == sum(1 for _ in steps_of(plan, EVERYBODY))
    assert set(counted.values()) == {1}
