"""Strict streams (design §3): what a reader does with the next record of one source in one topic.

A stream is taken in order, without a hole, each record exactly once. The law (property-tested):
whatever is lost, repeated or reordered on the way, a reader has taken a prefix of the stream.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from sanyuan.common.envelope import ZERO_HASH


class Position(NamedTuple):
    """The last place taken in a stream and the hash of the value there."""

    sequence: int = 0
    hash: str = ZERO_HASH


START: Final = Position()


class Verdict(StrEnum):
    """What becomes of an authentic record."""

    TAKE = "take"
    SKIP = "skip"
    """Taken before, with the same hash; or too old for its hash to be known."""
    FORKED = "forked"
    """Another value was taken at this place."""
    CHAIN = "chain"
    """The next place, but it does not continue what was taken; the place stays open."""
    AHEAD = "ahead"
    """A later place: dropped, and the producer will send it again."""


def judge(
    position: Position, sequence: int, previous: str, own_hash: str, taken_hash: str | None
) -> Verdict:
    """Decide about the record at ``sequence``.

    ``taken_hash`` is the hash that was taken at ``sequence`` when that is known still, else None.
    """
    if sequence > position.sequence + 1:
        return Verdict.AHEAD
    if sequence == position.sequence + 1:
        return Verdict.TAKE if previous == position.hash else Verdict.CHAIN
    known = position.hash if sequence == position.sequence else taken_hash
    return Verdict.SKIP if known is None or known == own_hash else Verdict.FORKED
