from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.rates import Rate
from sanyuan.identity.decide import Decision, decide, wanted
from sanyuan.identity.domain.locks import LockRules
from sanyuan.identity.domain.pseudonyms import Keys, person_index
from sanyuan.identity.domain.requests import (
    Answer,
    Asker,
    Erased,
    ErasePerson,
    ErasureReason,
    ErasureRefused,
    Grounds,
    NotVerified,
    Reason,
    Refused,
    Request,
    RevocationRefused,
    RevokeAssertion,
    Revoked,
    Verified,
    Verify,
)
from sanyuan.identity.domain.rules import DAY, Rules, Terms
from sanyuan.identity.domain.state import Changes, State, Wanted, evolve
from sanyuan.identity.domain.subjects import (
    Claim,
    Malformed,
    OrganisationClaim,
    PersonClaim,
    RegisteredOrganisation,
    RegisteredPerson,
)

SECOND = 1_000_000
START = 1_795_000_000 * SECOND
KEYS = Keys(pseudonyms=bytes(32), blind_index=bytes([1] * 32))
RULES = Rules(
    locks=LockRules(max_failures=3),
    rate=Rate(per_second=1, burst=8),
    terms={"visit": Terms(lifetime=3 * DAY, uses=7)},
)
FOOD, TAX = Asker("91110000600037341L"), Asker("11100000000013338W")
AGENCY = Asker("11220000013544541J", is_agency=True)
NUMBERS = ["11010519491231002X", "440524188001010014", "110101199001011237"]
UNKNOWN = NUMBERS[2]
CODE = "91350100M0001TGQXM"
STATE = State(
    people={
        NUMBERS[0]: RegisteredPerson("甲", "13800138000"),
        NUMBERS[1]: RegisteredPerson("乙"),
    },
    organisations={CODE: RegisteredOrganisation("丙行", "甲", NUMBERS[0])},
)


def verify(
    claim: Claim | Malformed,
    *,
    at: int = START,
    asker: Asker = FOOD,
    purpose: str | None = "meal",
    entropy: bytes = b"e",
) -> Verify:
    key = claim.number if isinstance(claim, PersonClaim) else CODE
    grounds = Grounds(purpose, "license-exchange", "case", frozenset({"meal", "visit"}))
    return Verify(at, asker, grounds, claim, person_index(KEYS, key), sha256(entropy).digest())


def answers(*requests: Request, state: State = STATE) -> tuple[Answer, ...]:
    return decide(state, requests, RULES, KEYS).answers


def verified(*requests: Request) -> Verified:
    answer = answers(*requests)[-1]
    assert isinstance(answer, Verified)
    return answer


RIGHT = PersonClaim("甲", NUMBERS[0])
WRONG = PersonClaim("乙", NUMBERS[0])
NOBODY = PersonClaim("甲", UNKNOWN)


def test_a_person_is_verified_by_name_and_number() -> None:
    assertion = verified(verify(RIGHT)).assertion
    assert (assertion.level, assertion.uses, assertion.case) == ("two-factor", 1, "case")
    assert assertion.expires_at - assertion.issued_at == 600
    assert assertion.issued_at == START // SECOND
    assert assertion.subject != assertion.holder


def test_a_purpose_may_have_terms_of_its_own() -> None:
    assertion = verified(verify(RIGHT, purpose="visit")).assertion
    assert (assertion.uses, assertion.expires_at - assertion.issued_at) == (7, 3 * DAY)


def test_a_mobile_number_makes_three_factors() -> None:
    claim = replace(RIGHT, mobile="13800138000")
    assert verified(verify(claim)).assertion.level == "three-factor"
    assert answers(verify(replace(RIGHT, mobile="13800138001"))) == (NotVerified(),)


def test_an_organisation_is_called_by_its_code_and_may_be_questionable() -> None:
    claim = OrganisationClaim("丙行", CODE, questionable=True)
    answer = verified(verify(claim))
    assert answer.questionable
    assert (answer.assertion.subject, answer.assertion.holder) == (CODE, CODE)
    assert answer.assertion.level == "name-and-code"
    assert verified(verify(replace(claim, representative=RIGHT))).assertion.level == (
        "with-representative"
    )
    assert answers(verify(replace(claim, representative=WRONG))) == (NotVerified(),)


def test_a_person_keeps_a_pseudonym_per_department_and_no_two_share_one() -> None:
    twice = (verify(RIGHT), verify(RIGHT, entropy=b"f"))
    first, again = (a.assertion for a in answers(*twice) if isinstance(a, Verified))
    other = verified(verify(RIGHT), verify(RIGHT, asker=TAX, entropy=b"g")).assertion
    assert first.subject == again.subject != other.subject
    assert first.holder == again.holder == other.holder
    assert len({first.jti, again.jti, other.jti}) == 3


def test_mismatch_and_unknown_are_the_same_outside_and_count_the_same() -> None:
    mismatch = decide(STATE, [verify(WRONG)] * 4, RULES, KEYS)
    unknown = decide(STATE, [verify(NOBODY)] * 4, RULES, KEYS)
    assert mismatch.answers == unknown.answers
    assert list(mismatch.changes.watches.values()) == list(unknown.changes.watches.values())
    assert mismatch.changes.secrets == unknown.changes.secrets == {}


def test_repeated_failures_lock_the_subject_for_that_department_only() -> None:
    locked = answers(*[verify(WRONG)] * 3, verify(RIGHT), verify(RIGHT, asker=TAX))
    assert locked[:3] == (NotVerified(),) * 3
    assert isinstance(locked[3], Refused)
    assert locked[3].reason is Reason.LOCKED
    assert isinstance(locked[4], Verified)


def test_a_lock_ends() -> None:
    later = START + RULES.locks.duration
    verified(*[verify(WRONG)] * 3, verify(RIGHT, at=later))


def test_a_success_between_failures_does_not_help_to_guess() -> None:
    tries = [verify(WRONG), verify(RIGHT), verify(WRONG), verify(RIGHT), verify(WRONG)]
    assert isinstance(answers(*tries, verify(RIGHT))[-1], Refused)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (verify(RIGHT, purpose=None), Reason.NO_PURPOSE),
        (verify(RIGHT, purpose="census"), Reason.NOT_PERMITTED),
        (verify(Malformed("why")), Reason.MALFORMED),
        (verify(Malformed("why"), purpose="census"), Reason.NOT_PERMITTED),
    ],
)
def test_what_may_not_be_asked_is_refused_before_anything_is_looked_up(
    request_: Verify, reason: Reason
) -> None:
    decision = decide(STATE, [request_] * 20, RULES, KEYS)
    assert {a.reason for a in decision.answers if isinstance(a, Refused)} == {reason}
    assert decision.changes == Changes()
    assert wanted([request_]) == Wanted()


def test_a_department_that_asks_too_fast_is_refused_and_others_are_not() -> None:
    told = answers(*[verify(RIGHT)] * 9, verify(RIGHT, asker=TAX))
    assert [type(a) for a in told] == [Verified] * 8 + [Refused, Verified]
    assert isinstance(told[8], Refused)
    assert told[8].reason is Reason.RATE


@pytest.mark.parametrize("asker", [FOOD, AGENCY])
def test_who_got_an_assertion_or_the_agency_may_revoke_it_once(asker: Asker) -> None:
    state = evolve(STATE, decide(STATE, [verify(RIGHT)], RULES, KEYS).changes)
    (jti,) = state.issued
    revoke = RevokeAssertion(START, asker, jti)
    assert answers(revoke, revoke, state=state) == (Revoked(jti), RevocationRefused())


def test_nobody_else_may_revoke_and_an_expired_assertion_is_unknown() -> None:
    state = evolve(STATE, decide(STATE, [verify(RIGHT)], RULES, KEYS).changes)
    (jti,) = state.issued
    late = START + 600 * SECOND
    assert (
        answers(
            RevokeAssertion(START, TAX, jti),
            RevokeAssertion(START, FOOD, "0" * 32),
            RevokeAssertion(late, FOOD, jti),
            state=state,
        )
        == (RevocationRefused(),) * 3
    )


def test_an_erased_person_gets_new_pseudonyms() -> None:
    erase = ErasePerson(START, AGENCY, person_index(KEYS, NUMBERS[0]))
    told = answers(verify(RIGHT), erase, verify(RIGHT, entropy=b"other"), erase, erase)
    assert [type(a) for a in told] == [Verified, Erased, Verified, Erased, ErasureRefused]
    assert isinstance(told[0], Verified)
    assert isinstance(told[2], Verified)
    assert told[0].assertion.subject != told[2].assertion.subject


def test_only_the_agency_erases() -> None:
    subject = person_index(KEYS, NUMBERS[0])
    told = answers(
        verify(RIGHT),
        ErasePerson(START, FOOD, subject),
        ErasePerson(START, AGENCY, Malformed("why")),
    )
    reasons = [a.reason for a in told if isinstance(a, ErasureRefused)]
    assert reasons == [ErasureReason.NOT_PERMITTED, ErasureReason.MALFORMED]


def test_a_batch_loads_what_it_touches_and_nothing_else() -> None:
    keys = wanted(
        [
            verify(RIGHT),
            verify(OrganisationClaim("丙行", CODE), asker=TAX),
            RevokeAssertion(START, FOOD, "1" * 32),
            ErasePerson(START, AGENCY, b"s"),
        ]
    )
    assert keys.numbers == {NUMBERS[0]}
    assert keys.codes == {CODE}
    assert keys.participants == {FOOD.participant, TAX.participant}
    assert keys.jtis == {"1" * 32}
    assert b"s" in keys.subjects


@st.composite
def histories(draw: st.DrawFn) -> list[Request]:
    claims: st.SearchStrategy[Claim | Malformed] = st.sampled_from(
        [RIGHT, WRONG, NOBODY, Malformed("why"), OrganisationClaim("丙行", CODE)]
    )
    at, history = START, list[Request]()
    jtis = ["0" * 32]
    for turn in range(draw(st.integers(0, 30))):
        at += draw(st.sampled_from([0, 1, SECOND, 40 * SECOND, 1800 * SECOND]))
        asker = draw(st.sampled_from([FOOD, TAX, AGENCY]))
        entropy = str(turn).encode()
        match draw(st.integers(0, 9)):
            case 0:
                history.append(RevokeAssertion(at, asker, draw(st.sampled_from(jtis))))
            case 1:
                number = draw(st.sampled_from(NUMBERS))
                history.append(ErasePerson(at, asker, person_index(KEYS, number)))
            case _:
                purpose = draw(st.sampled_from(["meal", "visit", "census", None]))
                asked = verify(draw(claims), at=at, asker=asker, purpose=purpose, entropy=entropy)
                history.append(asked)
                # What it would be called if it were issued, so that revocations hit.
                alone = decide(STATE, [asked], RULES, KEYS)
                jtis.extend(alone.changes.issued)
    return history


@given(histories(), st.lists(st.integers(0, 30), max_size=6))
def test_deciding_a_batch_whole_equals_deciding_it_in_any_split(
    history: list[Request], cuts: list[int]
) -> None:
    whole = decide(STATE, history, RULES, KEYS)
    bounds = [0, *sorted(min(cut, len(history)) for cut in cuts), len(history)]
    state, told = STATE, list[Answer]()
    for start, end in pairwise(bounds):
        part: Decision = decide(state, history[start:end], RULES, KEYS)
        state = evolve(state, part.changes)
        told.extend(part.answers)
    assert tuple(told) == whole.answers
    assert state == evolve(STATE, whole.changes)


@given(histories())
def test_deciding_touches_only_what_was_loaded(history: list[Request]) -> None:
    keys, changes = wanted(history), decide(STATE, history, RULES, KEYS).changes
    assert set(changes.secrets) <= keys.subjects
    assert {subject for _, subject in changes.watches} <= keys.subjects
    assert set(changes.buckets) <= keys.participants
