"""Looks for records in a log from its end: what is asked for is mostly new."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.tiles import WIDTH

_SEQUENCE: Final = re.compile(rb'"sequence":"([0-9]{20})"')


class Seen(NamedTuple):
    """An entry that provably belongs to the tree."""

    at: int
    """Its index."""
    entry: bytes
    leaf: Leaf


def look_back(tiles: AuthenticTiles, numbers: Callable[[], set[int]]) -> Iterator[Seen]:
    """Entries whose place in their stream is one of ``numbers``, the newest bundle first.

    ``numbers`` is asked anew for each bundle; none ends the search. Entries that do not parse, as
    blank ones, are passed over. Raises what `AuthenticTiles` raises.
    """
    for bundle in range((tiles.head.size - 1) // WIDTH, -1, -1):
        if not (wanted := numbers()):
            return
        for index, entry in enumerate(tiles.entries(bundle), bundle * WIDTH):
            if any(int(digits) in wanted for digits in _SEQUENCE.findall(entry)):
                try:
                    yield Seen(index, entry, parse_leaf(entry))
                except LeafError:
                    continue
