"""Tiles by C2SP tlog-tiles (https://c2sp.org/tlog-tiles): names, entry bundles, hash tiles.

A hash tile is up to 256 hashes of one tree level (a multiple of 8), a bundle up to 256 entries,
each behind its length as a big-endian uint16. Full ones never change; partial ones (`.p/<width>`)
belong to the tree sizes for which a checkpoint was signed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sanyuan.common.rules import Rule, RuleError
from sanyuan.common.tlog.merkle import HASH_BYTES, Node, perfect_root

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 0xFFFF
ENTRIES: Final = -1
"""The `level` of an entry bundle."""
BLANK: Final = b""
"""Stands in a bundle for an entry whose bytes are not shown, where no entry is empty (ADR 0032)."""

_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


class TileError(RuleError):
    """A tile, bundle or their path is not what tlog-tiles allows."""


@dataclass(frozen=True, order=True)
class Tile:
    """Names a hash tile (`level` 0 to 63) or an entry bundle (`level` ENTRIES)."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Path below the log's prefix, such as `tile/0/x001/x234/067.p/5`."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.full else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @property
    def full(self) -> bool:
        """Whether it can never grow."""
        return self.width == WIDTH

    @property
    def whole(self) -> Tile:
        """The full tile that this one grows into."""
        return Tile(self.level, self.index)

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Parse a path, strictly: it has exactly one spelling. Raises TileError."""
        if not (found := _PATH.fullmatch(path)):
            raise TileError(Rule.TILE_PATH, where=path)
        level, index, width = found.groups()
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            int(index.replace("x", "").replace("/", "")),
            int(width) if width else WIDTH,
        )
        if tile.level > MAX_LEVEL or tile.path != path:
            raise TileError(Rule.TILE_PATH, where=path)
        return tile


def tiles_of_level(level: int, old: int, new: int) -> Iterator[Tile]:
    """Yield the tiles of one level that a tree of `new` leaves needs and one of `old` does not."""
    shift = HEIGHT * max(level, 0)
    before, count = old >> shift, new >> shift
    for index in range(before // WIDTH, count // WIDTH):
        yield Tile(level, index)
    if count % WIDTH and count != before:
        yield Tile(level, count // WIDTH, count % WIDTH)


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """Yield the bundles, then the hash tiles of each level, that `new` needs and `old` does not."""
    yield from tiles_of_level(ENTRIES, old, new)
    level = 0
    while new >> HEIGHT * level:
        yield from tiles_of_level(level, old, new)
        level += 1


def right_edge(size: int) -> list[Tile]:
    """Return the partial hash tiles of a tree, lowest level first."""
    widths = ((level, size >> HEIGHT * level) for level in range(MAX_LEVEL + 1))
    return [Tile(at, count // WIDTH, count % WIDTH) for at, count in widths if count % WIDTH]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Join entries; raises TileError when one has more than 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TileError(Rule.ENTRY_BYTES, f"{len(entry)}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(raw: bytes, width: int | None = None) -> list[bytes]:
    """Split a bundle; raises TileError when it is cut, too long or not of `width` entries."""
    entries: list[bytes] = []
    at, end = 0, len(raw)
    while at + 2 <= end:
        start = at + 2
        at = start + (raw[at] << 8 | raw[at + 1])
        entries.append(raw[start:at])
    if at != end:
        raise TileError(Rule.BUNDLE_CUT, "it ends within an entry")
    if width is not None and len(entries) != width:
        raise TileError(Rule.BUNDLE_WIDTH, f"{len(entries)}, not {width}")
    return entries


def blank_entry(raw: bytes, at: int) -> bytes:
    """Return a bundle without the bytes of its entry `at`; raises TileError."""
    entries = decode_bundle(raw)
    entries[at : at + 1] = [BLANK]
    return encode_bundle(entries)


def decode_hashes(raw: bytes, width: int) -> list[bytes]:
    """Split a hash tile; raises TileError unless it is exactly `width` hashes."""
    if len(raw) != width * HASH_BYTES:
        raise TileError(Rule.TILE_BYTES, f"{len(raw)} bytes for {width} hashes")
    return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]


def nodes_of(size: int, hashes: Callable[[Tile], Sequence[bytes]]) -> Node:
    """Return the nodes of a tree of `size` leaves from its hash tiles, each asked for once or so.

    `hashes` returns the hashes of one tile; for a partial tile it may return more than its width.
    """

    @lru_cache(maxsize=64)
    def load(tile: Tile) -> Sequence[bytes]:
        return hashes(tile)

    def node(level: int, index: int) -> bytes:
        tier, inside = divmod(level, HEIGHT)
        first = index << inside
        count = size >> HEIGHT * tier
        at = first // WIDTH
        row = load(Tile(tier, at, min(WIDTH, count - at * WIDTH)))
        offset = first % WIDTH
        return perfect_root(row[offset : offset + (1 << inside)])

    return node
