"""`sanyuan verify --drill`: every known way to tamper is found, and named."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.client.drill.conftest import dice, make_log
from tests.client.verify.conftest import AGENCY, LogMaker
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.drill import TAMPERINGS, DrillError, Ledger, copy_log, tamper
from sanyuan.client.drill.ledger import MemorySource
from sanyuan.client.drill.render import render
from sanyuan.client.drill.tampering import Finder, Tampered, Tampering
from sanyuan.client.verify import verify_log
from sanyuan.client.verify.source import FolderSource
from sanyuan.common.leaf import parse_leaf

TIMES = 2
"""Draws of each way here; `make faults` draws many more."""


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_every_tampering_is_found_and_named(copied: Ledger, tampering: Tampering) -> None:
    for outcome in tamper(copied, dice(tampering.name), [tampering] * TIMES):
        assert outcome.finding is not None, outcome.report.findings[:5]
        # What nobody can see from zero is said to be so: the drill would not flatter us.
        assert outcome.blind is (None if tampering.finder is Finder.ANYONE else True)


def test_the_copy_is_the_log_under_other_keys(tmp_path: Path) -> None:
    log = make_log(tmp_path)
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    ledger = copy_log(FolderSource(log.folder), *keys, enough=10**6)
    assert len(ledger.entries) == len(log.entries)
    for entry, original in zip(ledger.entries, log.entries, strict=True):
        ours, theirs = parse_leaf(entry.raw), parse_leaf(original)
        assert ours.stream == theirs.stream
        assert ours.envelope.sequence == theirs.envelope.sequence
        assert ours.envelope.id == theirs.envelope.id
        assert ours.key_id != theirs.key_id
    report = verify_log(
        MemorySource(ledger.files),
        ledger.agency.verifier,
        ledger.log_key.verifier,
        state_dir=tmp_path / "state",
    )
    assert (report.exit_code, report.findings) == (0, ())


def test_an_operator_who_rewrites_nothing_changes_nothing(copied: Ledger) -> None:
    audit = copied.entries[copied.seals[0]].source
    assert copied.rewritten(copied.entries, {audit}).files == copied.files


def test_a_copy_ends_before_what_cannot_be_read(tmp_path: Path) -> None:
    log = make_log(tmp_path)
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    log.entries[200] = b"nothing\n"
    log.publish()
    ledger = copy_log(FolderSource(log.folder), *keys, enough=10**6)
    assert 150 < len(ledger.entries) <= 200
    assert ledger.entries[-1].own


def test_a_log_with_too_little_is_no_ground_for_a_drill(tmp_path: Path) -> None:
    log = LogMaker(tmp_path / "log", tmp_path / "state")
    log.found()
    log.command()
    log.seal()
    log.publish()
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    with pytest.raises(DrillError, match="too little"):
        copy_log(FolderSource(log.folder), *keys)
    (log.folder / "checkpoint").unlink()
    with pytest.raises(DrillError, match="no checkpoint"):
        copy_log(FolderSource(log.folder), *keys)


def test_a_drill_shows_each_way_and_what_found_it(copied: Ledger) -> None:
    outcomes = tamper(copied, dice("3"), TAMPERINGS)
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(render(copied, outcomes))
    text = console.export_text()
    assert f"{len(TAMPERINGS)} / {len(TAMPERINGS)}" in text
    assert all(tampering.english in text for tampering in TAMPERINGS)


def test_a_drill_says_when_something_was_not_found(copied: Ledger) -> None:
    harmless = Tampering(
        "harmless", "", "", TAMPERINGS[0].holds, lambda ledger, _: _untouched(ledger)
    )
    (outcome,) = tamper(copied, dice("1"), [harmless])
    assert not outcome.found
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(render(copied, [outcome]))
    text = console.export_text()
    assert "nobody" in text
    assert "0 / 1" in text


def _untouched(ledger: Ledger) -> Tampered:
    return Tampered(ledger.files, TAMPERINGS[0].apply(ledger, dice("1")).expected)


def test_a_drill_starts_from_a_sound_copy_only(copied: Ledger) -> None:
    broken = copied.holding([*copied.entries[:9], *copied.entries[10:]])
    with pytest.raises(DrillError, match="not sound"):
        tamper(broken, dice("1"), TAMPERINGS)


def test_the_command_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    log = make_log(tmp_path)
    command = [
        *("verify", str(log.folder), "--drill", "--json"),
        *("--agency-key", str(log.key(AGENCY).verifier)),
        *("--log-key", str(log.log_key.verifier)),
    ]
    before = {path: path.read_bytes() for path in log.folder.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["tried"] == said["found"] == len(TAMPERINGS)
    assert before == {path: path.read_bytes() for path in log.folder.rglob("*") if path.is_file()}
