"""Seals over very many streams: every row once, every part a record that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audit.conftest import AUDIT, FOOD, Lab
from tests.common.conftest import signing

from sanyuan.audit.seals import rows_of, seal_parts
from sanyuan.audit.state import State
from sanyuan.audit.voice import Voice
from sanyuan.common.envelope import MAX_VALUE_BYTES, decode
from sanyuan.common.streams import START, Position

if TYPE_CHECKING:
    from sanyuan.audit.state import Stream

HEAD = "f" * 64
LARGEST = 2**53 - 1
VOICE = Voice("cn", AUDIT, signing(AUDIT))
PARTICIPANT = "//cn/departments/11110000000012345X/"


def state_of(streams: list[Stream], inboxes: int = 0) -> State:
    state = State("cn", (AUDIT, "log"), moved=set(streams))
    state.places = dict.fromkeys(streams, Position(LARGEST, HEAD))
    state.offsets = {(f"inbox-{'x' * 57}{at:06}", 0): LARGEST for at in range(inboxes)}
    return state


def check(state: State) -> int:
    """Every part fits into its record, and together they say what moved; returns their number."""
    parts = seal_parts(state)
    assert [row for part in parts for row in part.rows] == rows_of(state)
    assert [(part.part, part.parts) for part in parts] == [
        (at, len(parts)) for at in range(1, len(parts) + 1)
    ]
    assert [bool(part.positions) for part in parts] == [
        bool(state.offsets) and part.part == 1 for part in parts
    ]
    place = START
    for part in parts:
        spoken = VOICE.say(place, part, 1_790_000_000.0)
        assert len(spoken.value) <= MAX_VALUE_BYTES
        place = spoken.place
    return len(parts)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 60), max_size=600),
    topics=st.integers(1, 3),
    inboxes=st.integers(0, 500),
)
def test_parts_fit_whatever_moved(lengths: list[int], topics: int, inboxes: int) -> None:
    names = [f"{'s' * length}{at}" for at, length in enumerate(lengths)]
    streams = [(PARTICIPANT + name, f"topic-{n}") for name in names for n in range(topics)]
    check(state_of(streams, inboxes))


def test_the_largest_domain_that_is_allowed_fits() -> None:
    """500 systems with the longest names, each writing to all inboxes of the others it can."""
    names = [f"{'s' * 60}{at:03}" for at in range(500)]
    streams = [
        (PARTICIPANT + name, f"inbox-{names[(at + n) % 500]}")
        for at, name in enumerate(names)
        for n in range(40)
    ]
    assert check(state_of(streams, inboxes=500)) > 90


@pytest.mark.asyncio
async def test_five_thousand_streams_of_one_second_are_one_seal_and_verified(lab: Lab) -> None:
    running = await lab.start()
    sources = [f"{FOOD}-{at}" for at in range(500)]
    for source in sources:
        lab.register(source)
    await lab.drain(running)
    own = ("identity-commands", "license-exchange-commands", "catalog-commands", "calls")
    for at, source in enumerate(sources):
        inboxes = [f"inbox-food-permits-{(at + n) % 500}" for n in range(1, 7)]
        for topic in (*own, *inboxes):
            lab.send(source, topic, "identity.verify-person.v1", {"n": at})
    before = len(lab.broker.of("audit-seals"))
    await lab.drain(running)
    running.close()
    sent = lab.broker.of("audit-seals")[before:]
    parts = [decode(value).data for value in sent]
    assert len(parts) > 10
    assert sum(len(part["rows"]) for part in parts) == 5_000
    assert {part["parts"] for part in parts} == {len(parts)}
    assert max(map(len, sent)) <= MAX_VALUE_BYTES
    report = lab.verify()
    assert (report.exit_code, report.findings) == (0, ())
    assert report.streams > 5_000
