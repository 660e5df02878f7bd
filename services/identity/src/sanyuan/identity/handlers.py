"""The shell around `decide`: commands become requests, answers become records (design §4).

Runs inside the batch's transaction. The runtime commits it, with positions and outbox, after this
returns: if we crash before that, nothing happened; after it, the relay sends what was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, assert_never

from sqlalchemy import Connection

from sanyuan.common.contracts import identity as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Answer, Command, Outcome, Sealing
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.sealing import PublicSealingKey
from sanyuan.identity import store
from sanyuan.identity.assertions import Issuer, issue
from sanyuan.identity.decide import decide, refuse, wanted
from sanyuan.identity.domain.pseudonyms import Keys, organisation_index, person_index
from sanyuan.identity.domain.requests import (
    Answer as Verdict,
)
from sanyuan.identity.domain.requests import (
    Asker,
    Erased,
    ErasePerson,
    ErasureRefused,
    Grounds,
    NotVerified,
    Refused,
    Request,
    RevocationRefused,
    RevokeAssertion,
    Revoked,
    Verified,
    Verify,
)
from sanyuan.identity.domain.rules import Rules
from sanyuan.identity.domain.state import State, Wanted
from sanyuan.identity.domain.subjects import (
    Claim,
    Malformed,
    OrganisationClaim,
    PersonClaim,
    read_number,
    read_organisation,
    read_person,
)
from sanyuan.identity.registers import LegalEntityRegister, PopulationRegister

SERVICE: Final = "identity"
NOT_OPENED: Final = Malformed("the subject was not opened")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Registers and birth dates live on China Standard Time, which has no summer time since 1992.
_CHINA: Final = timedelta(hours=8)


class UnhandledCommandError(SanyuanError):
    """The runtime passed on a command that is none of identity's: a fault of ours."""


@dataclass(frozen=True, slots=True)
class IdentityHandler:
    """Identity's part of a batch; see `sanyuan.common.deciding.Handler`."""

    people: PopulationRegister
    organisations: LegalEntityRegister
    rules: Rules
    keys: Keys
    issuer: Issuer

    def __call__(
        self, connection: Connection, directory: Directory, commands: Sequence[Command[Message]]
    ) -> Sequence[Outcome]:
        """One outcome per command, in order; raises RegisterUnavailableError."""
        if not commands:
            return []
        requests = [read_request(command, directory, self.keys) for command in commands]
        state = self._load(connection, wanted(requests))
        decision = decide(state, requests, self.rules, self.keys)
        store.commit(connection, state, decision.changes, self.rules.locks)
        store.forget_expired(connection, requests[0].at)
        return [
            self._tell(command, verdict, directory)
            for command, verdict in zip(commands, decision.answers, strict=True)
        ]

    def _load(self, connection: Connection, keys: Wanted) -> State:
        return replace(
            store.load(connection, keys),
            people=self.people.find(keys.numbers),
            organisations=self.organisations.find(keys.codes),
        )

    def _tell(  # noqa: PLR0911  one row per verdict
        self, command: Command[Message], verdict: Verdict, directory: Directory
    ) -> Outcome:
        match verdict:
            case Verified():
                audience = directory.service(verdict.assertion.audience).sealing
                return Outcome(self._tell_verified(command, verdict, audience))
            case NotVerified():
                return Outcome(Answer(_NOT_VERIFIED[type(command.data)]))
            case Refused(reason, detail):
                return Outcome(_refusal(messages.VerificationRefused, reason, detail))
            case Revoked(jti):
                fact = messages.AssertionRevoked(jti=jti)
                return Outcome(Answer(messages.AssertionRevocationAccepted, {"jti": jti}), (fact,))
            case RevocationRefused():
                detail = "no valid assertion of yours has this jti"
                return Outcome(_refusal(messages.RevocationRefused, "unknown-assertion", detail))
            case Erased():
                return Outcome(Answer(messages.PersonErased))
            case ErasureRefused(reason, detail):
                return Outcome(_refusal(messages.ErasureRefused, reason, detail))
            case _:
                assert_never(verdict)

    def _tell_verified(
        self, command: Command[Message], verdict: Verified, audience: PublicSealingKey
    ) -> Answer:
        jwt = issue(self.issuer, verdict.assertion, audience)
        sealed = {"assertion": Sealing(jwt, command.sender)}
        level = verdict.assertion.level
        if isinstance(command.data, messages.VerifyPerson):
            return Answer(messages.PersonVerified, {"level": level}, sealed)
        fields = {"level": level, "questionable": verdict.questionable}
        return Answer(messages.OrganisationVerified, fields, sealed)


_NOT_VERIFIED: Final[dict[type[Message], type[Message]]] = {
    messages.VerifyPerson: messages.PersonNotVerified,
    messages.VerifyOrganisation: messages.OrganisationNotVerified,
}


def _refusal(kind: type[Message], reason: str, detail: str) -> Answer:
    return Answer(kind, {"reason": str(reason), "detail": detail})


def read_request(command: Command[Message], directory: Directory, keys: Keys) -> Request:
    """What a command asks, parsed and normalised; raises UnhandledCommandError."""
    at = (command.at - _EPOCH) // _MICROSECOND
    on = (command.at + _CHINA).date()
    asker = Asker(command.sender.participant or "", command.sender.role == "agency")
    match command.data:
        case messages.VerifyPerson() | messages.VerifyOrganisation() as asked:
            grounds = _grounds(command, asked, directory)
            # Personal data that nobody may ask about is not even opened.
            claim = NOT_OPENED if refuse(grounds) else _read_claim(command, on)
            return Verify(at, asker, grounds, claim, _index(keys, claim), command.entropy)
        case messages.RevokeAssertion(jti=jti):
            return RevokeAssertion(at, asker, jti)
        case messages.ErasePerson():
            number = read_number(command.opened.get("subject"), on=on)
            subject = number if isinstance(number, Malformed) else person_index(keys, number)
            return ErasePerson(at, asker, subject)
        case other:
            raise UnhandledCommandError("not a command of identity", where=type(other).__name__)


def _read_claim(command: Command[Message], on: date) -> Claim | Malformed:
    plaintext = command.opened.get("subject")
    if isinstance(command.data, messages.VerifyPerson):
        return read_person(plaintext, on=on)
    return read_organisation(plaintext, on=on)


def _grounds(
    command: Command[Message],
    asked: messages.VerifyPerson | messages.VerifyOrganisation,
    directory: Directory,
) -> Grounds:
    return Grounds(
        purpose=asked.purpose or None,
        audience=asked.audience,
        case=command.case,
        permitted=directory.purposes(command.sender.participant, SERVICE),
        is_audience_registered=asked.audience in directory.by_name,
    )


def _index(keys: Keys, claim: Claim | Malformed) -> bytes:
    match claim:
        case PersonClaim(number=number):
            return person_index(keys, number)
        case OrganisationClaim(code=code):
            return organisation_index(keys, code)
        case Malformed():
            return b""
        case _:
            assert_never(claim)
