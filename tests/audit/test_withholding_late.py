"""An entry of an earlier year's log is withheld by an order in the current one."""

from __future__ import annotations

import shutil
from asyncio import timeout, to_thread
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.audit.conftest import AGENCY, FOOD, SUPERVISOR
from tests.audit.test_cold_storage import archive
from tests.audit.test_streaming import served
from tests.audit.test_withholding import SECRET, die_at, files_with_secret, settle
from tests.audit.test_years import send, turn, verify

from sanyuan.audit import withholding
from sanyuan.audit.folder import LogFolder
from sanyuan.client.follow import Follower
from sanyuan.client.verify import Grade, Report, verify_log
from sanyuan.client.verify.source import FolderSource
from sanyuan.client.withholding import make_order, open_year
from sanyuan.common.envelope import ZERO_HASH
from sanyuan.common.tlog.authentic import ForgedLogError
from sanyuan.common.tlog.tiles import blank_entry, decode_bundle

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

pytestmark = pytest.mark.asyncio
BUNDLE = "2026/tile/entries/000"


@pytest_asyncio.fixture
async def turned(lab: Lab) -> Running:
    """A log of 2026 in which a department wrote a citizen number into a value; it is 2027."""
    lab.supervise()
    running = await lab.start()
    for at in range(300):
        data = {"n": at, "note": SECRET.decode() if at == 2 else ""}
        lab.send(FOOD, "identity-commands", "identity.verify-person.v1", data)
    await lab.drain(running)
    running = await turn(lab, running)
    await send(lab, running, 20)
    return running


def at_fault(lab: Lab) -> int:
    entries = decode_bundle((lab.folder / BUNDLE).read_bytes())
    return next(at for at, entry in enumerate(entries) if SECRET in entry)


def order(lab: Lab, by: str = SUPERVISOR, **other: Any) -> None:  # noqa: ANN401
    """Order what `sanyuan withhold --year 2026` does."""
    old = open_year(FolderSource(lab.folder), 2026)
    made = make_order(old, lab.log_key.verifier, at_fault(lab), "a citizen number stands in it")
    lab.send(by, "audit-commands", "audit.withhold-entry.v1", made | other)


def blank_by_hand(lab: Lab) -> None:
    path = lab.folder / BUNDLE
    path.write_bytes(blank_entry(path.read_bytes(), at_fault(lab)))


def assert_withheld(lab: Lab, *years: str) -> Report:
    """Every log from the current one back is sound, and 2026 has one withheld entry."""
    found: Report | None = verify(lab)
    for year in years:
        assert found is not None
        assert (found.exit_code, found.origin) == (0, f"cn/log/{year}"), found.findings
        assert found.withheld == (year == "2026")
        last, found = found, found.before
    return last


async def test_the_bytes_are_gone_and_both_logs_are_sound(lab: Lab, turned: Running) -> None:
    index = at_fault(lab)
    kept = (path for path in lab.folder.glob("2026/tile/[0-9]*/*") if path.is_file())
    tiles = {path: path.read_bytes() for path in kept}
    assert verify(lab).exit_code == 0
    order(lab)
    await settle(lab, turned)
    assert files_with_secret(lab) == []
    assert {path: path.read_bytes() for path in tiles} == tiles
    [said] = lab.said("log.withheld.v1")
    assert (said["index"], said["log"]) == (index, "cn/log/2026")
    [notice] = assert_withheld(lab, "2027", "2026").having(Grade.NOTICE)
    assert (notice.index, notice.source, notice.sequence) == (index, FOOD, 3)
    assert " of cn/log/2027: a citizen number stands in it" in notice.what
    alone = verify(lab, "2026")
    assert (alone.exit_code, alone.withheld, alone.checked_from) == (0, 1, alone.size)


async def test_an_order_of_two_years_later_counts_as_well(lab: Lab, turned: Running) -> None:
    running = await turn(lab, turned, 2028)
    order(lab)
    await settle(lab, running)
    assert files_with_secret(lab) == []
    assert_withheld(lab, "2028", "2027", "2026")


async def test_the_same_index_of_this_years_log_can_be_withheld_too(
    lab: Lab, turned: Running
) -> None:
    index = 8  # of a command in the log of 2027
    while b"verify-person" not in lab.entries()[index]:
        index += 1
    old = open_year(FolderSource(lab.folder), 2026)
    for source in (old, FolderSource(lab.folder)):
        made = make_order(source, lab.log_key.verifier, index, "a name stands in it")
        lab.send(SUPERVISOR, "audit-commands", "audit.withhold-entry.v1", made)
    await settle(lab, turned)
    await turned.log.seal()
    assert [each["log"] for each in lab.said("log.withheld.v1")] == ["cn/log/2026", None]
    report = verify(lab)
    assert (report.exit_code, report.withheld) == (0, 1)
    assert report.before is not None
    assert report.before.withheld == 1


@pytest.mark.parametrize("step", ["files", "leaf", "answer"])
async def test_a_death_in_the_middle_is_finished_by_the_next_start(
    lab: Lab, turned: Running, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(lab)
    await lab.drain(turned)
    where = {
        "files": (LogFolder, "blank"),
        "leaf": (withholding, "Withheld"),
        "answer": (turned.sequencer, "seal"),
    }[step]
    await die_at(where, turned, monkeypatch)
    again = await lab.start()
    await settle(lab, again)
    assert files_with_secret(lab) == []
    assert len(lab.said("log.withheld.v1")) == 1
    assert_withheld(lab, "2027", "2026")


async def test_a_lost_database_is_replayed_over_it(lab: Lab, turned: Running) -> None:
    order(lab)
    await settle(lab, turned)
    state = turned.sequencer.state
    turned.close()
    lab.home.lose()
    again = await lab.start()
    assert vars(again.sequencer.state) == vars(state)
    await send(lab, again, 3)
    assert_withheld(lab, "2027", "2026")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"by": FOOD}, "not-the-supervisor"),
        ({"log": "cn/log/2025"}, "not-at-hand"),
        ({"log": "cn/log/2028"}, "another-log"),
        ({"index": 9}, "entry-differs"),
        ({"index": 99_999}, "no-such-entry"),
        ({"entry": ZERO_HASH}, "entry-differs"),
        ({"ground": ""}, "malformed"),
    ],
)
async def test_what_is_no_order_for_the_entry_is_answered_and_explains_no_blank(
    lab: Lab, turned: Running, other: dict[str, Any], reason: str
) -> None:
    order(lab, **other)
    await settle(lab, turned)
    assert [each["reason"] for each in lab.said("log.withholding-refused.v1")] == [reason]
    assert files_with_secret(lab) == [BUNDLE]
    assert verify(lab).exit_code == 0
    blank_by_hand(lab)
    assert verify(lab).exit_code == 20
    assert verify(lab, "2026").exit_code == 20


async def test_an_order_under_a_revoked_key_explains_no_blank(lab: Lab, turned: Running) -> None:
    data = {"source": SUPERVISOR, "signing_key": str(lab.key(SUPERVISOR).verifier)}
    lab.send(AGENCY, "participants", "participant.key-revoked.v1", data)
    await lab.drain(turned)
    order(lab)
    await settle(lab, turned)
    assert files_with_secret(lab) == [BUNDLE]
    blank_by_hand(lab)
    assert verify(lab, "2026").exit_code == 20


async def test_a_later_log_that_is_not_what_it_was_explains_no_blank(
    lab: Lab, turned: Running
) -> None:
    order(lab)
    await settle(lab, turned)
    for path in lab.folder.glob("tile/entries/**/*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"a citizen", b"a Citizen"))
    shutil.rmtree(lab.var / "state", ignore_errors=True)
    report = verify(lab, "2026")
    assert report.exit_code == 30
    assert "the orders of a later year's log" in report.findings[-1].what


async def test_without_the_later_log_the_blank_is_not_explained(lab: Lab, turned: Running) -> None:
    order(lab)
    await settle(lab, turned)
    shutil.copytree(lab.folder / "2026", lab.var / "away" / "2026")
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    report = verify_log(str(lab.var / "away" / "2026"), *keys, state_dir=lab.var / "s", jobs=1)
    assert report.exit_code == 20
    assert report.having(Grade.FORGED)[0].what == (
        "the entry is blank, and no order of the supervisor withholds it"
    )


@pytest.mark.parametrize("file", ["checkpoint", "tile/0/000", "tile/entries/000"])
async def test_damage_in_the_earlier_log_is_not_at_hand_and_this_log_goes_on(
    lab: Lab, turned: Running, file: str
) -> None:
    order(lab)
    path = lab.folder / "2026" / file
    path.write_bytes(path.read_bytes()[:-7])
    await settle(lab, turned)
    reasons = [each["reason"] for each in lab.said("log.withholding-refused.v1")]
    assert reasons == ["not-at-hand"]
    await send(lab, turned, 5)
    assert verify(lab).exit_code == 20


async def test_entries_in_cold_storage_are_not_at_hand(lab: Lab, turned: Running) -> None:
    order(lab)
    archive(lab)
    await settle(lab, turned)
    reasons = [each["reason"] for each in lab.said("log.withholding-refused.v1")]
    assert reasons == ["not-at-hand"]
    assert verify(lab, archive=lab.var / "cold").exit_code == 0


@pytest.mark.parametrize("late", [True, False])
async def test_a_follower_who_is_behind_passes_over_what_was_withheld_meanwhile(
    lab: Lab, *, late: bool
) -> None:
    lab.supervise()
    running = await lab.start()
    await send(lab, running, 20)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    following = Follower(FolderSource(lab.folder), *keys, lab.var / "follower", poll_s=0.01)
    records = following.records()
    async with timeout(20):
        while (await anext(records)).index < len(lab.entries()) - 1:
            pass
        await send(lab, running, 1)
        await anext(records)  # what came before is remembered
    data = {"n": 0, "note": SECRET.decode()}
    lab.send(FOOD, "identity-commands", "identity.verify-person.v1", data)
    await send(lab, running, 300)
    made = make_order(
        FolderSource(lab.folder),
        lab.log_key.verifier,
        next(at for at, entry in enumerate(lab.entries()) if SECRET in entry),
        "a citizen number stands in it",
    )
    if late:
        running = await turn(lab, running)
    lab.send(SUPERVISOR, "audit-commands", "audit.withhold-entry.v1", made)
    await settle(lab, running)
    if not late:
        running = await turn(lab, running)
    await send(lab, running, 5)
    assert files_with_secret(lab) == []
    again = Follower(FolderSource(lab.folder), *keys, lab.var / "follower", poll_s=0.01)
    places: list[int] = []
    async with timeout(20):
        async for logged in again.records():
            if logged.leaf.stream == (FOOD, "cn/identity-commands"):
                places.append(logged.leaf.envelope.number)
                if places[-1] == 327:
                    break
    assert places == [21, *range(23, 328)]


async def test_a_follower_refuses_an_earlier_blank_without_an_order(
    lab: Lab, turned: Running
) -> None:
    assert turned.sequencer.state.size
    blank_by_hand(lab)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    following = Follower(FolderSource(lab.folder / "2026"), *keys, poll_s=0.01)
    with pytest.raises(ForgedLogError, match="no order"):
        async for _ in following.records():
            pass


async def test_over_http_supervisor_and_participant_see_it_explained(
    lab: Lab, turned: Running
) -> None:
    order(lab)
    await settle(lab, turned)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    async with served(lab, turned) as client:

        def check(source: str) -> Report:
            state = lab.var / source.rpartition("/")[2]
            url = f"{client.base_url}/log/2026"
            return verify_log(url, *keys, state_dir=state, jobs=1, reader=lab.reader(source))

        report = await to_thread(check, SUPERVISOR)
        assert (report.exit_code, report.withheld) == (0, 1), report.findings
        report = await to_thread(check, FOOD)
        assert (report.exit_code, report.withheld) == (30, 1), report.findings
