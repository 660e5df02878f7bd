"""Tiles checked from the top down: any one of them, against a signed tree head, without the rest.

A right edge that makes the signed root vouches for its hashes; every hash in it vouches for a full
tile one level below, and so on down to the leaves. Memory is a few tiles, whatever the log's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sanyuan.common.errors import SanyuanError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import leaf_hash, perfect_root, tree_head
from sanyuan.common.tlog.tiles import (
    BLANK,
    ENTRIES,
    HEIGHT,
    WIDTH,
    Tile,
    decode_bundle,
    decode_hashes,
    nodes_of,
)
from sanyuan.common.tlog.tree import Tree


class ForgedLogError(SanyuanError):
    """What the log shows contradicts a signature or a hash."""


class AuthenticTiles:
    """Reads tiles and entries that provably belong to `head`.

    `read` returns the bytes of a tile, never more than its width; what it raises passes through all
    methods, which raise ForgedLogError and TileError themselves. `name` is the log's, for errors.
    """

    def __init__(self, read: Callable[[Tile], bytes], head: Checkpoint, name: str) -> None:
        self._raw = read
        self._name = name
        self.head = head
        tree = Tree.resume(head.size, self._read)
        if tree.root() != head.root:
            raise ForgedLogError(
                f"the partial tiles do not make the signed root of size {head.size}",
                where=name,
            )
        self.edge = tree.edge
        self._full = lru_cache(maxsize=32)(self._check)

    def extends(self, known: Checkpoint) -> bool:
        """Say whether the tree at `head` begins with the tree at `known`."""
        if known.size > self.head.size:
            return False
        return tree_head(known.size, nodes_of(self.head.size, self.hashes)) == known.root

    def prefix(self, size: int) -> Tree:
        """Return the tree of the first `size` leaves, which may grow; `size` at most the head's."""

        def hashes(tile: Tile) -> Sequence[bytes]:
            count = self.head.size >> HEIGHT * tile.level
            width = min(WIDTH, count - tile.index * WIDTH)
            return self.hashes(Tile(tile.level, tile.index, width))

        return Tree.resume(size, hashes)

    def hashes(self, tile: Tile) -> Sequence[bytes]:
        """Return the hashes of a hash tile of this head."""
        return self._full(tile) if tile.full else self.edge[tile.level]

    def leaf_hash(self, index: int) -> bytes:
        """Return the hash of leaf `index` of this head."""
        tile, at = divmod(index, WIDTH)
        return self.hashes(Tile(0, tile, min(WIDTH, self.head.size - tile * WIDTH)))[at]

    def entries(self, index: int) -> list[bytes]:
        """Return the entries of bundle `index` of this head; a blank for each withheld one.

        Whether it may be withheld is not decided here: see `sanyuan.common.withholding`.
        """
        width = min(WIDTH, self.head.size - index * WIDTH)
        entries = decode_bundle(self._raw(Tile(ENTRIES, index, width)), width)
        for at, expected in enumerate(self.hashes(Tile(0, index, width))):
            if (found := leaf_hash(entries[at])) != expected and entries[at] != BLANK:
                raise ForgedLogError(
                    f"entry {index * WIDTH + at} hashes to {found.hex()}, not {expected.hex()}",
                    where=self._name,
                )
        return entries

    def _check(self, tile: Tile) -> list[bytes]:
        row = self._read(tile)
        above = tile.index // WIDTH
        count = self.head.size >> HEIGHT * (tile.level + 1)
        parent = self.hashes(Tile(tile.level + 1, above, min(WIDTH, count - above * WIDTH)))
        if perfect_root(row) != parent[tile.index % WIDTH]:
            raise ForgedLogError("the tile does not belong to the signed tree", where=tile.path)
        return row

    def _read(self, tile: Tile) -> list[bytes]:
        return decode_hashes(self._raw(tile), tile.width)
