"""The rule of open calls, as a law: what ends a call does not depend on how records are batched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from hypothesis import given
from hypothesis import strategies as st
from tests.common.conftest import FOOD, TAX

from sanyuan.client.calls import Arrived, NoAnswer, OpenCall, Ref, judge
from sanyuan.client.calls.judging import LATE, NOT_OPEN
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import CallAnswered, CallFailed, CallRefused
from sanyuan.common.contracts.message import Attachment, CommandRef, Message
from sanyuan.common.envelope import ZERO_HASH, Envelope, format_sequence

HASH = "a" * 64
CALLS = range(1, 4)


def ref(sequence: int) -> Ref:
    return FOOD, "calls", sequence


def command(sequence: int) -> CommandRef:
    return CommandRef(source=FOOD, topic="cn/calls", sequence=format_sequence(sequence), hash=HASH)


def call(sequence: int) -> OpenCall:
    return OpenCall(
        source=FOOD,
        sequence=sequence,
        id=f"id-{sequence}",
        hash=HASH,
        grant="0" * 32,
        serving_system=TAX,
        fields=("status",),
        case=f"case-{sequence}",
        deadline=0.0,
    )


class Event(NamedTuple):
    """A record that comes, or a deadline that passes (``kind`` is "deadline")."""

    kind: str
    sequence: int


def message_of(event: Event) -> Message:
    named = command(event.sequence)
    if event.kind == "refused":
        return CallRefused(command=named, decision=1, asof={}, reason="quota")
    if event.kind == "failed":
        return CallFailed(call=named, reason="other")
    fields = ("secret",) if event.kind == "overstepping" else ("status",)
    return CallAnswered(call=named, fields=fields, answer=Attachment(sealed="sha256:" + "0" * 64))


def decision_of(event: Event, offset: int) -> Decision:
    message = message_of(event)
    fields = message.fields if isinstance(message, CallAnswered) else ()
    return Decision(
        topic="inbox-food-permits",
        offset=offset,
        envelope=Envelope(
            specversion="1.0",
            id=f"01900000-0000-7000-8000-{offset:012x}",
            source=FOOD if event.kind == "stranger" else TAX,
            type=message.TYPE,
            time="2026-11-23T02:17:00.123456Z",
            topic="cn/inbox-food-permits",
            sequence=format_sequence(offset + 1),
            previous=ZERO_HASH,
            correlationid=f"case-{event.sequence}",
            causationid=f"id-{event.sequence}",
            data={},
        ),
        message=message,
        opened={"answer": orjson.dumps(dict.fromkeys(fields, 1))},
    )


KINDS = ("answered", "failed", "refused", "overstepping", "stranger", "deadline")
EVENTS = st.lists(st.builds(Event, st.sampled_from(KINDS), st.sampled_from(CALLS)), max_size=25)


class State:
    """Open and ended calls, as a database has them."""

    def __init__(self) -> None:
        self.open = {ref(sequence): call(sequence) for sequence in CALLS}
        self.ended: set[Ref] = set()
        self.arrived: list[Arrived] = []

    def take(self, decisions: Sequence[Decision]) -> None:
        judged = judge([(FOOD, each) for each in decisions], "cn", self.open.get, self.late)
        for each in judged.ended:
            del self.open[each]
        self.arrived += judged.arrived

    def late(self, refs: Sequence[Ref]) -> set[Ref]:
        return self.ended & set(refs)

    def pass_deadline(self, of: Ref) -> None:
        if self.open.pop(of, None):
            self.ended.add(of)


def run(events: Sequence[Event], splits: frozenset[int]) -> State:
    """Batches end at deadlines and after the indices in ``splits``."""
    state, batch = State(), list[Decision]()
    for index, event in enumerate(events):
        if event.kind == "deadline":
            state.take(batch)
            batch.clear()
            state.pass_deadline(ref(event.sequence))
            continue
        batch.append(decision_of(event, index))
        if index in splits:
            state.take(batch)
            batch.clear()
    state.take(batch)
    return state


@given(EVENTS, st.frozensets(st.integers(0, 25)))
def test_judging_a_batch_whole_equals_judging_it_in_any_split(
    events: list[Event], splits: frozenset[int]
) -> None:
    whole, split = run(events, frozenset()), run(events, splits)
    assert (whole.arrived, whole.open, whole.ended) == (split.arrived, split.open, split.ended)


@given(EVENTS)
def test_a_call_ends_at_most_once_and_only_by_what_may_end_it(events: list[Event]) -> None:
    state = run(events, frozenset())
    ends = [arrived for arrived in state.arrived if arrived.result is not None]
    cases = [arrived.decision.case for arrived in ends]
    assert len(cases) == len(set(cases))
    ended = {f"case-{sequence}" for _, _, sequence in state.ended}
    still_open = {each.case for each in state.open.values()}
    assert sorted([*cases, *ended, *still_open]) == [f"case-{sequence}" for sequence in CALLS]
    for arrived in ends:
        assert arrived.decision.envelope.source == TAX
        assert arrived.decision.unexpected is None
        assert not isinstance(arrived.result, NoAnswer)


@given(EVENTS)
def test_what_comes_after_the_deadline_is_late(events: list[Event]) -> None:
    state = State()
    state.pass_deadline(ref(1))
    relevant = [e for e in events if e.kind in {"answered", "failed", "refused"}]
    state.take([decision_of(e._replace(sequence=1), i) for i, e in enumerate(relevant)])
    assert {a.decision.unexpected for a in state.arrived} <= {LATE}


def test_an_answer_to_a_call_that_was_never_asked_is_unexpected() -> None:
    state = State()
    state.take([decision_of(Event("answered", 9), 0), decision_of(Event("failed", 9), 1)])
    assert [a.decision.unexpected for a in state.arrived] == [NOT_OPEN, NOT_OPEN]
