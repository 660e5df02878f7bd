"""How workers and judge share the work: the verdict must not depend on where it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanyuan.client.verify import Grade, verify_log
from sanyuan.client.verify.findings import Completeness, Finding, Integrity
from sanyuan.client.verify.history import History
from sanyuan.client.verify.runs import Facts, Keys
from sanyuan.client.verify.runs import check_entries as check
from sanyuan.client.verify.source import FolderSource
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import format_sequence
from sanyuan.common.tlog.merkle import leaf_hash

if TYPE_CHECKING:
    from tests.client.verify.conftest import LogMaker

FOOD = "//cn/departments/11110000000012345X/food-permits"
OTHER = "//cn/departments/11110000000012345X/other"
AGENCY = "//cn/agency/11100000000013338W/agency"
TOPIC = "cn/identity-commands"


class CountingSource(FolderSource):
    """Counts what is read."""

    reads = 0

    def read(self, path: str) -> bytes | None:
        self.reads += 1
        return super().read(path)


def check_entries(first: int, entries: list[bytes], keys: Keys) -> Facts:
    return check(first, entries, [leaf_hash(entry) for entry in entries], keys)


def judge(log: LogMaker, cuts: list[int]) -> tuple[list[Finding], dict[str, object]]:
    """Judge the entries in pieces that end at `cuts`, keys as they are known at each."""
    told: list[Finding] = []
    directory = Directory(log.key(AGENCY).verifier)
    history = History(directory, log.log_key.verifier, "cn/log/2026", told.append)
    first = 0
    for end in [*cuts, len(log.entries)]:
        keys = history.keys
        history.judge(check_entries(first, log.entries[first:end], keys), keys)
        first = end
    history.conclude()
    return sorted(told, key=repr), history.dump()


STEPS = st.sampled_from(
    ["food", "other", "jump", "fork", "spoil", "unparsable", "blank", "seal", "register"]
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=25), data=st.data())
def test_the_verdict_is_the_same_however_the_log_is_cut(
    log: LogMaker, steps: list[str], data: st.DataObject
) -> None:
    log.entries, log.streams, log.previous_seal, log.offset = [], {}, None, 0
    log.found()
    for step in steps:
        match step:
            case "food" | "other":
                log.command(FOOD if step == "food" else OTHER)
            case "jump":
                log.command(sequence=format_sequence(9))
            case "fork":
                log.command(previous="0" * 64)
            case "spoil":
                index = log.command()
                log.entries[index] = log.entries[index].replace(b'"case"', b'"cafe"')
            case "unparsable":
                log.entries.append(b"nothing\n")
            case "blank":
                log.entries.append(b"")
            case "seal":
                log.seal()
            case _:
                log.register(OTHER)
    places = st.integers(0, len(log.entries))
    cuts = data.draw(st.lists(places, max_size=6).map(sorted))
    assert judge(log, cuts) == judge(log, list(range(len(log.entries))))


def test_records_of_one_stream_travel_as_one_run(log: LogMaker) -> None:
    for _ in range(50):
        log.command()
    history = History(Directory(log.key(AGENCY).verifier), log.log_key.verifier, "", print)
    founding = check_entries(0, log.entries[:6], history.keys)
    history.judge(founding, history.keys)
    facts = check_entries(6, log.entries[6:], history.keys)
    assert facts.end == 56
    assert [(run.start.sequence, run.last) for run in facts.parts] == [(1, 50)]  # type: ignore[union-attr]
    assert isinstance(facts, Facts)


def test_a_second_run_reads_as_much_as_is_new_whatever_the_log_has_already(log: LogMaker) -> None:
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    reads = []
    for count in (300, 2000):
        for _ in range(count):
            log.command()
        log.seal()
        log.publish()
        assert log.verify().exit_code == 0
        log.command()
        log.seal()
        log.publish()
        source = CountingSource(log.folder)
        assert verify_log(source, *keys, state_dir=log.state, jobs=1).exit_code == 0
        reads.append(source.reads)
    assert max(reads) < 20


def test_what_is_remembered_takes_a_few_kilobytes_a_hundred_streams(log: LogMaker) -> None:
    sources = [f"//cn/departments/11110000000012345X/system-{n}" for n in range(100)]
    for source in sources:
        log.register(source)
    sizes = []
    for _ in range(2):
        for source in sources * 4:
            log.command(source)
        log.seal()
        log.publish()
        assert log.verify().exit_code == 0
        sizes.append(sum(file.stat().st_size for file in log.state.iterdir()))
    assert sizes[1] < 15_000  # the keys of a hundred systems included
    assert sizes[1] < sizes[0] * 1.05


def test_a_report_says_how_long_each_stream_has_been_silent(log: LogMaker) -> None:
    log.register(OTHER)
    for source, at in ((OTHER, "10:00:00Z"), (FOOD, "10:00:07Z"), (FOOD, "11:30:00Z")):
        log.command(source)
        log.seal_time = f"2026-11-23T{at}"
        log.seal()
    log.command()
    log.publish()
    report = log.verify()
    silent = {(each.source, each.topic): (each.last, each.seconds) for each in report.silences}
    assert silent[OTHER, TOPIC] == (1, 5400)
    assert silent[FOOD, TOPIC] == (3, 0)
    assert report.silences[0].seconds == 5400
    assert (OTHER, "cn/log") not in silent
    assert report.as_json()["silences"][0]["source"] in (OTHER, AGENCY)


def test_every_finding_about_a_record_names_where_it_is_and_both_hashes(log: LogMaker) -> None:
    for _ in range(3):
        log.command()
    index = log.command()
    log.command()
    log.seal()
    good = log.publish()
    at = log.folder / "tile/entries/000.p" / str(good.size)
    raw = at.read_bytes()
    first, second = log.entries[index], log.entries[index].replace(b'"case"', b'"cafe"')
    at.write_bytes(raw.replace(first, second))
    by_tile = log.verify().findings[0]
    assert (by_tile.source, by_tile.sequence, by_tile.index) == (FOOD, 4, index)
    assert by_tile.expected != by_tile.found
    assert by_tile.expected is not None
    log.entries[index] = second
    log.publish()
    signature, chain, *_ = log.verify().findings
    assert (signature.source, signature.sequence, signature.index) == (FOOD, 4, index)
    assert (chain.source, chain.sequence, chain.index) == (FOOD, 5, index + 1)
    assert chain.expected != chain.found
    assert chain.expected is not None


def test_without_signatures_tree_and_streams_are_checked_and_nothing_more_is_claimed(
    log: LogMaker,
) -> None:
    def check() -> tuple[Integrity, Completeness, int]:
        keys = log.key(AGENCY).verifier, log.log_key.verifier
        report = verify_log(str(log.folder), *keys, state_dir=log.state, signatures=False)
        return report.integrity, report.completeness, len(report.having(Grade.FORGED))

    log.command()
    log.seal()
    log.publish()
    assert check() == (Integrity.UNKNOWN, Completeness.UNKNOWN, 0)
    assert not list(log.state.glob("*"))
    log.entries[-2] = log.entries[-2].replace(b'"case"', b'"cafe"')
    log.publish()
    assert check()[0] is Integrity.FORGED  # the seal has another head
    log.entries[-2] = b"nothing\n"
    log.publish()
    assert check()[0] is Integrity.FORGED


@pytest.mark.parametrize("entry", [b"\n\n", b"[]\n\n", b'{"source":[]}\n\n- a b\n'])
def test_an_entry_that_is_no_record_is_named_by_its_hash(log: LogMaker, entry: bytes) -> None:
    log.entries.append(entry)
    log.publish()
    finding = log.verify().having(Grade.FORGED)[0]
    assert (finding.index, len(finding.found or "")) == (len(log.entries) - 1, 64)
