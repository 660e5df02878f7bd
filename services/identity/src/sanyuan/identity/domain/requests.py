"""What identity is asked and what it answers, as values.

``at`` is the time of the decision in whole microseconds since 1970 UTC: time is data.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from sanyuan.common.contracts.identity import Audience, Level
from sanyuan.identity.domain.subjects import Claim, Malformed


@dataclass(frozen=True, slots=True)
class Asker:
    """The participant behind a command; a service has no credit code."""

    participant: str
    is_agency: bool = False


@dataclass(frozen=True, slots=True)
class Grounds:
    """For what a verification is asked; ``permitted`` is what the agency allowed the asker."""

    purpose: str | None
    audience: Audience
    case: str
    permitted: frozenset[str]
    is_audience_registered: bool = True


@dataclass(frozen=True, slots=True)
class Verify:
    """Is the claim what the register has? ``subject`` is the blind index of its number or code."""

    at: int
    asker: Asker
    grounds: Grounds
    claim: Claim | Malformed
    subject: bytes
    entropy: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RevokeAssertion:
    """Nobody may rely on the assertion any longer."""

    at: int
    asker: Asker
    jti: str


@dataclass(frozen=True, slots=True)
class ErasePerson:
    """Forget a person; ``subject`` is the blind index of the number."""

    at: int
    asker: Asker
    subject: bytes | Malformed


Request = Verify | RevokeAssertion | ErasePerson


class Reason(StrEnum):
    """Why a verification is refused."""

    NO_PURPOSE = "no-purpose"
    NOT_PERMITTED = "not-permitted"
    MALFORMED = "malformed"
    RATE = "rate"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a JWT will say; ``holder`` is still plain and is sealed for the audience by the shell.

    ``party`` is the participant that may show it; ``issued_at`` and ``expires_at`` are seconds
    since 1970 UTC.
    """

    jti: str
    audience: Audience
    party: str
    subject: str = field(repr=False)
    holder: str = field(repr=False)
    issued_at: int
    expires_at: int
    purpose: str
    case: str
    uses: int
    level: Level


@dataclass(frozen=True, slots=True)
class Verified:
    """Yes; ``questionable`` is a credit code that is registered though a check of it fails."""

    assertion: Assertion
    questionable: bool = False


@dataclass(frozen=True, slots=True)
class NotVerified:
    """No: a mismatch, or nobody has this number."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The question is not answered; ``detail`` holds no personal data."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """The assertion is void from here on."""

    jti: str


@dataclass(frozen=True, slots=True)
class RevocationRefused:
    """The asker has no valid assertion of this name."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Nobody can compute the person's pseudonyms any more."""


class ErasureReason(StrEnum):
    """Why nothing is erased."""

    NOT_PERMITTED = "not-permitted"
    MALFORMED = "malformed"
    UNKNOWN = "unknown-subject"


@dataclass(frozen=True, slots=True)
class ErasureRefused:
    """Nothing was erased; ``detail`` holds no personal data."""

    reason: ErasureReason
    detail: str


Answer = Verified | NotVerified | Refused | Revoked | RevocationRefused | Erased | ErasureRefused
