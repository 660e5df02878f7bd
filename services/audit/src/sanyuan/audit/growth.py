"""What is to be published: the tree over the committed leaves, and the tiles it has made.

It is fed committed entries in order, by the running service and by the start alike, and holds
nothing older than the last publication but the tree's right edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tiles import (
    BLANK,
    ENTRIES,
    WIDTH,
    Tile,
    blank_entry,
    encode_bundle,
)
from sanyuan.common.tlog.tree import Tree

Files = list[tuple[Tile, bytes]]


@dataclass
class Growth:
    """`tail`: the entries of the last, partial bundle; `full`: full tiles not yet published."""

    tree: Tree = field(default_factory=Tree)
    tail: list[bytes] = field(default_factory=list)
    full: Files = field(default_factory=list)

    def extend(self, entries: Sequence[bytes]) -> None:
        """Append committed entries."""
        self.full += self.tree.extend([leaf_hash(entry) for entry in entries])
        self.tail += entries
        while len(self.tail) >= WIDTH:
            index = (self.tree.size - len(self.tail)) // WIDTH
            self.full.append((Tile(ENTRIES, index), encode_bundle(self.tail[:WIDTH])))
            del self.tail[:WIDTH]

    def blank(self, index: int) -> None:
        """Forget the bytes of an entry; its hash is in the tree."""
        start = self.tree.size - len(self.tail)
        if index >= start:
            self.tail[index - start] = BLANK
        bundle = Tile(ENTRIES, index // WIDTH)
        self.full = [
            (tile, blank_entry(raw, index % WIDTH) if tile == bundle else raw)
            for tile, raw in self.full
        ]

    def publication(self) -> Files:
        """Return every file that a checkpoint of the present size needs and none before had."""
        files, self.full = self.full, []
        if self.tail:
            tile = Tile(ENTRIES, self.tree.size // WIDTH, len(self.tail))
            files.append((tile, encode_bundle(self.tail)))
        return files + self.tree.partial()
