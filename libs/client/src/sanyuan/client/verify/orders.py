"""Looks up the supervisor's orders that explain blank entries: read ahead, verified later."""

from __future__ import annotations

from collections.abc import Iterator

from sanyuan.client.verify.source import LogSource, read_tile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import ENTRIES, WIDTH, Tile, TileError, decode_bundle
from sanyuan.common.withholding import Orders, find_orders, may_speak


def look_up(source: LogSource, head: Checkpoint, start: int) -> Orders:
    """Return the orders in the entries from bundle `start` on; raises SourceError."""
    return find_orders(_entries(source, head, start), head.origin)


def _entries(source: LogSource, head: Checkpoint, start: int) -> Iterator[tuple[int, bytes]]:
    for bundle in range(start, -(-head.size // WIDTH)):
        width = min(WIDTH, head.size - bundle * WIDTH)
        raw = read_tile(source, Tile(ENTRIES, bundle, width))
        if may_speak(raw):
            try:
                yield from enumerate(decode_bundle(raw, width), bundle * WIDTH)
            except TileError:
                continue  # the walk says so
