"""A note of heads: one spelling, one signature, under a key of the source that it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.conftest import FOOD, TAX, signing

from sanyuan.client.heads.note import Head, Heads, HeadsError, SignedHeads

TIME = "2026-11-26T02:17:00.123456Z"
HASH = "a" * 64
TOPICS = st.sampled_from(["cn/calls", "cn/identity-commands", "cn/inbox-tax", "cn/a", "cn/b-2"])
HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
STREAMS = st.dictionaries(TOPICS, st.tuples(st.integers(1, 10**18 - 1), HASHES))


def heads(streams: dict[str, tuple[int, str]], time: str = TIME) -> Heads:
    return Heads.of(FOOD, time, (Head(topic, *rest) for topic, rest in streams.items()))


def note(*lines: str, source: str = FOOD) -> bytes:
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}\n{signing(source).sign(text.encode())}\n".encode()


@given(STREAMS)
def test_what_is_written_is_read_and_verified(streams: dict[str, tuple[int, str]]) -> None:
    said = heads(streams)
    raw = said.sign(signing(FOOD))
    found = SignedHeads.parse(raw)
    assert (found.heads, found.key_id) == (said, signing(FOOD).key_id)
    found.verify(signing(FOOD).verifier)
    with pytest.raises(HeadsError):
        found.verify(signing(TAX).verifier)


@given(STREAMS, st.data())
def test_no_edit_of_a_note_verifies(
    streams: dict[str, tuple[int, str]], data: st.DataObject
) -> None:
    raw = heads(streams).sign(signing(FOOD))
    at = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.binary(min_size=0, max_size=2).filter(lambda new: new != raw[at : at + 1]))
    with pytest.raises(HeadsError):
        SignedHeads.parse(raw[:at] + other + raw[at + 1 :]).verify(signing(FOOD).verifier)


LINES = ("sanyuan-heads/v1", FOOD, TIME)
CALLS = f"cn/calls 3 {HASH}"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"noise",
        b"\xff\n\n\xe2\x80\x94 x y\n",
        note("sanyuan-heads/v2", FOOD, TIME),
        note("sanyuan-heads/v1", FOOD),
        note("sanyuan-heads/v1", "//cn/nobody", TIME),
        note("sanyuan-heads/v1", FOOD, "2026-11-26T02:17:00Z"),
        note("sanyuan-heads/v1", FOOD, "2026-13-26T02:17:00.123456Z"),
        note(*LINES, "cn/calls 3"),
        note(*LINES, f"cn/calls 03 {HASH}"),
        note(*LINES, f"cn/calls 0 {HASH}"),
        note(*LINES, f"calls 3 {HASH}"),
        note(*LINES, f"cn/calls 3 {HASH.upper()}"),
        note(*LINES, f"cn/calls  3 {HASH}"),
        note(*LINES, CALLS, CALLS),
        note(*LINES, CALLS, f"cn/a 3 {HASH}"),
        note(*LINES, CALLS, ""),
        note(*LINES, CALLS, source=TAX),
        note(*LINES) + signing(TAX).sign(b"x").encode() + b"\n",
    ],
)
def test_what_has_another_spelling_is_no_note(raw: bytes) -> None:
    with pytest.raises(HeadsError):
        SignedHeads.parse(raw)


@given(STREAMS, STREAMS)
def test_heads_are_behind_where_they_do_not_reach_or_contradict(
    earlier: dict[str, tuple[int, str]], later: dict[str, tuple[int, str]]
) -> None:
    behind = heads(later).behind(heads(earlier))
    covers = all(
        topic in later and (later[topic][0] > last or later[topic] == (last, head))
        for topic, (last, head) in earlier.items()
    )
    assert (behind is None) == covers
