"""One pass over a log: bundles in, tree and history out, tiles compared byte for byte.

Workers do what stands alone (`bundle`), this process does what has an order: the tree, the history.
At most a few bundles are in memory, whatever the size of the log.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sanyuan.client.verify.bundle import Bundle, Task, check_bundles
from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.history import History
from sanyuan.client.verify.orders import explain
from sanyuan.client.verify.runs import Blank, Facts, Keys, Place
from sanyuan.client.verify.source import LogSource, SourceError, read_tile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import HASH_BYTES
from sanyuan.common.tlog.tiles import ENTRIES, HEIGHT, WIDTH, Tile, TileError, tiles_of_level
from sanyuan.common.tlog.tree import Tree
from sanyuan.common.workers import make_pool

GROUP: Final = 4
"""Bundles in one task: large enough that sending the keys along costs nothing."""
POOL_FROM: Final = 20 * WIDTH
"""Entries below which starting processes takes longer than it saves."""

READERS: Final = 4
"""Groups that are read at once."""

Checked = tuple[list[Bundle], Facts]

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
    signatures: bool = True
    """False: tree and streams alone."""
    _begun: int = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self.tree.size

    def run(self) -> bool:
        """Walk to the head; False when the pass had to stop. Everything found is told."""
        try:
            with ExitStack() as stack:
                for (bundles, facts), keys in self._check(stack):
                    self._absorb(bundles, facts, keys)
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

    @property
    def _keys(self) -> Keys | None:
        return self.history.keys if self.signatures else None

    def _check(self, stack: ExitStack) -> Iterator[tuple[Checked, Keys | None]]:
        """Yield checked bundles in order, with the keys that their worker knew."""
        groups = self._read_ahead(stack)
        # The first bundles hold most of the keys: the others wait for them.
        for group in groups:
            keys = self._keys
            yield check_bundles(group, keys), keys
            break
        if self.jobs == 1 or self.head.size - self.tree.size < POOL_FROM:
            for group in groups:
                keys = self._keys
                yield check_bundles(group, keys), keys
            return
        pool = stack.enter_context(make_pool(self.jobs, "sanyuan.client.verify.bundle"))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        running: deque[tuple[Future[Checked], Keys | None]] = deque()
        for group in groups:
            keys = self._keys
            running.append((pool.submit(check_bundles, group, keys), keys))
            if len(running) > 2 * self.jobs:
                yield _result(*running.popleft())
        while running:
            yield _result(*running.popleft())

    def _read_ahead(self, stack: ExitStack) -> Iterator[list[Task]]:
        """Read the bundles group by group, some of them at once: a distant log answers late."""
        readers = stack.enter_context(ThreadPoolExecutor(READERS))
        stack.callback(readers.shutdown, wait=True, cancel_futures=True)
        reading: deque[Future[list[Task]]] = deque()
        for group in self._groups():
            reading.append(readers.submit(self._read, group))
            if len(reading) > READERS:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _groups(self) -> Iterator[list[Tile]]:
        begun = self.tree.size // WIDTH * WIDTH
        tiles = tiles_of_level(ENTRIES, begun, self.head.size)
        while group := list(islice(tiles, GROUP)):
            yield group

    def _read(self, group: list[Tile]) -> list[Task]:
        tasks = []
        for tile in group:
            raw = read_tile(self.source, tile)
            hashes = read_tile(self.source, Tile(0, tile.index, tile.width))
            first = tile.index * WIDTH
            tasks.append(Task(first, tile.width, raw, hashes, max(0, self._begun - first)))
        return tasks

    def _absorb(self, bundles: list[Bundle], facts: Facts, keys: Keys | None) -> None:
        for bundle in bundles:
            if not bundle.broken:
                self._absorb_hashes(bundle)
        if blanks := [(part.at, part.leaf) for part in facts.parts if isinstance(part, Blank)]:
            explain(self.history, self.source, self.head, blanks)
        self.history.judge(facts, keys)
        if (last := bundles[-1]).broken:
            tile, why = last.broken
            self.tell(Finding(Grade.FORGED, why, index=last.first, path=tile.path))
            raise StoppedError

    def _absorb_hashes(self, bundle: Bundle) -> None:
        for wrong in bundle.mismatches:
            what = "the entry does not have the hash that its tile says"
            self._wrong_hash(what, wrong.leaf, wrong.tile, wrong.entry, wrong.place)
        done = self.tree.size - bundle.first  # entries of this bundle that an earlier run took
        if bundle.hashes[:done] != self.tree.edge[0][:done]:
            self._wrong_hash("an entry changed since it was verified", bundle.first, None, None)
            raise StoppedError
        ahead = self.known is not None and self.known.size > self.tree.size
        if bundle.root is None or done or ahead:
            self._grow(bundle.hashes[done:])
        else:
            self._compare_all(self.tree.extend_by_tile(bundle.root))

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
        # Level 0 was compared entry by entry.
        self._compare_all(full for full in self.tree.extend(hashes) if full[0].level)

    def _compare_all(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        for tile, expected in tiles:
            self._compare(tile, expected)

    def _compare(self, tile: Tile, expected: bytes) -> None:
        found = read_tile(self.source, tile)
        if found == expected:
            return
        hashes = range(0, len(expected), HASH_BYTES)
        at = next((at for at in hashes if found[at:][:HASH_BYTES] != expected[at:][:HASH_BYTES]), 0)
        what = f"hash {at // HASH_BYTES} of the tile is not what the entries make"
        if len(found) != len(expected):
            what = f"the tile has {len(found)} bytes, not {len(expected)}"
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=(tile.index * WIDTH + at // HASH_BYTES) << HEIGHT * tile.level,
                path=tile.path,
                expected=expected[at : at + HASH_BYTES].hex(),
                found=found[at : at + HASH_BYTES].hex(),
            )
        )

    def _wrong_hash(
        self,
        what: str,
        index: int | None,
        expected: bytes | None,
        found: bytes | None,
        place: Place | None = None,
    ) -> None:
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=index,
                source=place.source if place else None,
                topic=place.topic if place else None,
                sequence=place.sequence if place else None,
                expected=expected.hex() if expected else None,
                found=found.hex() if found else None,
            )
        )


def _result(future: Future[Checked], keys: Keys | None) -> tuple[Checked, Keys | None]:
    return future.result(), keys
