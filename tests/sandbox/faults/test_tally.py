"""The count after faults finds what it is there to find."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sanyuan.sandbox.faults import tally
from sanyuan.sandbox.faults.campaign import Strike
from sanyuan.sandbox.faults.picture import by_victims, median
from sanyuan.sandbox.faults.steady import DATABASE, HANDED_OUT


def asking(folder: Path, *heads: tuple[str, str, int]) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute("CREATE TABLE outbox_head (source, topic, sequence)")
        database.executemany("INSERT INTO outbox_head VALUES (?, ?, ?)", heads)


def line(sequence: int, decision: int) -> bytes:
    return b'{"source":"//a","sequence":%d,"decision":%d,"offset":0}\n' % (sequence, decision)


def test_every_place_up_to_a_head_was_asked(tmp_path: Path) -> None:
    asking(tmp_path, ("//a", "identity-commands", 2), ("//b", "identity-commands", 1))
    assert set(tally.places_asked(tmp_path)) == {("//a", 1), ("//a", 2), ("//b", 1)}
    assert tally.asked(tmp_path) == 3


def test_other_topics_are_no_commands(tmp_path: Path) -> None:
    asking(tmp_path, ("//a", "calls", 5))
    assert tally.asked(tmp_path) == 0


def test_nobody_has_asked_before_there_is_a_database(tmp_path: Path) -> None:
    assert tally.asked(tmp_path) == 0
    assert tally.unsealed(tmp_path / DATABASE) == 0


def test_a_decision_that_is_handed_out_twice_is_heard_once(tmp_path: Path) -> None:
    (tmp_path / HANDED_OUT).write_bytes(line(1, 1) + line(1, 1) + line(2, 2))
    journal = tally.Journal(tmp_path)
    assert journal.heard() == 2
    assert journal.told == {("//a", 1): {1}, ("//a", 2): {2}}


def test_two_decisions_of_one_command_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / HANDED_OUT).write_bytes(line(1, 1) + line(1, 7))
    journal = tally.Journal(tmp_path)
    journal.heard()
    assert journal.told == {("//a", 1): {1, 7}}


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    whole = line(1, 1) + line(2, 2)
    (tmp_path / HANDED_OUT).write_bytes(whole[:-5])
    journal = tally.Journal(tmp_path)
    assert journal.heard() == 1
    (tmp_path / HANDED_OUT).write_bytes(whole)
    assert journal.heard() == 2


def test_recoveries_are_told_by_who_died() -> None:
    strikes = [
        Strike(("kafka", "audit"), None, 4.0),
        Strike(("audit",), "audit.after-tiles", 1.0),
        Strike(("audit",), None, 3.0),
    ]
    assert by_victims(strikes) == {("audit",): [1.0, 3.0], ("kafka", "audit"): [4.0]}
    assert median([1.0, 3.0, 2.0]) == 2.0
