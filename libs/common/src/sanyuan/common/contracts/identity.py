"""Messages of the identity service (design §3 "Exact bytes", §5)."""

from typing import Annotated, Literal

from pydantic import Field

from sanyuan.common.contracts.message import (
    Attachment,
    CommandRefused,
    Decided,
    Message,
    Purpose,
    Refused,
    ShortText,
)

COMMANDS = ("identity-commands",)
EVENTS = ("identity-events",)

Audience = Literal["license-exchange", "catalog"]
Jti = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
MAX_LIFETIME_SECONDS = 90 * 24 * 3600
"""No assertion lives longer: whoever accepts them keeps revocations as long as that."""
Level = Literal["two-factor", "three-factor", "name-and-code", "with-representative"]


class _Verify(Message):
    TOPICS = COMMANDS
    SEALED = ("subject",)
    purpose: Purpose | Literal[""] | None = None
    legal_basis: ShortText
    audience: Audience
    subject: Attachment


class VerifyPerson(_Verify):
    """Do this name and number (and mobile number) belong to one person?

    ``subject``, sealed to identity: JSON ``{"name","number"[,"mobile"]}``.
    """

    TYPE = "identity.verify-person.v1"


class VerifyOrganisation(_Verify):
    """Do this name and credit code (and legal representative) belong to one organisation?

    ``subject``, sealed to identity: JSON ``{"name","code"[,"representative":{"name","number"}]}``.
    """

    TYPE = "identity.verify-organisation.v1"


class RevokeAssertion(Message):
    """Nobody may rely any longer on the assertion ``jti``."""

    TYPE = "identity.revoke-assertion.v1"
    TOPICS = COMMANDS
    jti: Jti


class ErasePerson(Message):
    """Forget the secret behind a person's pseudonyms; ``subject``, sealed: ``{"number"}``."""

    TYPE = "identity.erase-person.v1"
    TOPICS = COMMANDS
    SEALED = ("subject",)
    legal_basis: ShortText
    subject: Attachment


class _Verified(Decided):
    SEALED = ("assertion",)
    assertion: Attachment
    level: Level


class PersonVerified(_Verified):
    """Yes; ``assertion``, sealed to the sender, is a JWT for exactly one service."""

    TYPE = "identity.person-verified.v1"


class OrganisationVerified(_Verified):
    """Yes; ``assertion``, sealed to the sender, is a JWT for exactly one service."""

    TYPE = "identity.organisation-verified.v1"
    questionable: Annotated[bool, Field(strict=True)] = False
    """The credit code is registered though one of its checks fails (GB 32100)."""


class PersonNotVerified(Decided):
    """No; a mismatch and an unknown person look the same."""

    TYPE = "identity.person-not-verified.v1"


class OrganisationNotVerified(Decided):
    """No; a mismatch and an unknown organisation look the same."""

    TYPE = "identity.organisation-not-verified.v1"


class VerificationRefused(Refused):
    """The question is not answered; ``reason`` says why."""

    TYPE = "identity.verification-refused.v1"
    reason: Literal["no-purpose", "not-permitted", "locked", "malformed", "rate"]


class AssertionRevocationAccepted(Decided):
    """The revocation is on ``identity-events``."""

    TYPE = "identity.assertion-revocation-accepted.v1"
    jti: Jti


class RevocationRefused(Refused):
    """No assertion of the sender has this ``jti``."""

    TYPE = "identity.revocation-refused.v1"
    reason: Literal["unknown-assertion"]


class AssertionRevoked(Message):
    """Public: whoever is shown the assertion ``jti`` refuses it from here on."""

    TYPE = "identity.assertion-revoked.v1"
    TOPICS = EVENTS
    jti: Jti


class PersonErased(Decided):
    """The person's pseudonyms can no longer be computed by anyone."""

    TYPE = "identity.person-erased.v1"


class ErasureRefused(Refused):
    """Nothing was erased."""

    TYPE = "identity.erasure-refused.v1"
    reason: Literal["not-permitted", "malformed", "unknown-subject"]


class IdentityCommandRefused(CommandRefused):
    """The command's type or data could not be understood, or its key was revoked."""

    TYPE = "identity.command-refused.v1"


IdentityCommand = VerifyPerson | VerifyOrganisation | RevokeAssertion | ErasePerson
IdentityDecision = (
    PersonVerified
    | PersonNotVerified
    | OrganisationVerified
    | OrganisationNotVerified
    | VerificationRefused
    | AssertionRevocationAccepted
    | RevocationRefused
    | PersonErased
    | ErasureRefused
    | IdentityCommandRefused
)
IdentityEvent = AssertionRevoked
