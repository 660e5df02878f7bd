"""A blank is accepted by the supervisor's order alone, and what it hides is said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.verify.conftest import AGENCY, AUDIT, FOOD, SUPERVISOR

from sanyuan.client.follow import Follower
from sanyuan.client.proving import find_proof, parse_wanted
from sanyuan.client.proving.finding import NoSuchRecordError
from sanyuan.client.verify import Grade, Report, verify_log
from sanyuan.client.verify.source import FolderSource
from sanyuan.client.withholding import (
    NotWithheldError,
    log_size,
    make_order,
    wait_for_answer,
)
from sanyuan.common.contracts.log import Withheld
from sanyuan.common.envelope import ZERO_HASH
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.tlog.authentic import ForgedLogError

if TYPE_CHECKING:
    from tests.client.verify.conftest import LogMaker


@pytest.fixture
def filled(log: LogMaker) -> LogMaker:
    """300 commands of one department in two sealed halves; nothing is published yet."""
    log.supervise()
    for _ in range(2):
        for _ in range(150):
            log.command()
        log.seal()
    return log


def of_commands(log: LogMaker, place: int) -> int:
    """The index of the command at a place of its stream."""
    text = f'"sequence":"{place:020d}"'.encode()
    return next(
        at
        for at, entry in enumerate(log.entries)
        if b"identity-commands" in entry and text in entry and b"verify-person" in entry
    )


def forged(report: Report) -> list[tuple[int | None, str]]:
    return [(each.index, each.what) for each in report.having(Grade.FORGED)]


@pytest.mark.parametrize("place", [1, 77, 149, 150, 151, 300])
def test_a_blank_with_an_order_is_sound_wherever_it_is(filled: LogMaker, place: int) -> None:
    index = of_commands(filled, place)
    order = filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    report = filled.verify()
    assert (report.exit_code, report.withheld, forged(report)) == (0, 1, [])
    [notice] = report.having(Grade.NOTICE)
    assert (notice.index, notice.source, notice.sequence) == (index, FOOD, place)
    assert str(order) in notice.what
    assert "a citizen number stands in it" in notice.what
    assert any("withheld" in each for each in report.unchecked)
    assert report.as_json()["withheld"] == 1
    again = filled.verify()
    assert (again.exit_code, again.withheld, again.checked_from) == (0, 1, report.size)


def test_many_blanks_in_a_row_are_sound_and_on_several_cores(filled: LogMaker) -> None:
    for _ in range(21):
        for _ in range(250):
            filled.command()
        filled.seal()
    blanks = [of_commands(filled, place) for place in (*range(20, 30), 256, 300)]
    for index in blanks:
        filled.order(index)
    filled.seal()
    filled.blanked = set(blanks)
    filled.publish()
    report = filled.verify(jobs=2)
    assert (report.exit_code, report.withheld, forged(report)) == (0, len(blanks), [])


def test_a_blank_without_an_order_is_forged(filled: LogMaker) -> None:
    index = of_commands(filled, 77)
    filled.blanked = {index}
    filled.publish()
    report = filled.verify()
    assert report.exit_code == 20
    assert forged(report)[0] == (
        index,
        "the entry is blank, and no order of the supervisor withholds it",
    )


@pytest.mark.parametrize(
    "other",
    [
        {"source": FOOD},
        {"source": AUDIT},
        {"log": "cn/log/2025"},
        {"index": 9},
        {"entry": ZERO_HASH},
        {"ground": ""},
        {"record": None},
    ],
)
def test_what_is_no_order_for_this_entry_explains_no_blank(
    filled: LogMaker, other: dict[str, Any]
) -> None:
    index = of_commands(filled, 77)
    filled.order(index, **other)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().exit_code == 20


def place_of(log: LogMaker, place: int, **other: str) -> dict[str, Any]:
    return {
        "source": FOOD,
        "topic": "cn/identity-commands",
        "sequence": f"{place:020d}",
        "hash": ZERO_HASH,
    } | other


@pytest.mark.parametrize(
    "record",
    [
        {"hash": "ab" * 32},
        {"sequence": f"{78:020d}"},
        {"topic": "cn/catalog-commands", "sequence": f"{1:020d}"},
        {"source": SUPERVISOR, "sequence": f"{1:020d}"},
    ],
)
def test_an_order_that_misstates_the_entrys_place_is_found(
    filled: LogMaker, record: dict[str, str]
) -> None:
    index = of_commands(filled, 77)
    filled.order(index, record=place_of(filled, 77, **record))
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().exit_code == 20


@pytest.mark.parametrize("what", ["participants", "log", "orders"])
def test_what_everybody_must_read_is_never_withheld(filled: LogMaker, what: str) -> None:
    if what == "orders":
        filled.order(of_commands(filled, 3))
    needle = {"participants": b"food-permits", "log": b"log.sealed.v1", "orders": b"withhold"}[what]
    index = next(at for at, entry in enumerate(filled.entries) if needle in entry)
    filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().exit_code == 20


def test_an_order_under_a_revoked_key_explains_no_blank(filled: LogMaker) -> None:
    data = {"source": SUPERVISOR, "signing_key": str(filled.key(SUPERVISOR).verifier)}
    filled.add(AGENCY, "participants", "participant.key-revoked.v1", data)
    index = of_commands(filled, 77)
    filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    report = filled.verify()
    assert (report.exit_code, forged(report)[-1][0]) == (20, index)


def test_an_order_that_is_not_signed_explains_no_blank(filled: LogMaker) -> None:
    index = of_commands(filled, 77)
    filled.keys[SUPERVISOR] = filled.key(FOOD)  # signs under another name
    filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().exit_code == 20


def test_a_refused_order_explains_no_blank(filled: LogMaker) -> None:
    index = of_commands(filled, 77)
    order = filled.order(index)
    filled.own("log.withholding-refused.v1", {"order": order, "reason": "entry-differs"})
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().exit_code == 20


def test_a_blank_is_verified_over_http_too(filled: LogMaker, served: str) -> None:
    index = of_commands(filled, 77)
    filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    keys = filled.key(AGENCY).verifier, filled.log_key.verifier
    report = verify_log(served, *keys, state_dir=filled.state, jobs=1)
    assert (report.exit_code, report.withheld) == (0, 1)


class Meanwhile(FolderSource):
    """A log that goes on right after its checkpoint was read."""

    def __init__(self, log: LogMaker, index: int) -> None:
        super().__init__(log.folder)
        self._log = log
        self._index: int | None = index

    def read(self, path: str) -> bytes | None:
        raw = super().read(path)
        if path == "checkpoint" and self._index is not None:
            self._log.order(self._index)
            self._log.seal()
            self._log.blanked = {self._index}
            self._index = None
            self._log.publish()
        return raw


def test_a_blank_whose_order_only_a_newer_checkpoint_covers_is_read_again(
    filled: LogMaker,
) -> None:
    filled.publish()
    source = Meanwhile(filled, of_commands(filled, 77))
    keys = filled.key(AGENCY).verifier, filled.log_key.verifier
    report = verify_log(source, *keys, state_dir=filled.state, jobs=1)
    assert (report.exit_code, report.withheld) == (0, 1)
    assert report.size == len(filled.entries)


@pytest.mark.asyncio
@pytest.mark.parametrize("meanwhile", [True, False])
async def test_a_follower_passes_over_what_is_withheld(
    filled: LogMaker, tmp_path: Path, *, meanwhile: bool
) -> None:
    index = of_commands(filled, 77)
    source: FolderSource
    if meanwhile:
        filled.publish()
        source = Meanwhile(filled, index)
    else:
        filled.order(index)
        filled.seal()
        filled.blanked = {index}
        filled.publish()
        source = FolderSource(filled.folder)
    keys = filled.key(AGENCY).verifier, filled.log_key.verifier
    following = Follower(source, *keys, tmp_path / "follower", poll_s=0.01)
    seen: list[int] = []
    async with asyncio.timeout(20):
        async for logged in following.records():
            seen.append(logged.index)
            if logged.index == len(filled.entries) - 1:
                break
    assert seen == [at for at in range(len(filled.entries)) if at != index]


@pytest.mark.asyncio
async def test_a_follower_refuses_a_blank_without_an_order(filled: LogMaker) -> None:
    filled.blanked = {of_commands(filled, 77)}
    filled.publish()
    keys = filled.key(AGENCY).verifier, filled.log_key.verifier
    following = Follower(FolderSource(filled.folder), *keys, poll_s=0.01)
    with pytest.raises(ForgedLogError, match="no order"):
        async for _ in following.records():
            pass


def test_a_withheld_record_has_no_proof_and_the_others_have(filled: LogMaker) -> None:
    index = of_commands(filled, 77)
    filled.order(index)
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    keys = filled.key(AGENCY).verifier, filled.log_key.verifier
    source = FolderSource(filled.folder)
    with pytest.raises(NoSuchRecordError, match="withheld"):
        find_proof(source, *keys, parse_wanted(str(index)))
    proof = find_proof(source, *keys, parse_wanted(str(index + 1)))
    assert proof.verify(*keys).index == index + 1


def test_an_order_is_made_of_the_proven_entry_and_its_answer_is_found(filled: LogMaker) -> None:
    index = of_commands(filled, 77)
    filled.publish()
    source, key = FolderSource(filled.folder), filled.log_key.verifier
    order = make_order(source, key, index, "a citizen number stands in it")
    start = log_size(source, key)
    placed = filled.add(SUPERVISOR, "audit-commands", "audit.withhold-entry.v1", order)
    sent = parse_leaf(filled.entries[placed]).hash
    filled.own("log.withheld.v1", {"order": placed, "index": index})
    filled.seal()
    filled.blanked = {index}
    filled.publish()
    assert filled.verify().withheld == 1
    answer = wait_for_answer(source, key, start, sent, 1)
    assert answer == Withheld(order=placed, index=index)
    with pytest.raises(NotWithheldError, match="withheld already"):
        make_order(source, key, index, "again")
    with pytest.raises(NotWithheldError, match="no answer"):
        wait_for_answer(source, key, start, ZERO_HASH, 0)
