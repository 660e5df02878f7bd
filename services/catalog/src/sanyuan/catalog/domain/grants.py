"""The life of a grant, and what may be used of it.

Invariants: a request and its grant have one id; a decided request is never decided again; an ended
grant never opens again; the meter only grows, and never beyond the quota.
"""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple


class GrantPhase(StrEnum):
    """Where a grant is in its life; that its time is over is said by ``until`` alone."""

    PENDING = "pending"
    """Requested; the provider has not decided."""
    OPEN = "open"
    REFUSED = "refused"
    """The request came to nothing: refused, taken back, or its resource was withdrawn."""
    REVOKED = "revoked"
    ENDED = "ended"
    """With its resource."""


class GrantStep(StrEnum):
    """What happens to a grant."""

    ALLOW = "allow"
    REFUSE = "refuse"
    REVOKE = "revoke"
    END = "end"


GRANT_TRANSITIONS: Final[Mapping[tuple[GrantPhase, GrantStep], GrantPhase]] = {
    (GrantPhase.PENDING, GrantStep.ALLOW): GrantPhase.OPEN,
    (GrantPhase.PENDING, GrantStep.REFUSE): GrantPhase.REFUSED,
    (GrantPhase.PENDING, GrantStep.REVOKE): GrantPhase.REFUSED,
    (GrantPhase.PENDING, GrantStep.END): GrantPhase.REFUSED,
    (GrantPhase.OPEN, GrantStep.REVOKE): GrantPhase.REVOKED,
    (GrantPhase.OPEN, GrantStep.END): GrantPhase.ENDED,
}


class Bounds(NamedTuple):
    """How far a grant goes: calls over its life, calls a second, until when (µs)."""

    fields: tuple[str, ...]
    quota: int | None
    rate: int | None
    until: int

    def is_within(self, wider: "Bounds") -> bool:
        """Whether nothing here goes beyond ``wider``."""
        return (
            set(self.fields) <= set(wider.fields)
            and _is_at_most(self.quota, wider.quota)
            and _is_at_most(self.rate, wider.rate)
            and self.until <= wider.until
        )


class Grant(NamedTuple):
    """A request or the grant that has come of it.

    ``requester`` is the system that asked; ``decide_by`` (µs) the provider's deadline, None when
    nobody had to decide; ``due`` the same as long as the request is pending and nobody was told
    that it has passed.
    """

    resource: str
    grantee: str
    requester: str
    purpose: str
    bounds: Bounds
    phase: GrantPhase
    decide_by: int | None = None
    due: int | None = None

    def stands(self, at: int) -> bool:
        """Whether something can be used under it at ``at``."""
        return self.phase is GrantPhase.OPEN and at < self.bounds.until


class Meter(NamedTuple):
    """What a grant has used: calls, and when its bucket is full again (see `rates`)."""

    used: int = 0
    full_at: int = 0


def grant_id(entropy: bytes) -> str:
    """32 hex digits, of the command's own randomness (ADR 0009)."""
    return sha256(b"grant" + entropy).hexdigest()[:32]


def _is_at_most(asked: int | None, limit: int | None) -> bool:
    """None is no limit."""
    return limit is None or (asked is not None and asked <= limit)
