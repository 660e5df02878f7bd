"""What `sanyuan verify` says of honest, incomplete and forged logs."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from sanyuan.client.verify import Grade, Report, verify_log
from sanyuan.client.verify.findings import Completeness, Integrity
from sanyuan.client.verify.render import print_report
from sanyuan.common.envelope import format_sequence
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.tiles import tiles_between

if TYPE_CHECKING:
    from tests.client.verify.conftest import LogMaker

FOOD = "//cn/departments/11110000000012345X/food-permits"
OTHER = "//cn/departments/11110000000012345X/other"
AGENCY = "//cn/agency/11100000000013338W/agency"
STREAM = {"source": FOOD, "topic": "cn/identity-commands"}


def fill(log: LogMaker, count: int = 20) -> None:
    for _ in range(count):
        log.command()
    log.seal()


def first(report: Report, grade: Grade = Grade.FORGED) -> Any:  # noqa: ANN401
    return report.having(grade)[0]


def test_an_honest_log_is_sound_and_complete(log: LogMaker) -> None:
    fill(log)
    log.seal(split=3)  # nothing moved: empty parts
    log.command()
    log.seal()
    head = log.publish()
    report = log.verify()
    assert report.findings == ()
    assert (report.integrity, report.completeness) == (Integrity.SOUND, Completeness.COMPLETE)
    assert (report.exit_code, report.size, report.root) == (0, head.size, head.root.hex())
    assert report.unchecked
    assert report.as_json()["exit"] == 0


def test_a_log_of_many_bundles_is_sound_on_several_cores(log: LogMaker) -> None:
    for _ in range(22):
        fill(log, 255)
    log.publish()
    done: list[tuple[int, int]] = []
    report = verify_log(
        str(log.folder),
        log.key(AGENCY).verifier,
        log.log_key.verifier,
        state_dir=log.state,
        jobs=2,
        progress=lambda *at: done.append(at),
    )
    assert (report.exit_code, report.findings) == (0, ())
    assert done[-1] == (report.size, report.size)
    log.entries[3000] = log.entries[3000].replace(b'"case"', b'"cafe"')
    log.publish()
    report = log.verify(jobs=2, state=log.state / "fresh")
    assert first(report).index == 3000


def test_a_second_run_checks_only_what_is_new(log: LogMaker) -> None:
    fill(log, 600)
    old = log.publish()
    assert log.verify().exit_code == 0
    again = log.verify()
    assert (again.exit_code, again.checked_from) == (0, old.size)
    fill(log, 300)
    log.publish()
    more = log.verify()
    assert (more.exit_code, more.checked_from, more.findings) == (0, old.size, ())
    assert log.verify(state=log.state / "fresh").checked_from == 0


@pytest.mark.parametrize("size", [20, 300])
def test_any_changed_byte_is_found_after_a_sound_run_too(log: LogMaker, size: int) -> None:
    fill(log, size)
    head = log.publish()
    assert log.verify().exit_code == 0
    for path in ["checkpoint", *(tile.path for tile in tiles_between(0, head.size))]:
        file = log.folder / path
        good = file.read_bytes()
        file.write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
        assert log.verify().exit_code == 20, path
        file.write_bytes(good)
    assert log.verify().exit_code == 0


def test_a_changed_copy_is_found_with_the_state_of_the_original(log: LogMaker) -> None:
    fill(log, 600)
    log.publish()
    assert log.verify().exit_code == 0
    copy = log.folder.with_name("copy")
    shutil.copytree(log.folder, copy)
    file = copy / "tile/entries/000"
    raw = bytearray(file.read_bytes())
    raw[5000] ^= 1
    file.write_bytes(raw)
    log.folder = copy
    assert log.verify().exit_code == 20


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_byte_can_change_unseen(log: LogMaker, data: st.DataObject) -> None:
    if not log.folder.exists():
        fill(log, 260)
        log.publish()
    paths = ["checkpoint", *(tile.path for tile in tiles_between(0, len(log.entries)))]
    file = log.folder / data.draw(st.sampled_from(paths))
    good = file.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    file.write_bytes(good[:at] + bytes([byte]) + good[at + 1 :])
    report = log.verify(state=log.state / "fresh")
    file.write_bytes(good)
    assert report.exit_code == 20
    assert first(report).what


@pytest.mark.parametrize("cut", [0, -1, -100])
def test_a_cut_or_grown_file_is_found(log: LogMaker, cut: int) -> None:
    fill(log, 260)
    head = log.publish()
    for tile in tiles_between(0, head.size):
        file = log.folder / tile.path
        good = file.read_bytes()
        file.write_bytes(good[:cut] if cut else good + b"\x00")
        assert log.verify().exit_code == 20, tile.path
        file.write_bytes(good)


def test_a_missing_file_cannot_be_checked(log: LogMaker) -> None:
    fill(log, 260)
    head = log.publish()
    for path in ["checkpoint", *(tile.path for tile in tiles_between(0, head.size))]:
        (log.folder / path).rename(log.folder / "away")
        report = log.verify()
        assert report.exit_code == 30
        assert first(report, Grade.UNREADABLE).path == path
        (log.folder / "away").rename(log.folder / path)
    shutil.rmtree(log.folder)
    assert log.verify().exit_code == 30


def test_a_removed_partial_file_is_read_from_the_full_one(log: LogMaker) -> None:
    fill(log, 100)
    head = log.publish()
    checkpoint = (log.folder / "checkpoint").read_bytes()
    fill(log, 300)
    log.publish()
    (log.folder / "checkpoint").write_bytes(checkpoint)
    for tile in tiles_between(0, head.size):
        (log.folder / tile.path).unlink()
    assert log.verify().exit_code == 0


def test_another_agency_or_log_key_is_no_proof(log: LogMaker) -> None:
    fill(log)
    log.publish()
    other = SigningKey.generate("cn/agency/11100000000013338W/agency").verifier
    report = verify_log(str(log.folder), other, log.log_key.verifier, state_dir=log.state)
    assert first(report).index == 0
    mine = log.key(AGENCY).verifier
    report = verify_log(
        str(log.folder), mine, SigningKey.generate("cn/log/2026").verifier, state_dir=log.state
    )
    assert first(report).path == "checkpoint"


def test_a_log_that_shrank_is_forged(log: LogMaker) -> None:
    fill(log)
    log.publish()
    small = (log.folder / "checkpoint").read_bytes()
    fill(log)
    log.publish()
    assert log.verify().exit_code == 0
    (log.folder / "checkpoint").write_bytes(small)
    report = log.verify()
    assert report.exit_code == 20
    assert "shrank" in first(report).what


@pytest.mark.parametrize("more", [0, 300])
def test_a_log_that_forked_is_forged(log: LogMaker, more: int) -> None:
    honest = list(log.entries), {key: vars(stream).copy() for key, stream in log.streams.items()}
    fill(log)
    log.publish()
    assert log.verify().exit_code == 0
    log.entries = honest[0]
    for key, facts in honest[1].items():
        vars(log.streams[key]).update(facts)
    log.streams = {key: log.streams[key] for key in honest[1]}
    log.previous_seal, log.offset = None, 0
    for _ in range(20):
        log.command(correlationid="another case")
    log.seal()
    if more:
        fill(log, more)
    shutil.rmtree(log.folder)
    log.publish()
    report = log.verify()
    assert report.exit_code == 20
    assert any("forked" in finding.what for finding in report.findings)
    assert log.verify(state=log.state / "fresh").exit_code == 0


def test_a_key_counts_from_its_registration_on(log: LogMaker) -> None:
    early = log.command(OTHER)
    log.register(OTHER)
    log.command(OTHER)
    log.seal()
    log.publish()
    report = log.verify()
    assert first(report).index == early
    assert first(report).source == OTHER


def test_a_record_under_another_systems_key_is_forged(log: LogMaker) -> None:
    log.register(OTHER)
    log.keys[OTHER] = SigningKey.generate("cn/departments/11110000000012345X/other")
    index = log.command(OTHER)
    log.seal()
    log.publish()
    assert first(log.verify()).index == index


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sequence": format_sequence(3)}, "jumps"),
        ({"sequence": format_sequence(1)}, "jumps"),
        ({"previous": "0" * 64}, "does not continue"),
    ],
)
def test_a_stream_is_contiguous(log: LogMaker, change: dict[str, str], what: str) -> None:
    log.command()
    index = log.command(**change)
    log.seal()
    log.publish()
    finding = first(log.verify())
    assert (finding.index, finding.source) == (index, FOOD)
    assert what in finding.what


def test_a_seal_that_hides_a_stream_is_forged(log: LogMaker) -> None:
    log.command()
    log.seal(rows=[row for row in log.rows() if row[0] != FOOD])
    log.publish()
    finding = first(log.verify())
    assert (finding.source, finding.sequence, finding.found) == (FOOD, 1, "no row")


@pytest.mark.parametrize(
    "change",
    [
        {"previous_seal": 3},
        {"part": 2, "parts": 2},
        {"parts": 2},
        {"rows": []},
        {"positions": {"identity-commands": {"3": 10}}},
    ],
)
def test_a_seal_that_breaks_its_own_rules_is_forged(log: LogMaker, change: dict[str, Any]) -> None:
    fill(log)
    log.command()
    log.seal(**change)
    log.command()
    log.seal()
    log.publish()
    assert log.verify().exit_code == 20


def test_records_under_no_seal_are_incomplete(log: LogMaker) -> None:
    fill(log)
    log.command()
    log.publish()
    report = log.verify()
    assert (report.exit_code, report.completeness) == (10, Completeness.INCOMPLETE)


def test_an_open_gap_is_incomplete_and_a_closed_one_is_not(log: LogMaker) -> None:
    log.command()
    gap = log.own("log.gap.v1", STREAM | {"expected": 2, "seen": 4})
    log.seal()
    log.publish()
    report = log.verify()
    assert report.exit_code == 10
    finding = first(report, Grade.INCOMPLETE)
    assert (finding.source, finding.sequence, finding.index) == (FOOD, 2, gap)
    log.command()
    log.own("log.gap-closed.v1", STREAM | {"expected": 2, "gap": gap})
    log.seal()
    log.publish()
    assert log.verify().exit_code == 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("log.gap.v1", {"expected": 5, "seen": 9}),
        ("log.gap.v1", {"expected": 2, "seen": 1}),
        ("log.gap-closed.v1", {"expected": 1, "gap": 3}),
        ("log.gap.v1", {"expected": "many"}),
    ],
)
def test_a_false_statement_about_a_stream_is_forged(
    log: LogMaker, kind: str, data: dict[str, Any]
) -> None:
    log.command()
    index = log.own(kind, STREAM | data)
    log.seal()
    log.publish()
    assert first(log.verify()).index == index


def test_nobody_else_speaks_for_the_log(log: LogMaker) -> None:
    index = log.add(FOOD, "log", "log.gap.v1", STREAM | {"expected": 1, "seen": 4})
    log.seal()
    log.publish()
    assert first(log.verify()).index == index


def test_what_others_did_wrong_is_told_and_takes_nothing_from_the_log(log: LogMaker) -> None:
    log.command()
    fork = {"sequence": 1, "first": "a" * 64, "second": "b" * 64, "signature": "— x y"}
    log.own("log.equivocation.v1", STREAM | fork)
    digest = {"topic": "identity-commands", "partition": 3, "reason": "unknown-key"}
    offsets = {"first_offset": 1, "last_offset": 9, "count": 2, "digest": "c" * 64}
    log.own("log.digest.v1", digest | offsets)
    log.seal()
    log.publish()
    report = log.verify()
    assert report.exit_code == 0
    assert len(report.having(Grade.NOTICE)) == 2


def test_a_spoilt_state_file_is_as_good_as_none(log: LogMaker) -> None:
    fill(log)
    log.publish()
    assert log.verify().exit_code == 0
    for file in log.state.iterdir():
        file.write_bytes(b"spoilt")
    assert log.verify().checked_from == 0


def test_a_log_is_read_over_http_as_from_a_folder(log: LogMaker, served: str) -> None:
    fill(log, 300)
    log.publish()
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    report = verify_log(served, *keys, state_dir=log.state)
    assert (report.exit_code, report.findings) == (0, ())
    assert verify_log(served, *keys, state_dir=log.state).checked_from == report.size
    assert log.verify().checked_from == 0  # what HTTP showed says nothing of these files
    (log.folder / "checkpoint").unlink()
    assert verify_log(served, *keys, state_dir=log.state).exit_code == 30
    assert verify_log("http://127.0.0.1:9/", *keys, state_dir=log.state).exit_code == 30


def test_a_report_names_verdicts_and_findings_for_people(log: LogMaker) -> None:
    log.command()
    log.command(previous="0" * 64)
    log.seal()
    log.publish()
    console = Console(record=True, width=200, file=io.StringIO())
    print_report(log.verify(), console)
    text = console.export_text()
    assert "FORGED" in text
    assert FOOD in text
    assert "Not checked" in text
