"""`sanyuan follow`: every record of the log once, in order, verified, as soon as it is covered.

A record is handed out only when a signed checkpoint covers it, its entry provably belongs to that
checkpoint's tree, the tree extends all that was seen before, and the history up to it is in order
(`verify.history`). Withheld entries are passed over, as are those that the reader may not see. Over
the change of year the old log is read to its end, and the new one must go on from it. The file of a
follower holds what it has handed out: it goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.history import History
from sanyuan.client.verify.orders import explain
from sanyuan.client.verify.runs import check_entries
from sanyuan.client.verify.source import CHECKPOINT, LogSource, SourceError, read_tile
from sanyuan.client.verify.state import read_saved, write_saved
from sanyuan.common.directory import Directory
from sanyuan.common.leaf import Leaf, parse_leaf
from sanyuan.common.logkeys import verifier_for, verifier_of, year_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH

VERSION: Final = 2
SAVE_EVERY: Final = 64
"""Bundles between two saves while catching up."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A verified record with its place in the log."""

    index: int
    leaf: Leaf
    log: str = ""
    """The origin of the log that has this index: each year's counts from 0."""


@dataclass
class Follower:
    """Follows one log. One at a time may use a `file`."""

    source: LogSource
    agency_key: VerifierKey
    log_key: VerifierKey
    file: Path | None = None
    """Where to remember what was handed out; None: start at 0 every time."""
    poll_s: float = 0.5
    _reading: LogSource = field(init=False)
    """The source, or that of an earlier year's log until all of it was read."""
    _known: Checkpoint | None = None
    _history: History = field(init=False)
    _before: Checkpoint | None = None
    """The last checkpoint of the year before, until the new one's carry-over was compared with it.
    """
    _ended: dict[str, Any] | None = None
    """The history of the year before, as `History.dump` has it."""

    def __post_init__(self) -> None:
        self._reading = self.source
        self._history = self._begin("")
        saved = read_saved(self.file, VERSION) if self.file else None
        if saved is not None:
            self._known = Checkpoint.parse(saved["checkpoint"].encode())
            self._history = self._begin(self._known.origin)
            self._history.load(saved["history"])
            before = saved.get("before")
            self._before = Checkpoint.parse(before.encode()) if before else None
            self._ended = saved.get("ended")

    @property
    def index(self) -> int:
        """The index of the next record."""
        return self._history.size

    async def records(self) -> AsyncIterator[Logged]:
        """Yield records for ever; what was handed out is saved when the next one is asked for.

        After a crash the records since the last save come again. Raises ForgedLogError, and
        SourceError when the log cannot be read: call again to go on.
        """
        while True:
            tiles = await asyncio.to_thread(self._grown)
            if tiles is None:
                await asyncio.sleep(self.poll_s)
                continue
            for count, bundle in enumerate(self._bundles(tiles)):
                try:
                    taken = await asyncio.to_thread(self._take, tiles, bundle)
                except SourceError:
                    if not await asyncio.to_thread(self._moved, tiles.head.origin):
                        raise
                    break
                if taken is None:
                    break
                for logged in taken:
                    yield logged
                if count % SAVE_EVERY == SAVE_EVERY - 1:
                    await asyncio.to_thread(self._save)
            await asyncio.to_thread(self._save)

    def _grown(self) -> AuthenticTiles | None:
        """Return the tiles of a new checkpoint that extends the known one, None without any."""
        self._reading, head = self._current()
        if head is None or head.size == self.index:
            return None
        tiles = AuthenticTiles(partial(read_tile, self._reading), head, self._reading.name)
        if self._known and not tiles.extends(self._known):
            raise ForgedLogError(
                f"the log of {head.size} entries does not extend that of {self._known.size}",
                where=self.source.name,
            )
        if self._known is None:
            self._history.origin = head.origin
            self._history.log_key = verifier_of(self.log_key, head.origin)
        self._known = head
        return tiles

    def _current(self) -> tuple[LogSource, Checkpoint | None]:
        """Return where to read on: in the log of an earlier year until all of it was read."""
        head, known = self._head(self.source), self._known
        if head is None or known is None or head.origin == known.origin:
            return self.source, head
        year = year_of(known.origin)
        source = None if year is None else self.source.year(year)
        if source is None:
            raise SourceError(
                f"the log before, {known.origin}, is not at hand", where=self.source.name
            )
        final = self._head(source)
        if final is None or final.size != self.index or not self._history.ended:
            return source, final
        self._before, self._ended = final, self._history.dump()
        self._known, self._history = None, self._begin(head.origin)
        return self.source, head

    def _moved(self, origin: str) -> bool:
        """Whether the log was put away meanwhile, because the next year's has begun."""
        head = self._head(self.source)
        return head is None or head.origin != origin

    def _compare(self) -> None:
        """Compare a new year's carry-over with the log before, once it was read whole."""
        carried = self._history.carried
        if self._ended is not None and self._before is not None:
            if carried is None:
                raise ForgedLogError("nothing is carried over", where=self.source.name)
            if carried.settled:
                for finding in carried.compare(self._ended, self._before.size, self._before.root):
                    _refuse(finding)
                self._before = self._ended = None

    def _head(self, source: LogSource) -> Checkpoint | None:
        raw = source.read(CHECKPOINT)
        if raw is None:
            return None
        try:
            return Checkpoint.open(raw, keys=[verifier_for(self.log_key, raw)])
        except NoteError as error:
            raise ForgedLogError(str(error), where=f"{source.name}/{CHECKPOINT}") from error

    def _bundles(self, tiles: AuthenticTiles) -> Iterator[int]:
        return iter(range(self.index // WIDTH, -(-tiles.head.size // WIDTH)))

    def _take(self, tiles: AuthenticTiles, bundle: int) -> list[Logged] | None:
        """Take what is new in a bundle; None when a newer checkpoint has to explain its blanks."""
        entries = tiles.entries(bundle)
        first = self.index
        fresh = entries[first - bundle * WIDTH :]
        hashes = [tiles.leaf_hash(first + at) for at in range(len(fresh))]
        blanks = [(first + at, hashes[at]) for at, entry in enumerate(fresh) if entry == BLANK]
        if blanks and not self._explains(tiles, blanks):
            return None
        keys = self._history.keys
        self._history.judge(check_entries(first, fresh, hashes, keys), keys)
        self._compare()
        return [
            Logged(first + at, parse_leaf(entry), tiles.head.origin)
            for at, entry in enumerate(fresh)
            if entry != BLANK
        ]

    def _explains(self, tiles: AuthenticTiles, blanks: list[tuple[int, bytes]]) -> bool:
        """Look up the orders that withhold blanks; False to read them again under a newer one."""
        withholding = self._history.withholding
        withholding.orders = None  # a newer head may cover more of them
        if not self._reading.partial:
            withholding.later = None
        explained = explain(self._history, self._reading, tiles.head, blanks)
        if explained or withholding.hidden:
            return True
        newer = self._head(self._reading)
        return newer is None or newer.size <= tiles.head.size

    def _begin(self, origin: str) -> History:
        key = verifier_of(self.log_key, origin)
        return History(Directory(self.agency_key), key, origin, _refuse)

    def _save(self) -> None:
        if self.file is not None and self._known is not None:
            saved = {
                "checkpoint": bytes(self._known).decode(),
                "history": self._history.dump(),
                "before": bytes(self._before).decode() if self._before else None,
                "ended": self._ended,
            }
            write_saved(self.file, VERSION, saved)


def _refuse(finding: Finding) -> None:
    if finding.grade is Grade.FORGED:
        where = " ".join(f"{name}={value}" for name, value in finding.as_json().items())
        raise ForgedLogError(finding.what, where=where)
