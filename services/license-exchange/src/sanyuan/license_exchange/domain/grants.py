"""Grants of the catalog on licence types, as far as they are metered here (design §6, §7).

What a grant says comes from ``catalog-events``; what was used of it is counted here alone. A grant
counts only when its resource is provided by the body that defines the type: else anybody could
catalogue somebody else's licences as their own and grant them to themselves.
"""

from typing import NamedTuple

from sanyuan.common.rates import Rate, take


class Grant(NamedTuple):
    """A grant, and what was used of it; ``until`` and ``full_at`` in µs since 1970 UTC.

    ``provider`` is that of the resource, None when nothing was published about it.
    """

    grantee: str
    type: str
    purpose: str
    fields: frozenset[str]
    quota: int | None
    rate: int | None
    until: int
    provider: str | None
    has_ended: bool = False
    used: int = 0
    full_at: int = 0


def has_quota(grant: Grant) -> bool:
    """Whether one more request is within the quota."""
    return grant.quota is None or grant.used < grant.quota


def meter(grant: Grant, at: int, burst_seconds: int) -> Grant | None:
    """The grant with one more use; None when its rate does not allow it now."""
    full_at = grant.full_at
    if grant.rate is not None:
        taken = take(Rate(grant.rate, grant.rate * burst_seconds), full_at, at)
        if taken is None:
            return None
        full_at = taken
    return grant._replace(used=grant.used + 1, full_at=full_at)
