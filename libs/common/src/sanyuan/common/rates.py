"""A token bucket, kept as one instant: how fast somebody may ask.

The bucket is described by the instant at which it will be full again: each token taken moves it by
the time that one token needs to come back. With whole microseconds there is no rounding, so the law
of splits holds exactly.
"""

from dataclasses import dataclass
from typing import Final

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What is allowed each second, and at once after a pause."""

    per_second: int = 1_000
    burst: int = 10_000


def take(rate: Rate, full_at: int, at: int) -> int | None:
    """Take a token at ``at``; returns the new instant of fullness in µs, None if there is none."""
    interval = _SECOND // rate.per_second
    start = max(full_at, at)
    if start - at > (rate.burst - 1) * interval:
        return None
    return start + interval
