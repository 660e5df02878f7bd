"""A log covers one year: the next one goes on where it ended, and `sanyuan verify` checks both."""

from __future__ import annotations

import shutil
from asyncio import timeout, to_thread
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.audit.conftest import AGENCY, FOOD, SUPERVISOR, CrashError
from tests.audit.test_streaming import served

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import ForkError
from sanyuan.audit.years import YearTurnedError
from sanyuan.client.follow import Follower, Logged
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.source import FolderSource
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import verifier_of
from sanyuan.common.tlog.checkpoint import Checkpoint

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running
    from tests.audit.test_log import Crash

pytestmark = pytest.mark.asyncio
STREAM = (FOOD, "identity-commands")


def new_year(lab: Lab, year: int = 2027) -> None:
    lab.clock = datetime(year, 1, 1, 0, 0, 1, tzinfo=UTC).timestamp()


def verify(lab: Lab, log: str = "", **other: Any) -> Report:  # noqa: ANN401  as verify_log has it
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    state = lab.var / "state"
    return verify_log(str(lab.folder / log), *keys, state_dir=state, jobs=1, **other)


async def send(lab: Lab, running: Running, count: int) -> None:
    for _ in range(count):
        lab.command()
    await lab.drain(running)


async def turn(lab: Lab, running: Running, year: int = 2027) -> Running:
    new_year(lab, year)
    assert running.log.is_year_over()
    await running.log.turn_year()
    running.close()
    return await lab.start()


def assert_sound(lab: Lab, *years: str) -> Report:
    """The current log and those before it are sound and complete; returns the report."""
    report = found = verify(lab)
    for year in years:
        assert (found.exit_code, found.findings) == (0, ())
        assert found.origin == f"cn/log/{year}"
        if year != years[-1]:
            assert found.before is not None
            found = found.before
    assert found.before is None
    return report


async def test_streams_go_on_over_the_change_and_both_logs_are_sound(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 300)
    assert not running.log.is_year_over()
    running = await turn(lab, running)
    assert not running.log.is_year_over()
    await send(lab, running, 300)
    first = parse_leaf(lab.entries()[0]).envelope
    assert (first.type, first.data["log"]) == ("log.carried-over.v1", "cn/log/2026")
    places = [
        parse_leaf(entry).envelope.number
        for entry in lab.entries()
        if b'"identity.verify-person.v1"' in entry
    ]
    assert places == list(range(301, 601))
    report = assert_sound(lab, "2027", "2026")
    assert not any("not at hand" in each for each in report.unchecked)
    final = Checkpoint.open(
        first.data["checkpoint"].encode(), keys=[verifier_of(lab.log_key.verifier, "cn/log/2026")]
    )
    assert report.before is not None
    assert (final.size, final.root.hex()) == (report.before.size, report.before.root)


async def test_years_follow_each_other_also_when_one_was_slept_through(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 5)
    running = await turn(lab, running, 2027)
    await send(lab, running, 5)
    running = await turn(lab, running, 2029)
    await send(lab, running, 5)
    assert_sound(lab, "2029", "2027", "2026")
    assert running.sequencer.state.place(STREAM).sequence == 15


async def test_who_registers_after_the_change_is_judged_by_all_of_participants(lab: Lab) -> None:
    other = "//cn/departments/11110000000012345X/other"
    running = await lab.start()
    await send(lab, running, 5)
    running = await turn(lab, running)
    lab.register(other)
    for _ in range(3):
        lab.command(other)
    await send(lab, running, 5)
    running = await turn(lab, running, 2028)
    lab.command(other)
    await send(lab, running, 5)
    assert_sound(lab, "2028", "2027", "2026")


async def test_an_open_gap_is_carried_over_and_closed_in_the_next_year(lab: Lab) -> None:
    running = await lab.start(gap_seconds=0)
    await send(lab, running, 3)
    missing = lab.value(FOOD, "identity-commands", "identity.verify-person.v1", {"n": 0})
    await send(lab, running, 2)
    assert len(lab.said("log.gap.v1")) == 1
    assert verify(lab).exit_code == 10
    new_year(lab)
    await running.log.turn_year()
    running.close()
    running = await lab.start(gap_seconds=0)
    assert verify(lab).exit_code == 10
    lab.put("identity-commands", FOOD, missing)
    await lab.drain(running)
    [closed] = lab.said("log.gap-closed.v1")
    assert closed["gap"] == 0
    assert verify(lab).before is not None


STEPS = ["before-commit", "after-commit", "after-tiles", "after-checkpoint-file", "after-seals"]


@pytest.mark.parametrize("hits", [1, 2])
@pytest.mark.parametrize("step", STEPS)
async def test_a_death_at_any_step_of_the_change_is_finished_by_the_next_start(
    lab: Lab, crash: Crash, step: str, hits: int
) -> None:
    running = await lab.start()
    await send(lab, running, 300)
    new_year(lab)
    crash(f"audit.{step}", hits)
    died = False
    for _ in range(3):
        try:
            if running.log.is_year_over():
                await running.log.turn_year()
            running.close()
            running = await lab.start()
        except CrashError:
            died = True
            running.close()
            crash(None)
            running = await lab.start()
    assert died
    await send(lab, running, 20)
    report = assert_sound(lab, "2027", "2026")
    assert report.size is not None
    assert running.sequencer.state.place(STREAM).sequence == 320


@pytest.mark.parametrize("moved", [0, 1, 2])
async def test_a_death_while_files_are_moved_is_finished_by_the_next_start(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    running = await lab.start()
    await send(lab, running, 300)
    (lab.folder / "checkpoint.cosigned").write_bytes((lab.folder / "checkpoint").read_bytes())
    new_year(lab)
    await running.log.turn_year()
    running.close()
    left = moved
    rename = type(lab.folder).rename

    def die(path: Any, target: Any) -> Any:  # noqa: ANN401  as Path has it
        nonlocal left
        if left == 0:
            raise CrashError(str(path))
        left -= 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(lab.folder), "rename", die)
        with pytest.raises(CrashError):
            await lab.start()
    running = await lab.start()
    await send(lab, running, 20)
    assert_sound(lab, "2027", "2026")
    assert sorted(path.name for path in (lab.folder / "2026").iterdir()) == [
        "checkpoint", "checkpoint.cosigned", "tile",
    ]  # fmt: skip


async def test_after_the_change_the_old_process_appends_nothing(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 5)
    new_year(lab)
    await running.log.turn_year()
    lab.command()
    checked = await lab.read(running)
    with pytest.raises(YearTurnedError):
        await running.log.append(checked)
    with pytest.raises(YearTurnedError):
        await running.log.seal()
    running.close()
    running = await lab.start()
    await lab.drain(running)
    assert_sound(lab, "2027", "2026")


@pytest.mark.parametrize("old", ["last year's", "none"])
async def test_an_old_database_is_rolled_forward_from_the_carry_over(lab: Lab, old: str) -> None:
    running = await lab.start()
    await send(lab, running, 20)
    running.close()
    lab.home.keep()
    running = await turn(lab, await lab.start())
    await send(lab, running, 300)
    state = running.sequencer.state
    running.close()
    if old == "none":
        lab.home.lose()
    else:
        lab.home.restore()
    running = await lab.start()
    assert vars(running.sequencer.state) == vars(state)
    await send(lab, running, 20)
    assert_sound(lab, "2027", "2026")
    running = await turn(lab, running, 2028)
    await send(lab, running, 20)
    assert_sound(lab, "2028", "2027", "2026")


async def test_a_closed_log_that_somebody_went_on_with_is_refused(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 20)
    new_year(lab)
    await running.log.turn_year()
    running.close()
    note = (lab.folder / "checkpoint").read_bytes()
    head = Checkpoint.open(note, keys=[lab.log_key.verifier])
    longer = Checkpoint(head.origin, head.size + 1, head.root).sign([lab.log_key])
    lab.broker.sent.append(("audit-checkpoints", longer, []))
    with pytest.raises(ForkError, match="carried over"):
        await lab.start()


async def test_the_new_log_alone_is_sound_and_says_what_it_rests_on(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 20)
    running = await turn(lab, running)
    await send(lab, running, 20)
    shutil.move(lab.folder / "2026", lab.var / "away")
    report = verify(lab)
    assert (report.exit_code, report.findings, report.before) == (0, (), None)
    assert any("cn/log/2026" in each and "not at hand" in each for each in report.unchecked)


async def test_a_forged_old_log_is_found_from_the_new_one(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 300)
    running = await turn(lab, running)
    await send(lab, running, 20)
    bundle = lab.folder / "2026/tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"case"', b'"cafe"', 1))
    report = verify(lab)
    assert report.exit_code == 20
    assert report.having(report.findings[0].grade)[0].what.startswith("cn/log/2026: ")


async def test_an_earlier_log_that_is_another_one_is_found(lab: Lab) -> None:
    running = await lab.start()
    await send(lab, running, 20)
    shutil.copytree(lab.folder, lab.var / "earlier")
    running = await turn(lab, running)
    await send(lab, running, 20)
    shutil.rmtree(lab.folder / "2026")
    shutil.copytree(lab.var / "earlier", lab.folder / "2026")
    report = verify(lab)
    assert report.exit_code == 20
    assert "was carried over with" in report.findings[0].what


async def test_each_year_is_read_over_http_with_the_first_years_key(lab: Lab) -> None:
    lab.supervise()
    running = await lab.start()
    await send(lab, running, 20)
    running = await turn(lab, running)
    await send(lab, running, 20)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    reader = lab.reader(SUPERVISOR)
    async with served(lab, running) as client:
        for path, origin in (("", 2027), ("/2027", 2027), ("/2026", 2026)):

            def check(url: str = f"{client.base_url}/log{path}") -> Report:
                return verify_log(url, *keys, state_dir=lab.var / "state", jobs=1, reader=reader)

            report = await to_thread(check)
            assert (report.exit_code, report.findings) == (0, ())
            assert report.origin == f"cn/log/{origin}"
            assert (report.before is not None) == (origin == 2027)
        assert (await client.get("/log/2025/checkpoint")).status_code == 404


@pytest.mark.parametrize("late", [True, False])
async def test_a_follower_reads_the_old_year_to_its_end_and_goes_on_in_the_new_one(
    lab: Lab, *, late: bool
) -> None:
    running = await lab.start()
    await send(lab, running, 300)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    following = Follower(FolderSource(lab.folder), *keys, poll_s=0.01)
    records, seen = following.records(), list[Logged]()

    async def read(until: int) -> None:
        async with timeout(30):
            while not seen or seen[-1].leaf.envelope.number != until:
                logged = await anext(records)
                if logged.leaf.stream == (FOOD, "cn/identity-commands"):
                    seen.append(logged)

    await read(200 if late else 300)
    running = await turn(lab, running)
    await send(lab, running, 20)
    await read(320)
    assert [each.leaf.envelope.number for each in seen] == list(range(1, 321))
    assert {each.log for each in seen} == {"cn/log/2026", "cn/log/2027"}
    await records.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_folders_of_other_years_are_left_alone(lab: Lab) -> None:
    folder = LogFolder(lab.folder)
    folder.put_away(2027)
    assert list(lab.folder.iterdir()) == []
