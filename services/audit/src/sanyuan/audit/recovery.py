"""The start: from whatever database and tiles are there to the one log that goes on, or a refusal.

The newest published checkpoint is the truth, wherever it is found (folder, topic). A database that
is behind is rolled forward from the tiles; one that is ahead holds the leaves to go on with; one
that contradicts the checkpoint ends the service, with sizes and roots, before anything is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import structlog
from sqlalchemy import Connection

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.growth import Growth
from sanyuan.audit.state import State, Stream
from sanyuan.audit.store import (
    PUBLISHED_SIZE,
    Part,
    drop_published,
    load_pending,
    load_state,
    write_rolled_forward,
)
from sanyuan.common.contracts.log import Sealed
from sanyuan.common.database import read_counter
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import EMPTY_ROOT, leaf_hash
from sanyuan.common.tlog.tiles import BLANK, WIDTH
from sanyuan.common.tlog.tree import Tree
from sanyuan.common.withholding import Order, Orders, find_orders

log = structlog.get_logger()


class ForkError(SanyuanError):
    """Going on would sign a second history; nothing is signed."""


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


def newest_checkpoint(notes: Iterable[bytes], *, origin: str, key: VerifierKey) -> Checkpoint:
    """Return the newest of the log's own checkpoints, that of size 0 when there is none.

    Raises ForkError when two of one size disagree, or a note is not this log's.
    """
    newest = Checkpoint(origin, 0, EMPTY_ROOT)
    for note in notes:
        try:
            found = Checkpoint.open(note, origin=origin, keys=[key])
        except NoteError as error:
            raise ForkError(
                f"a published checkpoint is not this log's: {error}",
                where=origin,
                do="see whether the log's key and folder belong together",
            ) from None
        if found.size == newest.size and found.root != newest.root:
            raise _fork(newest, found, "two published checkpoints of one size have two roots")
        newest = max(newest, found, key=lambda each: each.size)
    return newest


def recover(
    connection: Connection, folder: LogFolder, published: Checkpoint, *, domain: str, own: Stream
) -> Recovered:
    """Bring the database and the tiles together, in one transaction.

    Raises ForkError, and LogFolderError or ForgedLogError when needed tiles are missing or wrong.
    """
    state = load_state(connection, domain, own)
    pending = load_pending(connection)
    tiles = AuthenticTiles(folder.read, published, str(folder.path))
    _compare(tiles, pending, read_counter(connection, PUBLISHED_SIZE))
    if state.size < published.size:
        state = _roll_forward(connection, tiles, state)
        pending = []
    leaves = _unpublished(pending, published.size, state.size)
    growth = _resume(tiles)
    sealed = max(0, state.sealed_size - published.size)
    growth.extend(leaves[:sealed])
    return Recovered(state, growth, published, leaves[sealed:])


def _compare(tiles: AuthenticTiles, pending: Sequence[tuple[int, list[bytes]]], known: int) -> None:
    """Refuse a database whose leaves are others than the published ones."""
    head = tiles.head
    for first, entries in pending:
        for index in range(first, min(first + len(entries), head.size)):
            if entries[index - first] == BLANK:
                continue
            found = leaf_hash(entries[index - first])
            published = tiles.leaf_hash(index)
            if found != published:
                raise ForkError(
                    f"leaf {index} is {found.hex()} in the database and {published.hex()} in the "
                    f"published log of {head.size} leaves, root {head.root.hex()}",
                    do="put this database away: the published log is the truth",
                )
    if known > head.size:
        raise ForkError(
            f"the database knows a published log of {known} leaves, the newest checkpoint that can "
            f"be found has {head.size}, root {head.root.hex()}",
            do="restore the log's folder and its checkpoint: going on would fork the log",
        )


def _unpublished(
    pending: Sequence[tuple[int, list[bytes]]], published: int, size: int
) -> list[bytes]:
    """Return the leaves from `published` to `size`; raises ForkError when some are missing."""
    leaves: list[bytes] = []
    for first, entries in pending:
        if first > published + len(leaves):
            break
        leaves += entries[max(0, published - first) :]
    if published + len(leaves) != size:
        raise ForkError(
            f"the database counts {size} leaves and holds them up to {published + len(leaves)}; "
            f"the newest checkpoint that can be found has {published}",
            do="restore the log's folder and its checkpoint as they were",
        )
    return leaves


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
    drop_published(connection, head.size)
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


def _resume(tiles: AuthenticTiles) -> Growth:
    size = tiles.head.size
    tree = Tree(size, [list(row) for row in tiles.edge])
    tail = tiles.entries(size // WIDTH) if size % WIDTH else []
    return Growth(tree, list(tail))


def _fork(first: Checkpoint, second: Checkpoint, what: str) -> ForkError:
    return ForkError(
        f"{what}: size {first.size}, {first.root.hex()} and {second.root.hex()}",
        where=first.origin,
        do="keep both notes: they convict whoever holds the log's key",
    )
