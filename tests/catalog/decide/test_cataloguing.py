from itertools import product

import pytest
from tests.catalog.asking import (
    AGENCY,
    CIVIL,
    CODE,
    CONDITIONS,
    DAY,
    FOOD,
    OTHER,
    SINCE,
    START,
    STATUS,
    TAX,
    Desk,
    ask,
    bounds,
    reasons,
    resource,
    review,
    revise,
    revoke,
    submit,
    withdraw,
)

from sanyuan.catalog.domain.answers import (
    Published,
    Rejected,
    ResourceReason,
    ResourceRefused,
    Reviewed,
    Submitted,
    Unreviewed,
    Withdrawn,
)
from sanyuan.catalog.domain.grants import GrantPhase
from sanyuan.catalog.domain.requests import Asker, Request
from sanyuan.catalog.domain.resources import MAX_BYTES, TRANSITIONS, Phase, Step
from sanyuan.common.contracts.catalog import Item


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refusal(answer: object) -> ResourceRefused:
    assert isinstance(answer, ResourceRefused), answer
    return answer


def test_a_resource_is_submitted_reviewed_revised_and_withdrawn(desk: Desk) -> None:
    better = resource(name="更好的名称")
    answers = desk.ask(
        submit(), review(), revise(better), review(2), revise(resource()), withdraw()
    )
    assert answers == [
        Submitted(CODE, 1),
        Reviewed((Published(resource(), 1, 0),)),
        Submitted(CODE, 2),
        Reviewed((Published(better, 2, 1),)),
        Submitted(CODE, 3),
        Withdrawn(CODE, "merged", was_in_force=True),
    ]
    assert desk.state.descriptions == {}


def test_only_the_revision_in_force_and_the_one_that_waits_are_kept(desk: Desk) -> None:
    desk.publish()
    desk.ask(revise(resource(name="二")), revise(resource(name="三")))
    assert {revision for _, revision in desk.state.descriptions} == {1, 3}
    desk.ask(review(3))
    assert {revision for _, revision in desk.state.descriptions} == {3}


STEPS: dict[Step, Request] = {
    Step.SUBMIT: submit(),
    Step.REVISE: revise(resource()),
    Step.WITHDRAW: withdraw(),
}
WAY: dict[Phase, tuple[Request, ...]] = {
    Phase.DRAFT: (submit(), review(publish=False)),
    Phase.SUBMITTED: (submit(),),
    Phase.PUBLISHED: (submit(), review()),
    Phase.REVISED: (submit(), review(), revise(resource())),
    Phase.WITHDRAWN: (submit(), review(), withdraw()),
}


@pytest.mark.parametrize(("phase", "step"), list(product(Phase, Step)))
def test_every_step_is_what_the_table_says(desk: Desk, phase: Phase, step: Step) -> None:
    desk.ask(*WAY[phase])
    before = desk.state
    assert before.entries[CODE].phase is phase
    revision = before.entries[CODE].revision
    asked = STEPS.get(step) or review(revision, publish=step is Step.PUBLISH)
    answer = desk.one(asked)
    expected = TRANSITIONS.get((phase, step))
    assert desk.state.entries[CODE].phase is (expected or phase)
    if expected is None:
        assert desk.state == before
        if isinstance(answer, Reviewed):
            assert answer.effects == (Unreviewed(CODE, revision, ResourceReason.ILLEGAL),)
        else:
            assert refusal(answer).reason is ResourceReason.ILLEGAL


def test_only_the_provider_submits_revises_and_withdraws(desk: Desk) -> None:
    assert reasons(desk.ask(submit(by=CIVIL))) == ["not-yours"]
    desk.publish()
    answers = desk.ask(revise(resource(), CIVIL), withdraw(by=CIVIL), withdraw(by=AGENCY))
    assert reasons(answers) == ["not-yours"] * 3
    stolen = revise(resource(provider=CIVIL), CIVIL)
    given_away = revise(resource(provider=CIVIL))
    assert reasons(desk.ask(stolen, given_away)) == ["not-yours"] * 2


def test_a_code_belongs_to_whom_it_was_published_for(desk: Desk) -> None:
    desk.ask(submit())
    assert reasons(desk.ask(submit(resource(provider=CIVIL), CIVIL))) == ["exists"]


def test_a_draft_that_came_to_nothing_keeps_nobody_from_its_code(desk: Desk) -> None:
    desk.ask(submit(), review(publish=False))
    assert desk.one(submit(resource(provider=CIVIL), CIVIL)) == Submitted(CODE, 2)
    assert desk.state.entries[CODE].provider == CIVIL.participant
    # What the agency has read as number 1 can no longer be published.
    assert desk.one(review(1)) == Reviewed((Unreviewed(CODE, 1, ResourceReason.ILLEGAL),))


def test_nobody_revises_or_withdraws_what_is_not_there(desk: Desk) -> None:
    assert reasons(desk.ask(revise(resource()), withdraw())) == ["unknown-resource"] * 2
    assert desk.one(review()) == Reviewed((Unreviewed(CODE, 1, ResourceReason.UNKNOWN),))


@pytest.mark.parametrize("by", [TAX, FOOD])
def test_only_the_agency_reviews(desk: Desk, by: Asker) -> None:
    desk.ask(submit())
    assert reasons(desk.ask(review(by=by))) == ["not-the-agency"]
    assert desk.state.entries[CODE].phase is Phase.SUBMITTED


def test_a_rejection_gives_its_reason_and_the_same_may_be_submitted_again(desk: Desk) -> None:
    desk.ask(submit())
    assert desk.one(review(publish=False)) == Reviewed((Rejected(CODE, 1, "unclear"),))
    assert desk.one(submit()) == Submitted(CODE, 2)


def test_a_serving_system_is_the_providers(desk: Desk) -> None:
    assert reasons(desk.ask(submit(is_servable=False))) == ["no-such-system"]
    desk.publish()
    assert reasons(desk.ask(revise(resource(), is_servable=False))) == ["no-such-system"]


def test_a_description_that_would_not_fit_into_a_record_is_refused(desk: Desk) -> None:
    items = tuple(Item(name=f"i{n}", title="项" * 100, type="C") for n in range(199))
    large = resource(items=items)
    assert len(large.model_dump_json().encode()) > MAX_BYTES
    assert reasons(desk.ask(submit(large))) == ["malformed"]


# One datum, one source (一数一源).


def test_a_second_source_of_an_element_is_refused_and_pointed_to_the_first(desk: Desk) -> None:
    desk.ask(submit())
    second = resource(OTHER, CIVIL)
    found = refusal(desk.one(submit(second, CIVIL)))
    assert (found.reason, found.source) == (ResourceReason.CLAIMED, CODE)
    desk.ask(review())
    assert refusal(desk.one(submit(second, CIVIL))).source == CODE
    repeated = resource(OTHER, CIVIL, items=(STATUS.model_copy(update={"element": None}),))
    assert desk.one(submit(repeated, CIVIL)) == Submitted(OTHER, 1)


@pytest.mark.parametrize("end", [review(publish=False), withdraw()])
def test_what_was_never_published_gives_its_elements_up(desk: Desk, end: Request) -> None:
    desk.ask(submit(), end)
    assert desk.state.claims == {}
    assert desk.one(submit(resource(OTHER, CIVIL), CIVIL)) == Submitted(OTHER, 1)


def test_a_withdrawn_resource_gives_its_elements_up(desk: Desk) -> None:
    desk.publish()
    desk.ask(revise(resource(items=(STATUS, SINCE.model_copy(update={"element": "DE00099"})))))
    assert set(desk.state.claims) == {"DE00017", "DE00099"}
    desk.ask(withdraw())
    assert desk.state.claims == {}


def test_a_revision_holds_its_new_elements_while_it_waits_and_the_old_ones_until_it_is_published(
    desk: Desk,
) -> None:
    desk.publish()
    moved = resource(
        items=(
            STATUS.model_copy(update={"element": None}),
            SINCE.model_copy(update={"element": "DE00099"}),
        )
    )
    desk.ask(revise(moved))
    assert desk.state.claims == {"DE00017": CODE, "DE00099": CODE}
    desk.ask(review(2, publish=False))
    assert desk.state.claims == {"DE00017": CODE}
    desk.ask(revise(moved), review(3))
    assert desk.state.claims == {"DE00099": CODE}


def test_a_revision_that_replaces_one_that_waits_gives_up_what_only_that_one_claimed(
    desk: Desk,
) -> None:
    desk.publish()
    desk.ask(revise(resource(items=(STATUS, SINCE.model_copy(update={"element": "DE00099"})))))
    desk.ask(revise(resource()))
    assert desk.state.claims == {"DE00017": CODE}


# Revisions while grants stand.


def test_an_incompatible_revision_is_refused_with_what_it_would_break(desk: Desk) -> None:
    desk.publish()
    found = refusal(desk.one(revise(resource(items=(STATUS,)))))
    assert found.reason is ResourceReason.INCOMPATIBLE
    assert "since" in found.detail


def test_sharing_is_narrowed_when_no_grant_stands_any_more(desk: Desk) -> None:
    desk.publish()
    narrower = resource(sharing=CONDITIONS)
    grant = desk.grant(bounds(until=START + DAY))
    assert reasons(desk.ask(revise(narrower))) == ["incompatible"]
    assert desk.one(revise(narrower, at=START + DAY)) == Submitted(CODE, 2)
    desk.ask(revoke(grant))
    assert desk.one(revise(narrower)) == Submitted(CODE, 3)


def test_a_grant_opened_during_the_review_keeps_a_narrower_revision_out(desk: Desk) -> None:
    desk.publish()
    desk.ask(revise(resource(needs_assertion=True)))
    grant = desk.grant()
    assert desk.one(review(2)) == Reviewed((Unreviewed(CODE, 2, ResourceReason.INCOMPATIBLE),))
    desk.ask(revoke(grant))
    assert isinstance(desk.one(review(2)), Reviewed)
    assert desk.state.entries[CODE].in_force == 2


def test_a_withdrawal_ends_grants_and_refuses_requests(desk: Desk) -> None:
    desk.publish()
    open_grant, short = desk.grant(), desk.grant(bounds(until=START + DAY))
    revoked = desk.grant()
    desk.ask(revoke(revoked))
    elsewhere = resource(OTHER, items=(SINCE,))
    desk.publish(elsewhere)
    other = desk.grant(bounds("since"), code=OTHER)
    answer = desk.one(withdraw(at=START + DAY))
    assert isinstance(answer, Withdrawn)
    assert [held.id for held in answer.ended] == [open_grant]
    assert answer.refused == ()
    phases = {name: desk.state.grants[name].phase for name in (open_grant, short, revoked, other)}
    assert phases == {
        open_grant: GrantPhase.ENDED,
        short: GrantPhase.OPEN,  # over by its time already
        revoked: GrantPhase.REVOKED,
        other: GrantPhase.OPEN,
    }


def test_a_withdrawal_refuses_pending_requests(desk: Desk) -> None:
    desk.publish(resource(sharing=CONDITIONS))
    asked = ask()
    (answer,) = desk.ask(asked, withdraw())[1:]
    assert isinstance(answer, Withdrawn)
    assert [held.id for held in answer.refused] == [asked.grant]
    assert desk.state.grants[asked.grant].phase is GrantPhase.REFUSED
