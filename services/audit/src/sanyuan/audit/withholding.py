"""Carries out the supervisor's orders to withhold entries, one at a time, the oldest first.

An order is judged once a published checkpoint covers it, so that the order is in everybody's tree
before the bytes go. What it withholds is blanked in the database, in memory and in the files, in
this order; a leaf then says so. If the process ends in between, the order is still unanswered, and
doing all of it again changes nothing. Of an earlier year's log there are only the files.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from sanyuan.audit.folder import LogFolder, LogFolderError
from sanyuan.audit.growth import Growth
from sanyuan.audit.sequencer import Answer
from sanyuan.audit.state import State
from sanyuan.audit.store import blank_pending
from sanyuan.common.contracts.log import Withheld, WithholdingReason, WithholdingRefused
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import verifier_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH, TileError
from sanyuan.common.withholding import Order, objection, stands_for

log = structlog.get_logger()

Earlier = Callable[[str], AuthenticTiles]
"""Origin of an earlier year's log -> that log; raises as `earlier_log`."""


def oldest_order(state: State, published: Checkpoint) -> int | None:
    """The index of the order to answer next, None without any that is published."""
    index = state.orders[0] if state.orders else None
    return index if index is not None and index < published.size else None


def judge(
    index: int, state: State, tiles: AuthenticTiles, directory: Directory, earlier: Earlier
) -> Order | WithholdingRefused:
    """Return the order at `index` when it is to be carried out, else why not.

    A key that was revoked since the order counts as revoked: readers only look at what lies before.
    """
    leaf = parse_leaf(_entry(tiles, index))
    order = objection(leaf.envelope, index, tiles.head.origin)
    if not isinstance(order, Order):
        return WithholdingRefused(order=index, reason=order)
    if directory.is_revoked(leaf.envelope.source, leaf.key_id):
        return WithholdingRefused(order=index, reason="key-revoked")
    reason = _late_objection(order, earlier) if order.is_late else _differs(order, tiles)
    if not order.is_late and order.said.index in state.withheld:
        reason = "already-withheld"
    return order if reason is None else WithholdingRefused(order=index, reason=reason)


def _late_objection(order: Order, earlier: Earlier) -> WithholdingReason | None:
    try:
        tiles = earlier(order.said.log)
        return _differs(order, tiles) if order.said.index < tiles.head.size else "no-such-entry"
    except (LogFolderError, NoteError, TileError, ForgedLogError) as error:
        # Whatever became of those files, this log goes on.
        log.warning("an earlier year's log cannot be read", log=order.said.log, error=str(error))
        return "not-at-hand"


def _differs(order: Order, tiles: AuthenticTiles) -> WithholdingReason | None:
    """Return why the entry is not the one that an order describes; None when it is."""
    entry = _entry(tiles, order.said.index)
    # A blank that no leaf has told is this very order's, carried out before the process ended.
    known = tiles.leaf_hash(order.said.index).hex() == order.said.entry
    return None if known and (entry == BLANK or stands_for(order, entry)) else "entry-differs"


def earlier_log(folder: LogFolder, key: VerifierKey, origin: str) -> AuthenticTiles:
    """Return an earlier year's log, as its files lie here; `key` is that of any year's log.

    Raises LogFolderError, NoteError, TileError, ForgedLogError.
    """
    below = folder.earlier(origin)
    head = Checkpoint.open(below.checkpoint() or b"", keys=[verifier_of(key, origin)])
    return AuthenticTiles(below.read_grown, head, str(below.path))


async def carry_out(order: Order, database: Database, growth: Growth, folder: LogFolder) -> Answer:
    """Blank the entry wherever this service keeps it; durable once this returns."""
    index = order.said.index
    if order.is_late:
        folder.earlier(order.said.log).blank(index)
        return Withheld(order=order.index, index=index, log=order.said.log)
    await database.transaction(lambda each: blank_pending(each, index))
    growth.blank(index)
    folder.blank(index)
    return Withheld(order=order.index, index=index)


def _entry(tiles: AuthenticTiles, index: int) -> bytes:
    return tiles.entries(index // WIDTH)[index % WIDTH]
