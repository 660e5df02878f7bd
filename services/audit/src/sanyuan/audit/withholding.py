"""Carries out the supervisor's orders to withhold entries, one at a time, the oldest first.

An order is judged once a published checkpoint covers it, so that the order is in everybody's tree
before the bytes go. What it withholds is blanked in the database, in memory and in the files, in
this order; a leaf then says so. If the process ends in between, the order is still unanswered, and
doing all of it again changes nothing.
"""

from __future__ import annotations

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.growth import Growth
from sanyuan.audit.sequencer import Answer
from sanyuan.audit.state import State
from sanyuan.audit.store import blank_pending
from sanyuan.common.contracts.log import Withheld, WithholdingRefused
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH
from sanyuan.common.withholding import Order, objection, stands_for


def oldest_order(state: State, published: Checkpoint) -> int | None:
    """The index of the order to answer next, None without any that is published."""
    index = state.orders[0] if state.orders else None
    return index if index is not None and index < published.size else None


def judge(
    index: int, state: State, tiles: AuthenticTiles, directory: Directory
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
    if order.said.index in state.withheld:
        return WithholdingRefused(order=index, reason="already-withheld")
    entry = _entry(tiles, order.said.index)
    # A blank that no leaf has told is this very order's, carried out before the process ended.
    known = tiles.leaf_hash(order.said.index).hex() == order.said.entry
    if not known or not (entry == BLANK or stands_for(order, entry)):
        return WithholdingRefused(order=index, reason="entry-differs")
    return order


async def carry_out(order: Order, database: Database, growth: Growth, folder: LogFolder) -> Answer:
    """Blank the entry wherever this service keeps it; durable once this returns."""
    index = order.said.index
    await database.transaction(lambda each: blank_pending(each, index))
    growth.blank(index)
    folder.blank(index)
    return Withheld(order=order.index, index=index)


def _entry(tiles: AuthenticTiles, index: int) -> bytes:
    return tiles.entries(index // WIDTH)[index % WIDTH]
