"""Whom a resource knows, as arithmetic: providers and callers compute the same. Pure.

People and organisations stand in an order that no register has: by how often anybody asks about
them. The first `POPULAR` are known to every resource; beside them each knows `OTHERS` in a row,
from a place that follows from its code. So everybody is known to some, and only few to all.
"""

from collections.abc import Sequence
from typing import Final, TypeVar
from zlib import crc32

POPULAR: Final = 500
OTHERS: Final = 500
KNOWN: Final = POPULAR + OTHERS
"""How many people or organisations a resource has something about."""
_STEP: Final = 61_803
"""Has no divisor in common with the sizes of the registers, so that it meets every row once."""
_Row = TypeVar("_Row")


def in_rank(rows: Sequence[_Row]) -> list[_Row]:
    """The rows of a register (in the order of their keys) by rank."""
    count = len(rows)
    return [rows[rank * _STEP % count] for rank in range(count)]


def first_other(code: str, count: int) -> int:
    """Of ``count`` subjects, the rank of the first of those whom only some resources know."""
    return POPULAR + crc32(code.encode()) % (count - KNOWN + 1)


def knows(code: str, rank: int, count: int) -> bool:
    """Whether a resource has something about whom this rank is."""
    return 0 <= rank < POPULAR or 0 <= rank - first_other(code, count) < OTHERS
