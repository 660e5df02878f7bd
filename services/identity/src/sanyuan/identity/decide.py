"""Every decision of identity: a pure function of state and requests.

Laws, property-tested: deciding a batch whole equals deciding it in any split; a mismatch and an
unknown subject get the same answer and leave the same changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from sanyuan.common.contracts.identity import Level
from sanyuan.common.rates import take
from sanyuan.identity.domain.locks import CLEAR, Locked, Result, Watch, observe, standing
from sanyuan.identity.domain.pseudonyms import Keys, fresh_jti, fresh_secret, pseudonym
from sanyuan.identity.domain.requests import (
    Answer,
    Assertion,
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
from sanyuan.identity.domain.rules import Rules
from sanyuan.identity.domain.state import Changes, Issued, State, Wanted, current
from sanyuan.identity.domain.subjects import (
    NOBODY,
    NOTHING,
    Claim,
    Malformed,
    OrganisationClaim,
    PersonClaim,
    is_organisation,
    is_person,
)

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer per request, in order, and what they change."""

    answers: tuple[Answer, ...]
    changes: Changes


def wanted(requests: Sequence[Request]) -> Wanted:
    """What to load. A register is asked only about whom the asker may ask."""
    verified = [request for request in requests if isinstance(request, Verify)]
    admitted = [
        (request, claim)
        for request in verified
        if not isinstance(claim := _admit(request), Refused)
    ]
    erased = (request.subject for request in requests if isinstance(request, ErasePerson))
    return Wanted(
        numbers=frozenset(c.number for _, c in admitted if isinstance(c, PersonClaim)),
        codes=frozenset(c.code for _, c in admitted if isinstance(c, OrganisationClaim)),
        subjects=frozenset(request.subject for request, _ in admitted)
        | {subject for subject in erased if isinstance(subject, bytes)},
        participants=frozenset(request.asker.participant for request, _ in admitted),
        jtis=frozenset(r.jti for r in requests if isinstance(r, RevokeAssertion)),
    )


def decide(state: State, requests: Sequence[Request], rules: Rules, keys: Keys) -> Decision:
    """Answer every request, each on what those before it left."""
    desk = _Desk(state, Changes(), rules, keys)
    return Decision(tuple([desk.answer(request) for request in requests]), desk.changes)


@dataclass(frozen=True, slots=True)
class _Desk:
    """The state before the batch, and the changes that it makes so far."""

    state: State
    changes: Changes
    rules: Rules
    keys: Keys

    def answer(self, request: Request) -> Answer:
        match request:
            case Verify():
                return self._verify(request)
            case RevokeAssertion():
                return self._revoke(request)
            case ErasePerson():
                return self._erase(request)
            case _:
                assert_never(request)

    def _verify(self, request: Verify) -> Answer:
        claim = _admit(request)
        if isinstance(claim, Refused):
            return claim
        refusal = self._limit(request)
        if refusal is not None:
            return refusal
        matches = self._ask_register(claim)
        self._remember(request, Result.MATCH if matches else Result.MISMATCH)
        if not matches:
            return NotVerified()
        questionable = isinstance(claim, OrganisationClaim) and claim.questionable
        return Verified(self._issue(request, claim), questionable)

    def _limit(self, request: Verify) -> Refused | None:
        participant, at = request.asker.participant, request.at
        full_at = current(self.changes.buckets, self.state.buckets, participant)
        taken = take(self.rules.rate, full_at or 0, at)
        if taken is None:
            return Refused(Reason.RATE, "too many questions at once: ask again more slowly")
        self.changes.buckets[participant] = taken
        watch = self._watch(request)
        if isinstance(watch, Locked):
            seconds = -(-(watch.until - at) // _SECOND)
            return Refused(Reason.LOCKED, f"too many failures on this subject: wait {seconds} s")
        return None

    def _ask_register(self, claim: Claim) -> bool:
        match claim:
            case PersonClaim():
                return is_person(claim, self.state.people.get(claim.number, NOBODY))
            case OrganisationClaim():
                return is_organisation(claim, self.state.organisations.get(claim.code, NOTHING))
            case _:
                assert_never(claim)

    def _watch(self, request: Verify) -> Watch:
        key = (request.asker.participant, request.subject)
        watch = current(self.changes.watches, self.state.watches, key)
        return standing(watch or CLEAR, request.at, self.rules.locks)

    def _remember(self, request: Verify, result: Result) -> None:
        before = self._watch(request)
        after = observe(before, result, request.at, self.rules.locks)
        if after != before:
            self.changes.watches[request.asker.participant, request.subject] = after

    def _issue(self, request: Verify, claim: Claim) -> Assertion:
        grounds, participant = request.grounds, request.asker.participant
        terms = self.rules.terms_of(grounds.purpose or "")
        subject, holder, level = self._describe(request, claim)
        issued_at = request.at // _SECOND
        expires_at = issued_at + terms.lifetime
        jti = fresh_jti(request.entropy)
        self.changes.issued[jti] = Issued(participant, expires_at * _SECOND)
        return Assertion(
            jti=jti,
            audience=grounds.audience,
            party=participant,
            subject=subject,
            holder=holder,
            issued_at=issued_at,
            expires_at=expires_at,
            purpose=grounds.purpose or "",
            case=grounds.case,
            uses=terms.uses,
            level=level,
        )

    def _describe(self, request: Verify, claim: Claim) -> tuple[str, str, Level]:
        """How the asker and the audience call the subject, and how much was checked."""
        match claim:
            case PersonClaim(mobile=mobile):
                secret = self._secret(request)
                mine = pseudonym(self.keys, f"participant/{request.asker.participant}", secret)
                theirs = pseudonym(self.keys, f"service/{request.grounds.audience}", secret)
                return mine, theirs, "two-factor" if mobile is None else "three-factor"
            case OrganisationClaim(code=code, representative=head):
                return code, code, "name-and-code" if head is None else "with-representative"
            case _:
                assert_never(claim)

    def _secret(self, request: Verify) -> bytes:
        secret = current(self.changes.secrets, self.state.secrets, request.subject)
        if secret is None:
            secret = fresh_secret(request.entropy)
            self.changes.secrets[request.subject] = secret
        return secret

    def _revoke(self, request: RevokeAssertion) -> Answer:
        issued = current(self.changes.issued, self.state.issued, request.jti)
        asker = request.asker
        if (
            issued is None
            or issued.expires_at <= request.at
            or not (asker.is_agency or asker.participant == issued.participant)
        ):
            return RevocationRefused()
        self.changes.issued[request.jti] = None
        return Revoked(request.jti)

    def _erase(self, request: ErasePerson) -> Answer:
        if not request.asker.is_agency:
            return ErasureRefused(ErasureReason.NOT_PERMITTED, "only the agency erases people")
        subject = request.subject
        if isinstance(subject, Malformed):
            return ErasureRefused(ErasureReason.MALFORMED, subject.why)
        if current(self.changes.secrets, self.state.secrets, subject) is None:
            return ErasureRefused(ErasureReason.UNKNOWN, "nothing is kept about this number")
        self.changes.secrets[subject] = None
        return Erased()


def refuse(grounds: Grounds) -> Refused | None:
    """Why nothing is opened or looked up on these grounds; most general first."""
    if grounds.purpose is None:
        return Refused(Reason.NO_PURPOSE, "data.purpose says for what the answer is needed")
    if grounds.purpose not in grounds.permitted:
        return Refused(Reason.NOT_PERMITTED, "the agency has not permitted this purpose")
    if not grounds.is_audience_registered:
        return Refused(Reason.NOT_PERMITTED, "the service in data.audience is not registered yet")
    return None


def _admit(request: Verify) -> Claim | Refused:
    """The claim, unless something is wrong before anything is looked up."""
    refusal = refuse(request.grounds)
    if refusal is not None:
        return refusal
    if isinstance(request.claim, Malformed):
        return Refused(Reason.MALFORMED, request.claim.why)
    return request.claim
