"""The main job, end to end, on a whole installation: founding, the case, the log, the trace."""

import asyncio
import io
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from tests.e2e.conftest import Theatre

from sanyuan.client.casefile import arrange, find_case
from sanyuan.client.follow import Logged
from sanyuan.client.tracing import find_trace
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.source import open_source
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.demo.case import Played, play_case
from sanyuan.sandbox.demo.evidence import keys_of, wait_until_quiet
from sanyuan.sandbox.starting import Installation, bring_up

pytestmark = pytest.mark.kafka

QUESTIONS = 26
DECISIONS = {
    "identity.person-verified.v1": 1,
    "identity.organisation-verified.v1": 3,
    "identity.person-not-verified.v1": 6,
    "identity.verification-refused.v1": 3,
    "license-exchange.sharing-refused.v1": 2,
    "license-exchange.license-fields-shared.v1": 1,
    "license-exchange.license-issued.v1": 1,
    "license-exchange.presentation-opened.v1": 2,
    "license-exchange.presentation-verified.v1": 1,
    "license-exchange.presentation-refused.v1": 1,
    "license-exchange.license-revoked.v1": 1,
    "catalog.grant-issued.v1": 2,
    "catalog.resource-refused.v1": 1,
    "call.admitted.v1": 1,
}
CAUSED_BESIDE = {
    "catalog.grant-opened.v1": 2,
    "call.answered.v1": 1,
    "license-exchange.status-list-renewed.v1": 1,
    "license-exchange.license-changed.v1": 1,
}
REASONS = [
    "malformed",
    "not-permitted",
    "locked",
    "unknown-grant",
    "field-not-granted",
    "element-claimed",
    "license-revoked",
]


@dataclass(frozen=True)
class Told:
    """A case that was played and how it was told."""

    played: Played
    text: str


@pytest.fixture(scope="module")
def told(theatre: Theatre) -> Told:
    out, installation = io.StringIO(), theatre.installation
    ready = partial(loading.wait_for_first, installation)
    console = Console(file=out, width=120)
    played = asyncio.run(play_case(installation, console, theatre.cast, theatre.props, ready))
    loading.wait_for_all(installation, Console(file=io.StringIO()))
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
    assert marks == {"▸": 25, "✓": 12, "✗": 6, "⊘": 7}
    assert told.played.questions == QUESTIONS
    assert told.played.case in told.text


def test_every_question_of_the_case_and_its_one_decision_are_in_the_log(
    installation: Installation, told: Told
) -> None:
    tree = arrange(records(installation, told.played.case))
    assert len(tree) == QUESTIONS
    caused = [each.logged.leaf.envelope for entry in tree for each in entry.caused]
    decided = [each for each in caused if "command" in each.data]
    assert Counter(each.type for each in decided) == DECISIONS
    assert Counter(each.type for each in caused) == Counter(DECISIONS) + Counter(CAUSED_BESIDE)
    reasons = [each.data["reason"] for each in decided if "reason" in each.data]
    assert sorted(reasons) == sorted(REASONS)


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
    decided = Counter(span.service for span in spans if span.batch is not None)
    assert decided == {"identity": 13, "catalog": 4, "license-exchange": 9}
    assert {"departments-1", "departments-2"} & {span.service for span in spans}


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
