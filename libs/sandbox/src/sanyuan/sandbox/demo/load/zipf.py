"""Numbers that follow from a seed, and Zipf's law: few are asked about often, many hardly ever."""

from bisect import bisect_right
from functools import cache
from itertools import accumulate
from typing import Final

_MASK: Final = (1 << 64) - 1
_FRACTION: Final = 1 << 53


def mix(value: int) -> int:
    """SplitMix64 (Steele, Lea, Flood 2014): neighbours become unrelated; 64 bits."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def fraction(bits: int) -> float:
    """The upper 53 of 64 bits as a number in [0, 1)."""
    return (bits >> 11) / _FRACTION


def zipf(count: int, bits: int) -> int:
    """A rank from 0 to ``count`` - 1, rank r with a chance proportional to 1 / (r + 1)."""
    sums = _sums(count)
    return min(bisect_right(sums, fraction(bits) * sums[-1]), count - 1)


@cache
def _sums(count: int) -> tuple[float, ...]:
    return tuple(accumulate(1 / (rank + 1) for rank in range(count)))
