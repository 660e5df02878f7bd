from dataclasses import replace

import pytest
from tests.catalog.asking import (
    AGENCY,
    CIVIL,
    CODE,
    CONDITIONS,
    DAY,
    FOOD,
    NOT_SHARED,
    RULES,
    START,
    TAX,
    Desk,
    allow,
    ask,
    bounds,
    call,
    holding,
    reasons,
    refuse,
    remind,
    resource,
    review,
    revise,
    revoke,
    submit,
    withdraw,
)

from sanyuan.catalog.domain.answers import (
    Allowed,
    Declined,
    Issued,
    Pending,
    Reminded,
    Revoked,
    TakenBack,
)
from sanyuan.catalog.domain.grants import GrantPhase
from sanyuan.catalog.domain.requests import Asker
from sanyuan.catalog.domain.resources import serving_of
from sanyuan.common.working_days import deadline

LATE = deadline(START, RULES.answer_days, RULES.calendar)


@pytest.fixture
def desk() -> Desk:
    """With one resource that is shared on conditions."""
    desk = Desk()
    desk.publish(resource(sharing=CONDITIONS))
    return desk


def test_what_is_shared_unconditionally_is_granted_at_once() -> None:
    desk = Desk()
    desk.publish()
    asked = ask(bounds("status", quota=5, rate=1))
    answer = desk.one(asked)
    assert isinstance(answer, Issued)
    assert answer.serving == serving_of(resource())
    grant = answer.holding.grant
    assert (grant.grantee, grant.requester) == (FOOD.participant, FOOD.system)
    assert (grant.bounds, grant.phase, grant.due) == (asked.bounds, GrantPhase.OPEN, None)


def test_everything_else_waits_for_the_provider_who_is_told_at_whoever_serves(desk: Desk) -> None:
    answer = desk.one(ask())
    assert isinstance(answer, Pending)
    assert answer.told == TAX.system
    assert answer.legal_basis == "§ 35"
    assert answer.holding.grant.decide_by == LATE


def test_without_a_serving_system_whoever_submitted_is_told() -> None:
    desk = Desk()
    archive = replace_system(TAX, "archive")
    licence = resource(sharing=CONDITIONS, serving_system=None, license_type="food")
    desk.publish(licence, archive)
    answer = desk.one(ask())
    assert isinstance(answer, Pending)
    assert answer.told == archive.system


def test_even_the_issuer_needs_a_grant_for_licence_fields() -> None:
    desk = Desk()
    licence = resource(sharing=CONDITIONS, serving_system=None, license_type="food")
    desk.publish(licence)
    assert isinstance(desk.one(ask(by=TAX)), Pending)


def replace_system(asker: Asker, name: str) -> Asker:
    return asker._replace(system=asker.system.rpartition("/")[0] + f"/{name}")


def test_what_cannot_be_granted_is_refused_with_its_reason(desk: Desk) -> None:
    answers = desk.ask(
        ask(code="307001/999999"),
        ask(by=TAX),
        ask(bounds("status", "salary")),
        ask(bounds(until=START)),
    )
    assert reasons(answers) == ["unknown-resource", "own-resource", "unknown-field", "expired"]


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        (resource(sharing=NOT_SHARED), "not-shared"),
        (resource(serving_system=None), "not-callable"),
    ],
)
def test_what_is_not_shared_or_served_is_not_granted(described: object, reason: str) -> None:
    desk = Desk()
    desk.publish(described)  # type: ignore[arg-type]  # a Resource
    assert reasons(desk.ask(ask())) == [reason]


def test_nothing_is_granted_before_it_is_published_or_after_it_is_withdrawn() -> None:
    desk = Desk()
    answers = desk.ask(submit(), ask(), review(), withdraw(), ask())
    assert reasons([answers[1], answers[4]]) == ["unknown-resource"] * 2


def test_the_provider_allows_what_was_asked_or_less(desk: Desk) -> None:
    wide = bounds("status", "since", quota=10)
    first, second = desk.pending(wide), desk.pending(wide)
    as_asked, narrower = desk.ask(
        allow(first), allow(second, bounds("status", quota=3, until=START + DAY))
    )
    assert isinstance(as_asked, Allowed)
    assert isinstance(narrower, Allowed)
    assert as_asked.holding.grant.bounds == wide
    assert narrower.holding.grant.bounds == bounds("status", quota=3, until=START + DAY)
    assert narrower.serving.answer_within == 10


@pytest.mark.parametrize(
    "wider",
    [
        bounds("status", "since", quota=10),
        bounds("status", quota=11),
        bounds("status"),
        bounds("status", quota=10, until=START + 31 * DAY),
    ],
)
def test_the_provider_cannot_give_more_than_was_asked(desk: Desk, wider: object) -> None:
    pending = desk.pending(bounds("status", quota=10))
    assert reasons(desk.ask(allow(pending, wider))) == ["too-wide"]  # type: ignore[arg-type]
    assert isinstance(desk.one(allow(pending)), Allowed)


def test_a_request_whose_time_has_passed_cannot_be_allowed(desk: Desk) -> None:
    pending = desk.pending(bounds(until=START + DAY))
    assert reasons(desk.ask(allow(pending, at=START + DAY))) == ["expired"]
    assert isinstance(desk.one(refuse(pending, at=START + DAY)), Declined)


def test_a_request_is_decided_once_by_the_provider_alone(desk: Desk) -> None:
    pending = desk.pending()
    foreign = desk.ask(
        allow(pending, by=FOOD), refuse(pending, by=CIVIL), allow(pending, by=AGENCY)
    )
    assert reasons(foreign) == ["not-yours"] * 3
    answers = desk.ask(refuse(pending), allow(pending), refuse(pending))
    assert isinstance(answers[0], Declined)
    assert answers[0].reason == "not needed for that"
    assert reasons(answers[1:]) == ["already-decided"] * 2
    assert reasons(desk.ask(allow("0" * 32))) == ["unknown-request"]


def test_what_was_granted_at_once_is_decided_already() -> None:
    desk = Desk()
    desk.publish()
    assert reasons(desk.ask(refuse(desk.grant()))) == ["already-decided"]


@pytest.mark.parametrize("by", [TAX, FOOD, AGENCY])
def test_provider_grantee_and_agency_end_a_grant(desk: Desk, by: Asker) -> None:
    pending = desk.pending()
    desk.ask(allow(pending))
    answer = desk.one(revoke(pending, by))
    assert isinstance(answer, Revoked)
    assert (holding(answer).id, answer.reason) == (pending, "over")
    assert reasons(desk.ask(revoke(pending, by), call(pending))) == [
        "already-ended",
        "grant-revoked",
    ]


def test_nobody_else_ends_a_grant(desk: Desk) -> None:
    pending = desk.pending()
    answers = desk.ask(revoke(pending, CIVIL), allow(pending), revoke(pending, CIVIL))
    assert reasons([answers[0], answers[2]]) == ["not-yours"] * 2
    assert reasons(desk.ask(revoke("0" * 32))) == ["unknown-grant"]


def test_a_grant_that_has_run_out_has_ended_already(desk: Desk) -> None:
    pending = desk.pending(bounds(until=START + DAY))
    desk.ask(allow(pending))
    assert reasons(desk.ask(revoke(pending, at=START + DAY))) == ["already-ended"]


@pytest.mark.parametrize(("by", "is_told"), [(FOOD, False), (TAX, True), (AGENCY, True)])
def test_a_request_is_taken_back_and_the_requester_hears_it_from_others(
    desk: Desk, by: Asker, *, is_told: bool
) -> None:
    pending = desk.pending()
    answer = desk.one(revoke(pending, by))
    assert isinstance(answer, TakenBack)
    assert answer.is_told == is_told
    assert reasons(desk.ask(allow(pending), call(pending))) == ["already-decided", "unknown-grant"]


def test_a_late_provider_is_reminded_once_and_may_still_decide(desk: Desk) -> None:
    pending, decided = desk.pending(), desk.pending()
    desk.ask(allow(decided))
    early, late, again = desk.ask(remind(LATE - 1), remind(LATE), remind(LATE + 1))
    assert early == again == Reminded(())
    assert isinstance(late, Reminded)
    assert [(each.holding.id, each.told) for each in late.overdue] == [(pending, TAX.system)]
    assert isinstance(desk.one(allow(pending, at=LATE + 2)), Allowed)


def test_how_long_a_provider_has_is_a_rule() -> None:
    desk = Desk(rules=replace(RULES, answer_days=3))
    desk.publish(resource(sharing=CONDITIONS))
    answer = desk.one(ask())
    assert holding(answer).grant.decide_by == deadline(START, 3, RULES.calendar)


def test_a_revision_changes_how_a_standing_grant_is_used_not_whether(desk: Desk) -> None:
    pending = desk.pending()
    moved = resource(
        sharing=CONDITIONS, serving_system=replace_system(TAX, "new").system, answer_within=3
    )
    answers = desk.ask(allow(pending), revise(moved), review(2))
    assert reasons(answers) == [None] * 3
    old, new = desk.ask(call(pending), call(pending, system=moved.serving_system))
    assert reasons([old, new]) == ["wrong-serving-system", None]
    assert desk.state.grants[pending].resource == CODE
