"""The start: from whatever database and tiles are there to the one log that goes on, or a refusal.

The newest published checkpoint is the truth, wherever it is found: folder, topic, witnesses, or the
database itself. Every other one must be of its past, and the tiles must make it. A database that is
behind is rolled forward from the tiles; one that is ahead holds the leaves to go on with. Tiles
that no checkpoint covers are files of a publication that was not finished: they must hold the
database's leaves. Anything else ends the service, with sizes and roots, before anything is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import structlog
from sqlalchemy import Connection

from sanyuan.audit.folder import LogFolder, LogFolderError
from sanyuan.audit.growth import Growth
from sanyuan.audit.heads import ForkError, FoundNote, Head, newest, open_heads, told
from sanyuan.audit.state import State, Stream
from sanyuan.audit.store import (
    Part,
    drop_published,
    load_pending,
    load_published,
    load_state,
    write_rolled_forward,
)
from sanyuan.common.contracts.log import Sealed
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tiles import BLANK, WIDTH, TileError
from sanyuan.common.withholding import Order, Orders, find_orders

DATABASE: Final = "the database"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state to go on from.

    `growth` reaches to the last seal, which is to be published before anything else when it is
    beyond `published`. `rest` are the committed leaves after it.
    """

    state: State
    growth: Growth
    published: Checkpoint
    rest: list[bytes]


def recover(
    connection: Connection,
    folder: LogFolder,
    notes: Iterable[FoundNote],
    *,
    key: VerifierKey,
    domain: str,
    own: Stream,
) -> Recovered:
    """Bring the database and the tiles together, in one transaction.

    `notes` are the signed checkpoints that were found outside the database; `key` is the log's, and
    has its name. Raises ForkError.
    """
    known = load_published(connection, key.name)
    found = [*notes, *([FoundNote(DATABASE, known)] if known else [])]
    heads = open_heads(found, key)
    head = newest(heads, key.name)
    state = load_state(connection, domain, own)
    try:
        tiles = AuthenticTiles(folder.read_grown, head.checkpoint, str(folder.path))
        return _Start(connection, folder, heads, head, tiles, state).recover()
    except (LogFolderError, ForgedLogError, TileError) as error:
        others = ", ".join(str(each) for each in heads if each.where != head.where) or "none"
        raise ForkError(
            f"the folder does not hold the newest published log, {head}: {error.what} "
            f"({error.where}); other "
            f"checkpoints: {others}; the database has {state.size} leaves",
            where=str(folder.path),
            do="restore the log's folder from a copy that holds it: nothing else can",
        ) from None


@dataclass
class _Start:
    """What one start compares; `head` is the newest of `heads`, `tiles` are the folder's for it."""

    connection: Connection
    folder: LogFolder
    heads: Sequence[Head]
    head: Head
    tiles: AuthenticTiles
    state: State

    def recover(self) -> Recovered:
        published = self.head.checkpoint
        for each in self.heads:
            self._check_past(each)
        first, committed = self._committed()
        self._compare(first, committed)
        if self.state.size < published.size:
            self.state = _roll_forward(self.connection, self.tiles, self.state)
            drop_published(self.connection, published, self.head.note)
        leaves = committed[max(0, published.size - first) :]
        self._check_bytes(leaves)
        self._compare_files(leaves)
        tail = self.tiles.entries(published.size // WIDTH) if published.size % WIDTH else []
        growth = Growth(self.tiles.prefix(published.size), list(tail))
        sealed = max(0, self.state.sealed_size - published.size)
        growth.extend(leaves[:sealed])
        return Recovered(self.state, growth, published, leaves[sealed:])

    def _check_past(self, other: Head) -> None:
        """Refuse a published checkpoint that is not of the newest one's past."""
        if not self.tiles.extends(other.checkpoint):
            root = self.tiles.prefix(other.checkpoint.size).root()
            raise ForkError(
                f"two published checkpoints are of two logs: {self.head} begins with root "
                f"{root.hex()} where there is {other}",
                where=str(self.folder.path),
                do="keep both notes and the folder: they convict whoever holds the log's key",
            )

    def _committed(self) -> tuple[int, list[bytes]]:
        """Return the leaves that the database holds, and the index of the first.

        Raises ForkError when it lacks some that it counts and nothing published has.
        """
        first = min(self.state.size, self.head.checkpoint.size)
        leaves: list[bytes] = []
        for at, entries in load_pending(self.connection):
            if not leaves:
                first = at
            if at == first + len(leaves):
                leaves += entries
        if first > self.head.checkpoint.size or first + len(leaves) != self.state.size:
            raise ForkError(
                f"the database counts {self.state.size} leaves and holds those from {first} to "
                f"{first + len(leaves)}; the newest published log that can be found has "
                f"{self.head}",
                where=str(self.folder.path),
                do="restore the log's folder and its checkpoint as they were, or the database",
            )
        return first, leaves

    def _compare(self, first: int, leaves: Sequence[bytes]) -> None:
        """Refuse a database whose leaves are others than the published ones."""
        published = self.head.checkpoint
        end = min(self.state.size, published.size)
        if first >= end:
            return
        tree = self.tiles.prefix(first)
        mine = [
            self.tiles.leaf_hash(at) if leaf == BLANK else leaf_hash(leaf)  # withheld since
            for at, leaf in enumerate(leaves[: end - first], first)
        ]
        tree.extend(mine)
        ours = Checkpoint(published.origin, end, tree.root())
        theirs = Checkpoint(published.origin, end, self.tiles.prefix(end).root())
        if ours == theirs:
            return
        parted = first
        while mine[parted - first] == self.tiles.leaf_hash(parted):
            parted += 1
        raise ForkError(
            f"the database holds another log than the published one of {self.head}: its first "
            f"{told(ours)}, the published log's {told(theirs)}; they part at leaf {parted}",
            where=str(self.folder.path),
            do="the published log is the truth: put this database away, and a new one is made from "
            "the tiles",
        )

    def _check_bytes(self, leaves: Sequence[bytes]) -> None:
        """Refuse a leaf without its bytes: only what was published is ever withheld."""
        if BLANK in leaves:
            published = self.head.checkpoint
            raise ForkError(
                f"leaf {published.size + leaves.index(BLANK)} was withheld, so it was published, "
                f"and the newest checkpoint that can be found has {self.head}",
                where=str(self.folder.path),
                do="restore the log's folder and its checkpoint as they were",
            )

    def _compare_files(self, leaves: Sequence[bytes]) -> None:
        """Refuse tiles of a publication that the database knows nothing of.

        Tiles are durable before their checkpoint is signed. Those of a publication that ended there
        are made from the database's leaves; others are what is left of a log that went further than
        any checkpoint that can be found.
        """
        published = self.head.checkpoint
        ours = [leaf_hash(leaf) for leaf in leaves]
        for first, found in self.folder.leaf_hashes_beyond(published.size):
            skip = max(0, published.size - first)
            start = first + skip - published.size
            if ours[start : start + len(found) - skip] == found[skip:]:
                continue
            tree, other = self.tiles.prefix(published.size), self.tiles.prefix(published.size)
            tree.extend(ours)
            other.extend([*ours[:start], *found[skip:]])
            names = [Checkpoint(published.origin, each.size, each.root()) for each in (other, tree)]
            raise ForkError(
                f"the folder has tiles of {told(names[0])}, which no checkpoint that can be found "
                f"covers: the newest has {self.head}, and the database {told(names[1])}",
                where=str(self.folder.path),
                do="restore the newest database, or put the checkpoint that covers these tiles "
                "into the folder (from the topic, a witness, whoever verified the log). Only if "
                f"none was ever signed, move the tiles beyond leaf {published.size} away",
            )


def _roll_forward(connection: Connection, tiles: AuthenticTiles, state: State) -> State:
    """Replay the published leaves that the database does not have."""
    head = tiles.head
    log.warning("the database is rolled forward", size=state.size, published=head.size)
    state.refused.clear()
    parts: list[Part] = []
    orders: Orders | None = None
    while state.size < head.size:
        bundle, skip = divmod(state.size, WIDTH)
        for entry in tiles.entries(bundle)[skip:]:
            if entry == BLANK:
                orders = _orders(tiles, state.size) if orders is None else orders
                state.replay_blank(_order(tiles, state.size, orders))
                continue
            _collect(parts, state.size, entry)
            state.replay(parse_leaf(entry), entry)
    state.waiting = {
        stream: waiting
        for stream, waiting in state.waiting.items()
        if waiting.expected > state.place(stream).sequence
    }
    write_rolled_forward(connection, state, parts)
    return state


def _orders(tiles: AuthenticTiles, start: int) -> Orders:
    """The orders to withhold an entry from `start` on."""
    bundles = range(start // WIDTH, -(-tiles.head.size // WIDTH))
    entries = chain.from_iterable(tiles.entries(bundle) for bundle in bundles)
    return find_orders(enumerate(entries, start // WIDTH * WIDTH), tiles.head.origin)


def _order(tiles: AuthenticTiles, index: int, orders: Orders) -> Order:
    """The order that explains a blank; raises ForkError when there is none."""
    leaf = tiles.leaf_hash(index).hex()
    for order in orders.get(index, []):
        if order.said.entry == leaf:
            return order
    raise ForkError(
        f"leaf {index}, {leaf}, is blank in the published log, and no order withholds it",
        where=tiles.head.origin,
        do="restore the entry from another copy of the log",
    )


def _collect(parts: list[Part], index: int, entry: bytes) -> None:
    """Keep the parts of the last seal: its readers may not have it yet."""
    leaf = parse_leaf(entry)
    if leaf.envelope.type != Sealed.TYPE:
        return
    if leaf.envelope.data.get("part") == 1:
        parts.clear()
    parts.append(Part(index, leaf.value, entry.rpartition(b"\n\n")[2][:-1].decode()))
