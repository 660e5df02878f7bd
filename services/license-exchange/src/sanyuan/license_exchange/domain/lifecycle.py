"""The life of a licence, as a literal table: what is not in it cannot happen (design §6).

A licence expires at an instant, whether or not a tick has said so yet: `state_at` is asked first.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from sanyuan.common.sdjwt.statuslist import Status


class LicenseState(StrEnum):
    """What a licence is in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"
    ERASED = "erased"


class Action(StrEnum):
    """What is done to it."""

    AMEND = "amend"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    EXPIRE = "expire"
    ERASE = "erase"


TRANSITIONS: Final[Mapping[tuple[LicenseState, Action], LicenseState]] = {
    (LicenseState.ACTIVE, Action.AMEND): LicenseState.ACTIVE,
    (LicenseState.ACTIVE, Action.SUSPEND): LicenseState.SUSPENDED,
    (LicenseState.ACTIVE, Action.REVOKE): LicenseState.REVOKED,
    (LicenseState.ACTIVE, Action.EXPIRE): LicenseState.EXPIRED,
    (LicenseState.ACTIVE, Action.ERASE): LicenseState.ERASED,
    (LicenseState.SUSPENDED, Action.RESUME): LicenseState.ACTIVE,
    (LicenseState.SUSPENDED, Action.REVOKE): LicenseState.REVOKED,
    (LicenseState.SUSPENDED, Action.EXPIRE): LicenseState.EXPIRED,
    (LicenseState.SUSPENDED, Action.ERASE): LicenseState.ERASED,
    (LicenseState.REVOKED, Action.ERASE): LicenseState.ERASED,
    (LicenseState.EXPIRED, Action.ERASE): LicenseState.ERASED,
}
# What an action writes into the status list; expiry is in the credential itself.
STATUS: Final[Mapping[LicenseState, Status]] = {
    LicenseState.ACTIVE: Status.VALID,
    LicenseState.SUSPENDED: Status.SUSPENDED,
    LicenseState.REVOKED: Status.INVALID,
    LicenseState.ERASED: Status.INVALID,
}
ALIVE: Final = frozenset({LicenseState.ACTIVE, LicenseState.SUSPENDED})
WHY_NOT: Final[Mapping[LicenseState, str]] = {
    LicenseState.ACTIVE: "the licence is active: suspend it first",
    LicenseState.SUSPENDED: "the licence is suspended: resume or revoke it",
    LicenseState.REVOKED: "the licence was revoked: issue a new one",
    LicenseState.EXPIRED: "the licence has expired: issue a new one",
    LicenseState.ERASED: "the holder was erased",
}


def follow(state: LicenseState, action: Action) -> LicenseState | None:
    """The next state; None when the table has none."""
    return TRANSITIONS.get((state, action))


def state_at(state: LicenseState, ends_at: int | None, at: int) -> LicenseState:
    """The state as it counts at ``at``; both in µs since 1970 UTC."""
    if ends_at is not None and ends_at <= at:
        return follow(state, Action.EXPIRE) or state
    return state
