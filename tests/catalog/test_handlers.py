from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.catalog.office import (
    AGENCY,
    ARCHIVE,
    CIVIL,
    CODE,
    CONDITIONAL,
    COUNTER_DESK,
    DIRECTORY,
    FOOD,
    IDENTITY,
    MODELS,
    NOW,
    PARAMETERS,
    SEALING,
    SYSTEMS,
    TAX,
    UNTIL,
    Office,
    answer_of,
    asked,
    assertion,
    memory,
    participant,
    reasons,
    resource,
    reviewed,
)

from sanyuan.catalog.handlers import UnhandledCommandError
from sanyuan.common.assertions import store as assertions
from sanyuan.common.contracts import catalog as messages
from sanyuan.common.contracts.identity import AssertionRevoked, RevokeAssertion
from sanyuan.common.database import table_of
from sanyuan.common.deciding import Fact, Forwarded

BOUNDS = {"fields": ["status"], "quota": 9, "until": "2026-12-23T02:17:00Z"}
DECIDE_BY = "2026-12-07T16:00:00.000000Z"


@pytest.fixture
def office() -> Iterator[Office]:
    with memory() as connection:
        yield Office(connection)


def test_a_published_resource_is_a_public_fact_before_the_review_is_answered(
    office: Office,
) -> None:
    described = resource()
    submitted = office.say(messages.SubmitResource(resource=described), TAX)
    assert answer_of(submitted).fields == {"resource": CODE, "revision": 1}
    assert submitted.facts == ()
    published = office.say(reviewed(), AGENCY)
    assert answer_of(published).type is messages.ResourcesReviewed
    assert answer_of(published).fields["outcomes"] == [
        {"resource": CODE, "revision": 1, "result": "published"}
    ]
    assert published.facts == [
        messages.ResourcePublished(resource=described, revision=1, supersedes=0)
    ]


def test_a_review_tells_of_each_resource_what_it_did(office: Office) -> None:
    other = "307001/000018"
    office.decide(
        office.command(messages.SubmitResource(resource=resource()), TAX),
        office.command(
            messages.SubmitResource(resource=resource(code=other, items=resource().items[1:])), TAX
        ),
    )
    words = (
        *reviewed().reviewed,
        *reviewed(code=other, publish=False).reviewed,
        *reviewed().reviewed,
    )
    outcome = office.say(messages.ReviewResource(reviewed=words), AGENCY)
    assert answer_of(outcome).fields["outcomes"] == [
        {"resource": CODE, "revision": 1, "result": "published"},
        {"resource": other, "revision": 1, "result": "rejected"},
        {"resource": CODE, "revision": 1, "result": "refused", "reason": "illegal-transition"},
    ]
    assert [fact.TYPE for fact in outcome.facts] == [
        "catalog.resource-published.v1",
        "catalog.resource-rejected.v1",
    ]


def test_what_is_published_is_found_and_what_is_withdrawn_is_not(office: Office) -> None:
    listed = text("SELECT code, provider_name FROM listed JOIN listed_text USING (id)")
    office.publish()
    assert office.connection.execute(listed).all() == [(CODE, "税务局")]
    office.say(messages.WithdrawResource(resource=CODE, reason="merged"), TAX)
    assert office.connection.execute(listed).all() == []


@pytest.mark.parametrize("system", [CIVIL, IDENTITY, "//cn/departments/91110000600037341L/nobody"])
def test_only_a_registered_system_of_the_provider_serves(office: Office, system: str) -> None:
    described = resource(serving_system=system)
    refused = office.say(messages.SubmitResource(resource=described), TAX)
    assert reasons([refused]) == ["no-such-system"]


def test_a_second_source_of_an_element_is_pointed_to_the_first(office: Office) -> None:
    office.publish()
    second = resource(code="307001/000018", provider=participant(CIVIL), serving_system=CIVIL)
    refused = office.say(messages.SubmitResource(resource=second), CIVIL)
    assert answer_of(refused).type is messages.ResourceRefused
    assert reasons([refused]) == ["element-claimed"]
    assert answer_of(refused).fields["source_resource"] == CODE


def test_an_unconditional_grant_is_issued_with_its_terms_and_public(office: Office) -> None:
    office.publish()
    issued = office.say(asked(quota=9), FOOD)
    assert answer_of(issued).type is messages.GrantIssued
    terms = answer_of(issued).fields["terms"]
    assert isinstance(terms, dict)
    assert len(terms.pop("grant")) == 32
    assert terms == {
        "resource": CODE,
        "grantee": participant(FOOD),
        "purpose": "permit",
        "bounds": BOUNDS,
        "serving_system": TAX,
        "answer_within": 5,
        "needs_assertion": False,
    }
    (fact,) = issued.facts
    assert isinstance(fact, messages.GrantOpened)
    assert fact.terms.bounds.quota == 9


def test_a_conditional_grant_waits_and_whoever_serves_is_told(office: Office) -> None:
    office.publish(resource(sharing=CONDITIONAL))
    pending = office.say(asked(quota=9), FOOD)
    request = answer_of(pending).fields["request"]
    assert answer_of(pending).fields == {"request": request, "decide_by": DECIDE_BY}
    assert pending.facts == ()
    (notice,) = pending.notices
    assert (notice.inbox, notice.type) == ("inbox-tax", messages.GrantRequested)
    assert notice.fields == {
        "request": request,
        "resource": CODE,
        "grantee": participant(FOOD),
        "purpose": "permit",
        "legal_basis": "§ 35",
        "bounds": BOUNDS,
        "decide_by": DECIDE_BY,
    }


def test_without_a_serving_system_whoever_submitted_is_told(office: Office) -> None:
    licence = resource(sharing=CONDITIONAL, serving_system=None, license_type="food")
    office.publish(licence, ARCHIVE)
    (notice,) = office.say(asked(), FOOD).notices
    assert notice.inbox == "inbox-archive"


def test_the_requester_hears_the_providers_word(office: Office) -> None:
    office.publish(resource(sharing=CONDITIONAL))
    first, second = office.grant(quota=9), office.grant()
    yes = office.say(messages.DecideGrant(request=first, allow=True), ARCHIVE)
    assert answer_of(yes).fields == {"request": first, "grant": first}
    assert [type(fact) for fact in yes.facts] == [messages.GrantOpened]
    (told,) = yes.notices
    assert (told.inbox, told.type, told.fields["allow"]) == (
        "inbox-food",
        messages.GrantDecided,
        True,
    )
    no = office.say(messages.DecideGrant(request=second, allow=False, reason="too much"), TAX)
    assert answer_of(no).fields == {"request": second}
    assert no.facts == ()
    assert no.notices[0].fields == {"request": second, "allow": False, "reason": "too much"}


def test_a_revocation_is_a_public_fact_before_it_is_accepted(office: Office) -> None:
    office.publish()
    grant = office.grant()
    revoked = office.say(messages.RevokeGrant(grant=grant, reason="over"), TAX)
    assert answer_of(revoked).fields == {"grant": grant}
    fact = messages.GrantRevoked(grant=grant, resource=CODE, reason="over")
    assert list(revoked.facts) == [fact]


def test_a_withdrawal_tells_of_every_grant_before_the_resource(office: Office) -> None:
    office.publish()
    grants = sorted(office.grant() for _ in range(3))
    office.say(messages.RevokeGrant(grant=grants[1], reason="over"), FOOD)
    gone = office.say(messages.WithdrawResource(resource=CODE, reason="merged"), TAX)
    assert answer_of(gone).type is messages.ResourceWithdrawalAccepted
    *ended, last = gone.facts
    assert [getattr(fact, "grant", None) for fact in ended] == [grants[0], grants[2]]
    assert last == messages.ResourceWithdrawn(resource=CODE, reason="merged")


def test_a_withdrawal_tells_whoever_waits(office: Office) -> None:
    office.publish(resource(sharing=CONDITIONAL))
    request = office.grant()
    gone = office.say(messages.WithdrawResource(resource=CODE, reason="merged"), TAX)
    (told,) = gone.notices
    assert (told.inbox, told.fields["request"]) == ("inbox-food", request)
    assert told.fields["allow"] is False


def test_a_mere_draft_is_taken_back_in_silence(office: Office) -> None:
    office.say(messages.SubmitResource(resource=resource()), TAX)
    gone = office.say(messages.WithdrawResource(resource=CODE, reason="a mistake"), TAX)
    assert answer_of(gone).type is messages.ResourceWithdrawalAccepted
    assert gone.facts == []


def test_a_tick_reminds_provider_and_requester_and_is_not_answered(office: Office) -> None:
    office.publish(resource(sharing=CONDITIONAL))
    request = office.grant()
    late = NOW + timedelta(days=15)
    ticks = [office.command(messages.CatalogTick(), TAX, at=at) for at in (NOW, late, late)]
    early, told, again = office.decide(*ticks)
    assert early.notices == again.notices == []
    assert [notice.inbox for notice in told.notices] == ["inbox-tax", "inbox-food"]
    expected = {"request": request, "resource": CODE, "decide_by": DECIDE_BY}
    assert all(notice.fields == expected for notice in told.notices)


def test_an_admitted_call_goes_to_whoever_serves_with_what_the_caller_sealed(
    office: Office,
) -> None:
    office.publish()
    grant = office.grant()
    command = office.call(grant)
    (outcome,) = office.decide(command)
    answer = answer_of(outcome)
    assert (answer.type, answer.inbox) == (messages.CallAdmitted, "inbox-tax")
    assert answer.fields == {
        "grant": grant,
        "resource": CODE,
        "purpose": "permit",
        "fields": ("status",),
        "caller": FOOD,
        "reply_to": "inbox-food",
        "caller_key": SEALING[FOOD].key_id,
        "answer_by": "2026-11-23T02:17:05.000000Z",
        "call_id": command.id,
    }
    assert answer.attachments == {
        "parameters": Forwarded(PARAMETERS, FOOD, "cn/calls", "parameters")
    }


def test_a_grant_is_its_participants_not_one_systems(office: Office) -> None:
    office.publish()
    grant = office.grant()
    outcomes = office.decide(office.call(grant, COUNTER_DESK), office.call(grant, CIVIL))
    assert reasons(outcomes) == [None, "not-yours"]
    assert answer_of(outcomes[0]).fields["reply_to"] == "inbox-counter"
    assert answer_of(outcomes[1]).inbox is None


def test_each_refusal_of_a_call_says_what_to_do(office: Office) -> None:
    office.publish()
    grant = office.grant(quota=1)
    outcomes = office.decide(
        office.call("0" * 32),
        office.call(grant, parameters=None),
        office.call(grant, serving_system=ARCHIVE),
        office.call(grant, at=UNTIL),
        office.call(grant),
        office.call(grant),
    )
    assert reasons(outcomes) == [
        "unknown-grant",
        "no-parameters",
        "wrong-serving-system",
        "grant-expired",
        None,
        "quota",
    ]
    assert all(answer_of(o).fields["detail"] for o in outcomes if reasons([o]) != [None])


def test_a_recovered_system_goes_on_serving_in_its_second_life(office: Office) -> None:
    office.publish()
    grant = office.grant()
    second = replace(SYSTEMS[TAX], source=f"{TAX}~2")
    office.directory = replace(DIRECTORY, systems={**SYSTEMS, second.source: second})
    old, new = office.decide(office.call(grant), office.call(grant, serving_system=second.source))
    assert reasons([old, new]) == ["wrong-serving-system", None]
    assert answer_of(new).inbox == "inbox-tax"
    terms = answer_of(office.say(asked(), FOOD)).fields["terms"]
    assert isinstance(terms, dict)
    assert terms["serving_system"] == second.source


def test_a_call_about_a_person_shows_identitys_assertion(office: Office) -> None:
    office.publish(resource(needs_assertion=True))
    grant = office.grant()
    good = assertion()
    outcomes = office.decide(
        office.call(grant),
        office.call(grant, assertion=b"rubbish"),
        office.call(grant, assertion=assertion(aud="license-exchange")),
        office.call(grant, assertion=assertion(CIVIL)),
        office.call(grant, assertion=good),
        office.call(grant, assertion=good),
    )
    assert reasons(outcomes) == [
        "assertion-missing",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-not-for-you",
        None,
        "assertion-used-up",
    ]
    assert answer_of(outcomes[4]).fields["level"] == "three-factor"
    assert "pseudonym" not in str(outcomes)
    assert reasons(office.decide(office.call(grant, assertion=good))) == ["assertion-used-up"]


def test_a_revoked_assertion_is_refused_from_the_fact_on(office: Office) -> None:
    office.publish(resource(needs_assertion=True))
    grant = office.grant()
    fact = AssertionRevoked(jti="0123456789abcdef" * 2)
    assertions.observe(office.connection, [Fact(fact, NOW, None)])
    outcomes = office.decide(office.call(grant, assertion=assertion()))
    assert reasons(outcomes) == ["assertion-revoked"]


def test_a_quota_is_exact_over_batches_and_systems(office: Office) -> None:
    office.publish()
    grant = office.grant(quota=3)
    told = [
        *office.decide(office.call(grant), office.call(grant, COUNTER_DESK)),
        *office.decide(office.call(grant, COUNTER_DESK), office.call(grant)),
        *office.decide(office.call(grant)),
    ]
    assert reasons(told) == [None, None, None, "quota", "quota"]


def test_no_row_holds_parameters_or_a_person(office: Office) -> None:
    office.publish(resource(needs_assertion=True))
    office.decide(office.call(office.grant(), assertion=assertion()))
    rows = str([office.connection.execute(table_of(m).select()).all() for m in MODELS])
    for secret in ("pseudonym", PARAMETERS.decode()):
        assert secret not in rows


def test_an_empty_batch_does_nothing(office: Office) -> None:
    assert office.decide() == []


def test_a_command_of_another_service_is_our_fault(office: Office) -> None:
    with pytest.raises(UnhandledCommandError):
        office.say(RevokeAssertion(jti="0" * 32), FOOD)
