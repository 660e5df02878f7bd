"""`verify --heads`: a stream that the broker silenced is named, with place and both hashes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from tests.client.verify.conftest import AGENCY, FOOD, LogMaker
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.heads.keeping import Posted, write_notes
from sanyuan.client.heads.note import Head, Heads, SignedHeads
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.findings import Grade
from sanyuan.client.verify.silenced import GRACE_SECONDS, load_posted
from sanyuan.client.verify.source import SourceError

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "cn/identity-commands"
TIME = "2026-11-23T02:17:00.123456Z"
SEALED_AT = datetime.fromisoformat(TIME).timestamp()
EARLY, FRESH, LATE = SEALED_AT - GRACE_SECONDS, SEALED_AT - 1, SEALED_AT + GRACE_SECONDS
OTHER = "b" * 64


def posted(log: LogMaker, received: float, *heads: Head, source: str = FOOD) -> Posted:
    note = Heads.of(source, TIME, heads).sign(log.key(source))
    return Posted(received, SignedHeads.parse(note))


def verified(log: LogMaker, *notes: Posted) -> Report:
    agency, key = log.key(AGENCY).verifier, log.log_key.verifier
    return verify_log(str(log.folder), agency, key, state_dir=log.state, jobs=1, heads=notes)


@pytest.fixture
def places(log: LogMaker) -> list[Head]:
    """A log in which three records of FOOD were sealed, and their heads."""
    found = []
    for number in range(1, 4):
        log.command()
        found.append(Head(TOPIC, number, log.streams[FOOD, TOPIC].head))
    log.seal()
    log.publish()
    return found


def test_heads_that_the_log_has_say_nothing(log: LogMaker, places: list[Head]) -> None:
    report = verified(log, *(posted(log, EARLY, head) for head in places))
    assert (report.exit_code, report.findings) == (0, ())
    assert not [line for line in report.unchecked if "no heads were compared" in line]
    assert [line for line in log.verify().unchecked if "no heads were compared" in line]


@pytest.mark.parametrize("received", [EARLY, LATE, EARLY - 3600, LATE + 3600])
def test_a_silenced_stream_is_named_with_its_place_and_both_hashes(
    log: LogMaker, places: list[Head], received: float
) -> None:
    calls = Head("cn/calls", 1, OTHER)
    more = [Head(TOPIC, 4, OTHER), Head(TOPIC, 5, OTHER)]
    report = verified(log, *(posted(log, received, calls, head) for head in more))
    assert report.exit_code == 10
    first, second = report.having(Grade.INCOMPLETE)
    assert (first.source, first.topic, first.sequence) == (FOOD, "cn/calls", 1)
    assert (first.expected, first.found) == (OTHER, "0" * 64)
    assert (second.topic, second.sequence) == (TOPIC, 5)
    assert (second.expected, second.found) == (OTHER, places[-1].hash)
    assert "silenced" in second.what
    assert "the log has 3" in second.what


def test_what_may_still_be_on_its_way_is_not_called_silenced(
    log: LogMaker, places: list[Head]
) -> None:
    assert places
    assert verified(log, posted(log, FRESH, Head(TOPIC, 4, OTHER))).exit_code == 0


@pytest.mark.parametrize("last", [1, 2, 3])
def test_another_record_than_the_supervisor_was_told_of_is_named(
    log: LogMaker, places: list[Head], last: int
) -> None:
    report = verified(log, posted(log, FRESH, Head(TOPIC, last, OTHER)))
    [finding] = report.having(Grade.INCOMPLETE)
    assert (finding.source, finding.topic, finding.sequence) == (FOOD, TOPIC, last)
    assert (finding.expected, finding.found) == (OTHER, places[last - 1].hash)


def test_places_far_back_are_found_also_by_a_run_that_reads_only_what_is_new(log: LogMaker) -> None:
    log.command()
    old = Head(TOPIC, 1, log.streams[FOOD, TOPIC].head)
    for _ in range(700):
        log.command()
    log.seal()
    log.publish()
    assert verified(log).exit_code == 0
    log.command()
    log.seal()
    log.publish()
    report = verified(log, posted(log, EARLY, old))
    assert report.checked_from
    assert (report.exit_code, report.findings) == (0, ())
    [finding] = verified(log, posted(log, EARLY, old._replace(hash=OTHER))).findings
    assert (finding.sequence, finding.found) == (1, old.hash)


def test_heads_under_a_key_that_the_log_does_not_register_do_not_count(
    log: LogMaker, places: list[Head]
) -> None:
    stranger = f"{FOOD}-2"
    report = verified(log, posted(log, EARLY, places[0], source=stranger))
    [finding] = report.findings
    assert (report.exit_code, finding.grade, finding.source) == (0, Grade.NOTICE, stranger)


def test_the_command_reads_the_supervisors_folder(
    log: LogMaker, places: list[Head], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "heads"
    folder.mkdir()
    write_notes(folder, FOOD, [posted(log, EARLY, *places[:1])])
    keys = ["--agency-key", str(log.key(AGENCY).verifier), "--log-key", str(log.log_key.verifier)]
    command = ["verify", str(log.folder), *keys, "--json", "--heads"]
    assert CliRunner().invoke(app, [*command, str(folder)]).exit_code == 0
    write_notes(folder, FOOD, [posted(log, EARLY, Head(TOPIC, 7, OTHER))])
    done = CliRunner().invoke(app, [*command, str(folder)])
    assert done.exit_code == 10
    [finding] = json.loads(done.stdout)["findings"]
    assert (finding["sequence"], finding["source"]) == (7, FOOD)
    assert CliRunner().invoke(app, [*command, str(tmp_path / "none")]).exit_code == 2


def test_heads_that_cannot_be_read_are_an_error_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    for where in (str(tmp_path), str(tmp_path / "none"), "http://127.0.0.1:1/"):
        with pytest.raises(SourceError):
            load_posted(where)
