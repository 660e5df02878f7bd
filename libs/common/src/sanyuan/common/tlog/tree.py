"""A growing Merkle tree that remembers nothing but its right edge of hash tiles.

It is what a writer appends to and what a verifier recomputes: both get the same tiles, byte for
byte, from the same few lines. Memory is at most 255 hashes a level, whatever the log's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sanyuan.common.rules import Rule
from sanyuan.common.tlog.merkle import fold, peaks, perfect_root
from sanyuan.common.tlog.tiles import HEIGHT, WIDTH, Tile, TileError, right_edge


@dataclass
class Tree:
    """The tree over the leaves appended so far.

    Invariant: `edge[level]` are the 0 to 255 hashes of that level's partial tile.
    """

    size: int = 0
    edge: list[list[bytes]] = field(default_factory=lambda: [[]])

    @classmethod
    def resume(cls, size: int, hashes: Callable[[Tile], Sequence[bytes]]) -> Tree:
        """Rebuild the tree of `size` leaves from its partial tiles. Check its root: see `root`."""
        tree = cls(size, [[] for _ in range(max(1, -(-size.bit_length() // HEIGHT)))])
        for tile in right_edge(size):
            row = list(hashes(tile))[: tile.width]
            if len(row) != tile.width:
                raise TileError(Rule.TILE_BYTES, f"{len(row)} hashes", where=tile.path)
            tree.edge[tile.level] = row
        return tree

    def extend(self, leaf_hashes: Iterable[bytes]) -> list[tuple[Tile, bytes]]:
        """Append leaf hashes; return the tiles that became full, with their bytes, in order."""
        full: list[tuple[Tile, bytes]] = []
        row = self.edge[0]
        for leaf in leaf_hashes:
            row.append(leaf)
            self.size += 1
            if len(row) == WIDTH:
                full += self._carry(0)
                row = self.edge[0]
        return full

    def extend_by_tile(self, root: bytes) -> list[tuple[Tile, bytes]]:
        """Append 256 leaves by the root of their level 0 tile; return the higher tiles now full.

        Raises ValueError unless the size is a multiple of 256.
        """
        if self.edge[0]:
            raise ValueError("a whole tile can only follow whole tiles")
        self.size += WIDTH
        return self._rise(1, root)

    def _carry(self, level: int) -> list[tuple[Tile, bytes]]:
        row, self.edge[level] = self.edge[level], []
        tile = Tile(level, (self.size >> HEIGHT * (level + 1)) - 1)
        return [(tile, b"".join(row)), *self._rise(level + 1, perfect_root(row))]

    def _rise(self, level: int, node: bytes) -> list[tuple[Tile, bytes]]:
        if level == len(self.edge):
            self.edge.append([])
        self.edge[level].append(node)
        return self._carry(level) if len(self.edge[level]) == WIDTH else []

    def partial(self) -> list[tuple[Tile, bytes]]:
        """Return the partial hash tiles of the present size, with their bytes."""
        return [(tile, b"".join(self.edge[tile.level])) for tile in right_edge(self.size)]

    def root(self) -> bytes:
        """Return the tree head (32 bytes) of the present size."""
        return fold(self._peak(level) for level, _ in peaks(self.size))

    def _peak(self, level: int) -> bytes:
        tier, inside = divmod(level, HEIGHT)
        row = self.edge[tier]
        start = len(row) >> (inside + 1) << (inside + 1)
        return perfect_root(row[start : start + (1 << inside)])
