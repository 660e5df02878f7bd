import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.load.journal import Ended, Journal, JournalReader
from sanyuan.sandbox.demo.load.mix import KINDS
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.schedule import Step

STEPS = st.builds(Step, st.sampled_from(KINDS), st.integers(0, 52), st.integers(0, 1 << 32 - 1))
ENDED = st.builds(Ended, STEPS, st.sampled_from(Outcome), st.integers(0, 1 << 31))


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    first = Ended(Step("shared-call", 52, 70_000), Outcome.ANSWERED, 312)
    second = Ended(Step("license-exchange", 0, 0), Outcome.REFUSED_AS_EXPECTED, 5)
    journal = Journal.open(tmp_path, "plan")
    journal.write(first)
    journal.write(second)
    again = Journal.open(tmp_path, "plan")  # nobody has closed the other one
    assert list(again) == [first, second]
    assert first.step in again
    assert Step("shared-call", 52, 70_001) not in again
    again.close()
    journal.close()


@given(st.lists(ENDED, unique_by=lambda ended: ended.step, max_size=20), st.integers(0, 10))
def test_an_entry_that_was_cut_off_never_was(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Ended], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal.open(folder, "plan")
    for ended in entries:
        journal.write(ended)
    journal.close()
    path = folder / "journal-plan.bin"
    size = max(0, path.stat().st_size - cut)
    os.truncate(path, size)
    kept = entries[: size // 11]
    again = Journal.open(folder, "plan")
    assert list(again) == kept
    more = Ended(Step("verification", 1, 1 << 20), Outcome.FAILED, 1)
    again.write(more)
    again.close()
    assert list(Journal.open(folder, "plan")) == [*kept, more]


def test_a_new_plan_forgets_the_old_one(tmp_path: Path) -> None:
    Journal.open(tmp_path, "old").close()
    Journal.open(tmp_path, "new").close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal-new.bin"]


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    Journal.open(tmp_path, "plan").close()
    assert (tmp_path / "journal-plan.bin").stat().st_mode & 0o777 == 0o600


def test_whoever_reads_along_gets_every_entry_once_when_it_is_whole(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path, "plan")
    assert reader.new() == []
    entries = [Ended(Step("verification", 3, at), Outcome.ANSWERED, at) for at in range(2)]
    journal = Journal.open(tmp_path, "plan")
    journal.write(entries[0])
    assert reader.new() == entries[:1]
    with (tmp_path / "journal-plan.bin").open("ab") as file:
        file.write(b"cut")  # by a kill; the next life begins there
    assert reader.new() == []
    again = Journal.open(tmp_path, "plan")
    again.write(entries[1])
    assert reader.new() == entries[1:]
    again.close()
    journal.close()
