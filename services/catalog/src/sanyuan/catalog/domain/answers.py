"""What the catalog answers, as values; texts are for people and hold no personal data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sanyuan.catalog.domain.grants import Grant
from sanyuan.catalog.domain.resources import Serving
from sanyuan.common.assertions.token import AssertionRefusal
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.contracts.identity import Level


@dataclass(frozen=True, slots=True)
class Submitted:
    """The revision waits for review."""

    code: str
    revision: int


class ResourceReason(StrEnum):
    """Why a command on a resource has no effect."""

    NOT_YOURS = "not-yours"
    NOT_THE_AGENCY = "not-the-agency"
    UNKNOWN = "unknown-resource"
    EXISTS = "exists"
    ILLEGAL = "illegal-transition"
    CLAIMED = "element-claimed"
    INCOMPATIBLE = "incompatible"
    NO_SYSTEM = "no-such-system"
    MALFORMED = "malformed"


class ResourceRefused(NamedTuple):
    """Nothing happened; ``source`` is the one source of a claimed element."""

    reason: ResourceReason
    detail: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A revision is in force from here on, instead of ``supersedes`` (0: none)."""

    resource: Resource
    revision: int
    supersedes: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The revision is gone; what was in force holds on."""

    code: str
    revision: int
    reason: str | None


class Unreviewed(NamedTuple):
    """The review has no effect on this revision."""

    code: str
    revision: int
    reason: ResourceReason


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review did, in its own order."""

    effects: tuple[Published | Rejected | Unreviewed, ...]


class Holding(NamedTuple):
    """A grant with its id."""

    id: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A resource is gone, with its grants and requests; a mere draft was never there."""

    code: str
    reason: str
    was_in_force: bool
    ended: tuple[Holding, ...] = ()
    refused: tuple[Holding, ...] = ()


class GrantReason(StrEnum):
    """Why there is no grant, or no such change of one."""

    UNKNOWN_RESOURCE = "unknown-resource"
    NOT_SHARED = "not-shared"
    NOT_CALLABLE = "not-callable"
    UNKNOWN_FIELD = "unknown-field"
    EXPIRED = "expired"
    OWN = "own-resource"
    UNKNOWN_REQUEST = "unknown-request"
    UNKNOWN_GRANT = "unknown-grant"
    NOT_YOURS = "not-yours"
    TOO_WIDE = "too-wide"
    DECIDED = "already-decided"
    ENDED = "already-ended"


class GrantRefused(NamedTuple):
    """Nothing happened."""

    reason: GrantReason
    detail: str


class Issued(NamedTuple):
    """A grant at once, because the resource is shared unconditionally."""

    holding: Holding
    serving: Serving


class Pending(NamedTuple):
    """The provider has to decide: ``told`` is its system that is told."""

    holding: Holding
    legal_basis: str
    told: str


class Allowed(NamedTuple):
    """The provider has said yes."""

    holding: Holding
    serving: Serving


class Declined(NamedTuple):
    """The provider has said no."""

    holding: Holding
    reason: str


class Revoked(NamedTuple):
    """A grant has ended before its time."""

    holding: Holding
    reason: str


class TakenBack(NamedTuple):
    """A request was; ``is_told`` when not by the requester itself."""

    holding: Holding
    reason: str
    is_told: bool


class Overdue(NamedTuple):
    """A request whose deadline has passed: the provider's system and the requester are told."""

    holding: Holding
    told: str


@dataclass(frozen=True, slots=True)
class Reminded:
    """Who is late; a tick has no other answer."""

    overdue: tuple[Overdue, ...]


class CallReason(StrEnum):
    """Why a call is not admitted, as far as the assertion is not to blame."""

    UNKNOWN_GRANT = "unknown-grant"
    NOT_YOURS = "not-yours"
    REVOKED = "grant-revoked"
    EXPIRED = "grant-expired"
    METERED_ELSEWHERE = "grant-metered-elsewhere"
    WITHDRAWN = "resource-withdrawn"
    QUOTA = "quota"
    RATE = "rate"
    WRONG_SYSTEM = "wrong-serving-system"
    NO_PARAMETERS = "no-parameters"
    NO_ASSERTION = "assertion-missing"


class CallRefused(NamedTuple):
    """Nothing was metered."""

    reason: CallReason | AssertionRefusal
    detail: str


class Admitted(NamedTuple):
    """The provider answers; the call is metered."""

    grant_id: str
    grant: Grant
    system: str
    answer_within: int
    level: Level | None


Answer = (
    Submitted
    | Reviewed
    | Withdrawn
    | ResourceRefused
    | Issued
    | Pending
    | GrantRefused
    | Allowed
    | Declined
    | Revoked
    | TakenBack
    | Reminded
    | Admitted
    | CallRefused
)
