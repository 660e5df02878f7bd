"""What the supervisor keeps: enough to judge a log that ends a little earlier, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.heads.test_note import HASH, heads
from tests.common.conftest import FOOD, signing

from sanyuan.client.heads.keeping import (
    RECENT_SECONDS,
    SPACING_SECONDS,
    Notes,
    Posted,
    keep,
    load_folder,
    write_notes,
)
from sanyuan.client.heads.note import Head, HeadsError, SignedHeads


def posted(received: float, last: int, head: str = HASH) -> Posted:
    said = heads({"cn/calls": (last, head)})
    return Posted(received, SignedHeads.parse(said.sign(signing(FOOD))))


@given(st.lists(st.floats(0.1, 400.0), min_size=1, max_size=80))
def test_of_a_source_that_goes_on_the_newest_and_one_of_every_while_are_kept(
    waits: list[float],
) -> None:
    kept: list[Posted] = []
    every: list[Posted] = []
    now = 0.0
    for last, wait in enumerate(waits, 1):
        now += wait
        every.append(posted(now, last))
        kept, lost = keep(kept, every[-1])
        assert lost is None
        assert kept[-1] is every[-1]
        assert len(kept) <= 2 * RECENT_SECONDS / SPACING_SECONDS + 3
    for moment in (now - 60.0, now - 200.0):
        # The log ends at this moment: the newest note that was there is kept, or one hardly older.
        if before := [each.received for each in every if each.received <= moment]:
            assert any(before[-1] - SPACING_SECONDS <= each.received <= moment for each in kept)


def test_a_head_that_was_taken_back_is_kept_for_ever() -> None:
    kept, _ = keep([], posted(0.0, 9))
    kept, lost = keep(kept, posted(10.0, 7))
    assert lost == Head("cn/calls", 9, HASH)
    for at in range(1, 200):
        kept, lost = keep(kept, posted(10.0 + 30.0 * at, 8))
        assert lost is not None
    assert kept[0].heads.streams[0].last == 9
    kept, lost = keep(kept, posted(10_000.0, 10))
    assert lost is None


def test_another_value_at_the_same_place_is_taken_back_too() -> None:
    kept, _ = keep([], posted(0.0, 9))
    kept, lost = keep(kept, posted(10.0, 9, "b" * 64))
    assert lost is not None
    assert len(kept) == 2


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    notes = [posted(1.5, 1), posted(31.5, 2)]
    write_notes(tmp_path, FOOD, notes)
    assert list(load_folder(tmp_path)) == notes
    write_notes(tmp_path, FOOD, notes[1:])
    assert list(load_folder(tmp_path)) == notes[1:]
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b'{"notes":[{"received":1}]}', b'{"notes":[{"received":1,"note":"x"}]}']
)
def test_what_is_no_file_of_heads_is_refused(raw: bytes) -> None:
    with pytest.raises(HeadsError):
        Notes.read(raw, "here")
