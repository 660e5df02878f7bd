from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.asking import (
    RULES,
    SECOND,
    START,
    Desk,
    allow,
    ask,
    assertion,
    call,
    remind,
    resource,
    review,
    revise,
    revoke,
    submit,
    withdraw,
)
from tests.catalog.histories import histories

from sanyuan.catalog.decide import decide, wanted
from sanyuan.catalog.domain.answers import (
    Answer,
    CallReason,
    GrantReason,
    ResourceReason,
)
from sanyuan.catalog.domain.requests import Request
from sanyuan.catalog.domain.resources import UNDER_REVIEW, Phase, elements_of
from sanyuan.catalog.domain.state import State, Wanted, evolve
from sanyuan.common.assertions.token import AssertionRefusal
from sanyuan.common.contracts import catalog as messages


@given(histories(), st.lists(st.integers(0, 30), max_size=6))
def test_deciding_a_batch_whole_equals_deciding_it_in_any_split(
    history: list[Request], cuts: list[int]
) -> None:
    whole = decide(State(), history, RULES)
    bounds = [0, *sorted(min(cut, len(history)) for cut in cuts), len(history)]
    state, told = State(), list[Answer]()
    for start, end in pairwise(bounds):
        part = decide(state, history[start:end], RULES)
        state = evolve(state, part.changes)
        told.extend(part.answers)
    assert tuple(told) == whole.answers
    assert state == evolve(State(), whole.changes)


@given(histories())
def test_an_element_has_one_source_and_only_what_is_there_claims_it(
    history: list[Request],
) -> None:
    desk = Desk()
    for request in history:
        desk.ask(request)
        sources: dict[str, str] = {}
        for (code, _), described in desk.state.descriptions.items():
            for element in elements_of(described):
                assert sources.setdefault(element, code) == code
        assert sources == desk.state.claims


@given(histories())
def test_a_description_is_kept_exactly_while_it_is_in_force_or_waits(
    history: list[Request],
) -> None:
    desk = Desk()
    for request in history:
        desk.ask(request)
        kept = {
            (code, revision)
            for code, entry in desk.state.entries.items()
            for revision in (entry.in_force, entry.waiting)
            if revision and entry.phase is not Phase.WITHDRAWN
        }
        assert kept == desk.state.descriptions.keys()
        for entry in desk.state.entries.values():
            assert (entry.phase in UNDER_REVIEW) == (entry.waiting > entry.in_force)


def test_what_a_batch_touches_is_loaded() -> None:
    keys = wanted(
        [
            call("1" * 32, shown=assertion(jti="a" * 32)),
            submit(resource("307001/000001")),
            revise(resource("307001/000002", items=resource().items[1:])),
            review(code="307001/000003"),
            withdraw("307001/000004"),
            ask(code="307001/000005"),
            allow("2" * 32),
            revoke("3" * 32),
            remind(START + SECOND),
            remind(START),
        ]
    )
    assert keys == Wanted(
        described=frozenset(f"307001/00000{n}" for n in range(1, 6)),
        granted=frozenset(f"307001/00000{n}" for n in range(2, 5)),
        elements=frozenset({"DE00017"}),
        grants=frozenset({"1" * 32, "2" * 32, "3" * 32}),
        jtis=frozenset({"a" * 32}),
        since=START,
        due=START + SECOND,
    )


def test_calls_alone_load_grants_and_assertions_alone() -> None:
    keys = wanted([call("1" * 32), call("2" * 32)])
    assert keys == Wanted(grants=frozenset({"1" * 32, "2" * 32}))


def test_every_reason_is_one_of_the_contract() -> None:
    def allowed(
        kind: type[messages.ResourceRefused | messages.GrantRefused | messages.CallRefused],
    ) -> set[str]:
        return set(kind.model_fields["reason"].annotation.__args__)  # type: ignore[union-attr]

    assert {str(reason) for reason in ResourceReason} == allowed(messages.ResourceRefused)
    assert {str(reason) for reason in GrantReason} <= allowed(messages.GrantRefused)
    reasons = {str(reason) for reason in (*CallReason, *AssertionRefusal)}
    assert reasons == allowed(messages.CallRefused)
