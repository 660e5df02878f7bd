from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.asking import (
    CIVIL,
    CODE,
    CONDITIONS,
    DAY,
    FOOD,
    SECOND,
    START,
    TAX,
    Desk,
    allow,
    assertion,
    bounds,
    call,
    reasons,
    resource,
    revoke,
    withdraw,
)

from sanyuan.catalog.domain.answers import Admitted, Answer
from sanyuan.catalog.domain.requests import Call
from sanyuan.common.assertions.token import AssertionRefusal
from sanyuan.common.assertions.uses import Known


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.publish()
    return desk


def about_a_person() -> Desk:
    desk = Desk()
    desk.publish(resource(needs_assertion=True))
    return desk


def admitted(answers: list[Answer]) -> int:
    return sum(isinstance(answer, Admitted) for answer in answers)


def test_an_admitted_call_carries_what_the_provider_needs(desk: Desk) -> None:
    grant = desk.grant(bounds("status", quota=2))
    answer = desk.one(call(grant))
    assert isinstance(answer, Admitted)
    assert (answer.grant_id, answer.system, answer.answer_within) == (grant, TAX.system, 10)
    assert answer.grant.bounds.fields == ("status",)
    assert answer.level is None
    assert desk.state.meters[grant].used == 1


def test_a_call_outside_its_grant_is_refused_with_its_reason(desk: Desk) -> None:
    grant = desk.grant(bounds(until=START + DAY))
    answers = desk.ask(
        call("0" * 32),
        call(grant, by=CIVIL),
        call(grant, at=START + DAY),
        call(grant, system=None),
        call(grant, system=FOOD.system),
        call(grant, parameters=None),
        call(grant),
    )
    assert reasons(answers) == [
        "unknown-grant",
        "not-yours",
        "grant-expired",
        "wrong-serving-system",
        "wrong-serving-system",
        "no-parameters",
        None,
    ]
    assert desk.state.meters[grant].used == 1


def test_nothing_is_admitted_from_the_revocation_on(desk: Desk) -> None:
    grant = desk.grant()
    answers = desk.ask(call(grant), revoke(grant), call(grant))
    assert reasons(answers) == [None, "over", "grant-revoked"]


def test_nothing_is_admitted_from_the_withdrawal_on(desk: Desk) -> None:
    grant = desk.grant()
    answers = desk.ask(call(grant), withdraw(), call(grant))
    assert reasons([answers[0], answers[2]]) == [None, "resource-withdrawn"]


def test_a_request_is_no_grant() -> None:
    desk = Desk()
    desk.publish(resource(sharing=CONDITIONS))
    pending = desk.pending()
    answers = desk.ask(call(pending), allow(pending), call(pending))
    assert reasons([answers[0], answers[2]]) == ["unknown-grant", None]


@pytest.mark.parametrize("system", [None, TAX.system])
def test_a_licence_is_metered_elsewhere_and_never_here(system: str | None) -> None:
    desk = Desk()
    desk.publish(resource(license_type="food", serving_system=system))
    grant = desk.grant()
    assert reasons(desk.ask(call(grant, system=system))) == ["grant-metered-elsewhere"]
    assert desk.state.meters == {}


def test_the_last_unit_of_a_quota_goes_to_one_of_two(desk: Desk) -> None:
    grant = desk.grant(bounds(quota=1))
    assert reasons(desk.ask(call(grant), call(grant))) == [None, "quota"]
    assert reasons(desk.ask(call(grant, at=START + DAY))) == ["quota"]


@given(st.integers(1, 20), st.lists(st.integers(1, 9), max_size=8))
def test_a_quota_is_exact_however_calls_are_batched(quota: int, batches: list[int]) -> None:
    desk = Desk()
    desk.publish()
    grant = desk.grant(bounds(quota=quota))
    done = sum(admitted(desk.ask(*[call(grant)] * size)) for size in batches)
    assert done == min(quota, sum(batches))


def test_a_rate_is_kept_and_a_refusal_costs_nothing(desk: Desk) -> None:
    grant = desk.grant(bounds(quota=6, rate=2))
    burst = desk.ask(*[call(grant)] * 4)
    assert reasons(burst) == [None, None, "rate", "rate"]
    later = desk.ask(*[call(grant, at=START + SECOND)] * 3)
    assert reasons(later) == [None, None, "rate"]
    assert desk.state.meters[grant].used == 4


def test_a_call_about_a_person_shows_that_persons_assertion() -> None:
    desk = about_a_person()
    grant = desk.grant(bounds(quota=9))
    answers = desk.ask(
        call(grant),
        call(grant, shown=AssertionRefusal.INVALID),
        call(grant, shown=assertion(CIVIL)),
        call(grant, shown=assertion(purpose="census")),
        call(grant, shown=assertion(expires_at=START)),
        call(grant, shown=assertion()),
        call(grant, shown=assertion()),
    )
    assert reasons(answers) == [
        "assertion-missing",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-not-for-you",
        "assertion-expired",
        None,
        "assertion-used-up",
    ]
    assert isinstance(answers[5], Admitted)
    assert answers[5].level == "two-factor"
    assert desk.state.meters[grant].used == 1


def test_a_revoked_assertion_admits_no_call() -> None:
    desk = about_a_person()
    grant = desk.grant()
    desk.state = type(desk.state)(
        **{name: getattr(desk.state, name) for name in ("entries", "descriptions", "grants")},
        known=Known(revoked=frozenset({"0" * 32})),
    )
    assert reasons(desk.ask(call(grant, shown=assertion()))) == ["assertion-revoked"]


def test_a_call_that_is_refused_for_its_quota_takes_no_use_of_the_assertion() -> None:
    desk = about_a_person()
    used_up, fresh = desk.grant(bounds(quota=1)), desk.grant()
    desk.ask(call(used_up, shown=assertion(jti="1" * 32)))
    answers = desk.ask(call(used_up, shown=assertion()), call(fresh, shown=assertion()))
    assert reasons(answers) == ["quota", None]


def test_an_assertion_that_nobody_needs_is_not_used(desk: Desk) -> None:
    grant = desk.grant()
    assert reasons(desk.ask(*[call(grant, shown=assertion())] * 2)) == [None, None]
    assert desk.state.known.used == {}


@pytest.mark.parametrize(
    "shown", [None, AssertionRefusal.INVALID, assertion(), assertion(CIVIL)], ids=str
)
def test_a_refused_call_changes_nothing(shown: Any) -> None:  # noqa: ANN401  what a call may show
    desk = about_a_person()
    grant = desk.grant(bounds(quota=1))
    desk.ask(call(grant, shown=assertion(jti="1" * 32)))
    before = desk.state
    refused: list[Call] = [
        call(grant, shown=shown),
        call(grant, by=CIVIL, shown=shown),
        call(grant, system=None, shown=shown),
    ]
    assert None not in reasons(desk.ask(*refused))
    assert desk.state == before
    assert desk.state.grants[grant].resource == CODE
