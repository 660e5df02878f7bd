"""How long to wait before a program that died is started again."""

from typing import Final

FIRST: Final = 0.2
LONGEST: Final = 5.0
SETTLED: Final = 10.0
"""Seconds of life after which a death counts as the first one again."""


def delay(previous: float, lived: float) -> float:
    """Seconds to wait after a life of `lived` seconds that a wait of `previous` (or 0) preceded."""
    if lived >= SETTLED or previous == 0:
        return FIRST
    return min(2 * previous, LONGEST)
