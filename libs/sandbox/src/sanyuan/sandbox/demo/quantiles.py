"""Quantiles of whole numbers that were counted."""

from collections import Counter
from collections.abc import Mapping


def quantile(counts: Mapping[int, int], share: float) -> int | None:
    """The value below or at which a share of what was counted lies; None when nothing was."""
    wanted = share * sum(counts.values())
    for value, count in sorted(counts.items()):
        wanted -= count
        if wanted <= 0:
            return value
    return None


def since(now: Mapping[int, int], before: Mapping[int, int]) -> Counter[int]:
    """What was counted between two looks."""
    return Counter({value: count - before.get(value, 0) for value, count in now.items()})
