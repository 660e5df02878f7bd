"""One pass over a log: bundles in, tree and history out, tiles compared byte for byte.

Workers do what stands alone (`bundle`), this process does what has an order: the tree, the history.
At most a few bundles are in memory, whatever the size of the log.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from sanyuan.client.verify.bundle import Blank, Facts, Keys, Task, check_bundles
from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.history import History
from sanyuan.client.verify.orders import look_up
from sanyuan.client.verify.source import LogSource, SourceError, read_tile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import HASH_BYTES
from sanyuan.common.tlog.tiles import ENTRIES, WIDTH, Tile, TileError, tiles_of_level
from sanyuan.common.tlog.tree import Tree
from sanyuan.common.workers import make_pool

GROUP: Final = 4
"""Bundles in one task: large enough that sending the keys along costs nothing."""
POOL_FROM: Final = 20 * WIDTH
"""Entries below which starting processes takes longer than it saves."""

Progress = Callable[[int, int], None]
"""(entries checked, entries in all) -> None."""


class StoppedError(Exception):
    """The pass cannot go on; the finding says why."""


@dataclass
class Walk:
    """A pass from where `tree` and `history` stand to `head`."""

    source: LogSource
    head: Checkpoint
    tree: Tree
    history: History
    tell: Callable[[Finding], None]
    progress: Progress
    known: Checkpoint | None = None
    """A head of this log that was verified before: the tree must pass through it."""
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)

    def run(self) -> bool:
        """Walk to the head; False when the pass had to stop. Everything found is told."""
        try:
            with ExitStack() as stack:
                for facts, keys in self._check(stack):
                    self._absorb(facts, keys)
                    self.progress(self.tree.size, self.head.size)
            for tile, expected in self.tree.partial():
                self._compare(tile, expected)
        except SourceError as error:
            self.tell(Finding(Grade.UNREADABLE, error.what, path=error.where))
            return False
        except TileError as error:
            self.tell(Finding(Grade.FORGED, error.what, path=error.where))
            return False
        except StoppedError:
            return False
        root = self.tree.root()
        if root != self.head.root:
            what = f"the entries do not make the signed root of size {self.head.size}"
            self._wrong_hash(what, None, self.head.root, root)
        return root == self.head.root

    def _check(self, stack: ExitStack) -> Iterator[tuple[Facts, Keys]]:
        """Yield checked bundles in order, with the keys that each one's worker knew."""
        groups = self._groups()
        keys = self.history.keys
        # The first bundles hold most of the keys: the others wait for them.
        for group in groups:
            yield from ((facts, keys) for facts in check_bundles(group, keys))
            break
        if self.jobs == 1 or self.head.size - self.tree.size < POOL_FROM:
            for group in groups:
                keys = self.history.keys
                yield from ((facts, keys) for facts in check_bundles(group, keys))
            return
        pool = stack.enter_context(make_pool(self.jobs, "sanyuan.client.verify.bundle"))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        running: deque[tuple[Future[list[Facts]], Keys]] = deque()
        for group in groups:
            keys = self.history.keys
            running.append((pool.submit(check_bundles, group, keys), keys))
            if len(running) > 2 * self.jobs:
                yield from _results(*running.popleft())
        while running:
            yield from _results(*running.popleft())

    def _groups(self) -> Iterator[list[Task]]:
        group: list[Task] = []
        begun = self.tree.size // WIDTH * WIDTH
        for tile in tiles_of_level(ENTRIES, begun, self.head.size):
            raw = read_tile(self.source, tile)
            hashes = read_tile(self.source, Tile(0, tile.index, tile.width))
            group.append(Task(tile.index * WIDTH, tile.width, raw, hashes))
            if len(group) == GROUP:
                yield group
                group = []
        if group:
            yield group

    def _absorb(self, facts: Facts, keys: Keys) -> None:
        tile = Tile(ENTRIES, facts.first // WIDTH)
        if facts.broken:
            self.tell(Finding(Grade.FORGED, facts.broken, index=facts.first, path=tile.path))
            raise StoppedError
        for wrong in facts.mismatches:
            what = "the entry does not have the hash that its tile says"
            self._wrong_hash(what, wrong.leaf, wrong.tile, wrong.entry)
        done = self.tree.size - facts.first  # entries of this bundle that an earlier run took
        if facts.hashes[:done] != self.tree.edge[0][:done]:
            self._wrong_hash("an entry changed since it was verified", facts.first, None, None)
            raise StoppedError
        fresh = facts.facts[done:]
        if any(isinstance(fact, Blank) for fact in fresh):
            self._look_up_orders(tile.index)
        self.history.judge(facts._replace(first=facts.first + done, facts=fresh), keys)
        self._grow(facts.hashes[done:])

    def _look_up_orders(self, start: int) -> None:
        """A blank came: see which orders explain this one and those that follow."""
        withholding = self.history.withholding
        withholding.hidden = self.source.partial
        if withholding.orders is None:
            withholding.orders = look_up(self.source, self.head, start)

    def _grow(self, hashes: list[bytes]) -> None:
        if self.known and self.tree.size < self.known.size <= self.tree.size + len(hashes):
            split = self.known.size - self.tree.size
            self._extend(hashes[:split])
            hashes = hashes[split:]
            if (root := self.tree.root()) != self.known.root:
                what = f"the log forked: its size {self.known.size} had another root before"
                self._wrong_hash(what, None, self.known.root, root)
        self._extend(hashes)

    def _extend(self, hashes: list[bytes]) -> None:
        for tile, expected in self.tree.extend(hashes):
            if tile.level:  # level 0 was compared entry by entry
                self._compare(tile, expected)

    def _compare(self, tile: Tile, expected: bytes) -> None:
        found = read_tile(self.source, tile)
        if found == expected:
            return
        at = next(
            (at for at in range(0, len(expected), HASH_BYTES)
             if found[at : at + HASH_BYTES] != expected[at : at + HASH_BYTES]),
            len(expected),
        )  # fmt: skip
        self.tell(
            Finding(
                Grade.FORGED,
                f"hash {at // HASH_BYTES} of the tile is not what the entries make",
                path=tile.path,
                expected=expected[at : at + HASH_BYTES].hex(),
                found=found[at : at + HASH_BYTES].hex(),
            )
        )

    def _wrong_hash(
        self, what: str, index: int | None, expected: bytes | None, found: bytes | None
    ) -> None:
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=index,
                expected=expected.hex() if expected else None,
                found=found.hex() if found else None,
            )
        )


def _results(future: Future[list[Facts]], keys: Keys) -> Iterator[tuple[Facts, Keys]]:
    return ((facts, keys) for facts in future.result())
