"""The main job, end to end, on a whole installation: founding, the case, the log, the trace."""

import asyncio
import io
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from sanyuan.client.casefile import arrange, find_case
from sanyuan.client.follow import Logged
from sanyuan.client.tracing import find_trace
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.source import open_source
from sanyuan.sandbox.demo.case import Played, play_case
from sanyuan.sandbox.demo.evidence import keys_of, wait_until_quiet
from sanyuan.sandbox.starting import Installation, bring_up

pytestmark = pytest.mark.kafka

ANSWERS = {
    "identity.person-verified.v1": 1,
    "identity.organisation-verified.v1": 1,
    "identity.person-not-verified.v1": 6,
    "identity.verification-refused.v1": 3,
}


@dataclass(frozen=True)
class Told:
    """A case that was played and how it was told."""

    played: Played
    text: str


@pytest.fixture(scope="module")
def told(installation: Installation) -> Told:
    out = io.StringIO()
    played = asyncio.run(play_case(installation, Console(file=out, width=120)))
    wait_until_quiet(installation)
    return Told(played, out.getvalue())


def records(installation: Installation, case: str) -> list[Logged]:
    with open_source(str(installation.settings.var / "audit" / "log")) as source:
        return find_case(source, *keys_of(installation), case)


def verified(installation: Installation, state: Path) -> Report:
    log = str(installation.settings.var / "audit" / "log")
    return verify_log(log, *keys_of(installation), state_dir=state, jobs=1)


def test_the_case_is_told_line_by_line_as_it_is_written(told: Told) -> None:
    marks = Counter(re.findall(r"[▸✓✗⊘]", told.text))
    assert marks == {"▸": 11, "✓": 2, "✗": 6, "⊘": 3}
    assert told.played.questions == 11
    assert told.played.case in told.text


def test_every_question_of_the_case_and_its_one_decision_are_in_the_log(
    installation: Installation, told: Told
) -> None:
    tree = arrange(records(installation, told.played.case))

    assert [len(entry.caused) for entry in tree] == [1] * told.played.questions
    answers = Counter(e.caused[0].logged.leaf.envelope.type for e in tree)
    assert answers == ANSWERS
    reasons = [e.caused[0].logged.leaf.envelope.data.get("reason") for e in tree]
    assert [reason for reason in reasons if reason] == ["malformed", "not-permitted", "locked"]


def test_the_whole_log_is_sound_and_complete(
    installation: Installation, told: Told, tmp_path: Path
) -> None:
    report = verified(installation, tmp_path)
    assert (report.exit_code, report.findings) == (0, ())


def test_the_case_is_one_trace_from_the_first_hop_to_the_last(
    installation: Installation, told: Told
) -> None:
    spans = find_trace(installation.settings.var / "traces", told.played.case)
    assert {span.trace for span in spans} == {told.played.case}
    hops = Counter((span.service, span.name.split()[0]) for span in spans)
    assert hops["food-permits", "outbox"] == told.played.questions
    assert hops["food-permits", "open"] == told.played.questions
    decided = [span for span in spans if span.service == "identity" and span.batch is not None]
    assert len(decided) == told.played.questions


def test_nobody_is_named_in_the_telling_the_log_the_logs_and_the_traces(
    installation: Installation, told: Told
) -> None:
    var = installation.settings.var
    with closing(sqlite3.connect(installation.registers.population)) as register:
        people = register.execute("SELECT number, name, mobile FROM person").fetchall()
    numbers = {number for number, _, _ in people} | {mobile for _, _, mobile in people}
    names = re.compile("|".join(re.escape(name) for _, name, _ in people))
    texts = [told.text, *_texts(installation, told.played.case, var)]

    for text in texts:
        assert not names.search(text)
        assert not numbers & set(re.findall(r"(?<![0-9])[0-9]{17}[0-9X](?![0-9])", text))
        assert not numbers & set(re.findall(r"(?<![0-9])1[0-9]{10}(?![0-9])", text))


def _texts(installation: Installation, case: str, var: Path) -> Iterator[str]:
    yield from (each.leaf.value.decode() for each in records(installation, case))
    for folder in ("logs", "traces"):
        for path in sorted((var / folder).iterdir()):
            yield path.read_text(errors="replace")


def test_founding_again_changes_nothing(installation: Installation) -> None:
    var = installation.settings.var
    before = {path: path.read_bytes() for path in (var / "systems").iterdir()}
    sizes = _participants(installation)
    out = io.StringIO()
    bring_up(installation.settings, installation.runner, Console(file=out, width=120))

    assert {path: path.read_bytes() for path in (var / "systems").iterdir()} == before
    assert _participants(installation) == sizes
    assert "new: 0 topics, 0 users, 0 permissions, 0 connections" in out.getvalue()


def _participants(installation: Installation) -> int:
    """How many records the agency has written."""
    database = installation.settings.var / "state" / "agency" / "client.db"
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT sequence FROM outbox_head WHERE topic='participants'")
        return int(found.fetchone()[0])
