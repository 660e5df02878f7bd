"""Looks up the supervisor's orders that explain blank entries.

Those of the same log are read ahead, and verified when their turn comes. Those of a later year's
log are proven here, each by itself: it lies under that log's signed checkpoint, and its signature
holds under a key that the entries before it register and do not revoke.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from sanyuan.client.verify.history import History
from sanyuan.client.verify.said import fold_leaf
from sanyuan.client.verify.source import CHECKPOINT, LogSource, SourceError, read_tile
from sanyuan.common.directory import Directory
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_for, year_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import ENTRIES, WIDTH, Tile, TileError, decode_bundle
from sanyuan.common.withholding import Orders, find_orders, may_speak


def explain(
    history: History, source: LogSource, head: Checkpoint, blanks: Sequence[tuple[int, bytes]]
) -> bool:
    """See which orders explain blanks (index, leaf hash), and whether all are; raises SourceError.

    Orders that the history knows are not looked up again: those of later years' logs are sought
    once, though a reader of its own entries always has blanks that nothing explains.
    """
    withholding = history.withholding
    withholding.hidden = source.partial
    if withholding.orders is None:
        withholding.orders = look_up(source, head, blanks[0][0] // WIDTH)
    if withholding.later is None and not withholding.explains(blanks):
        withholding.later = look_up_later(
            source, head.origin, history.log_key, history.directory.pinned
        )
    return withholding.explains(blanks)


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


def look_up_later(
    source: LogSource, origin: str, log_key: VerifierKey, agency_key: VerifierKey
) -> Orders:
    """Return the proven orders of later years' logs that withhold entries of the log `origin`.

    Of logs that lie where this one does; `log_key` is that of any year. Raises SourceError.
    """
    orders: Orders = {}
    for later in _later(source, origin):
        note = later.read(CHECKPOINT) or b""
        try:
            head = Checkpoint.open(note, keys=[verifier_for(log_key, note)])
            tiles = AuthenticTiles(partial(read_tile, later), head, later.name)
            proven = find_orders(_proven(tiles, agency_key), head.origin, origin)
        except (NoteError, ForgedLogError, TileError) as error:
            raise SourceError(
                f"the orders of a later year's log: {error}", where=later.name
            ) from None
        for index, found in proven.items():
            orders.setdefault(index, []).extend(found)
    return orders


def _later(source: LogSource, origin: str) -> Iterator[LogSource]:
    """Yield the logs of later years; a year without a service has none."""
    year = year_of(origin)
    while year is not None:
        year += 1
        if (later := source.year(year)) is not None:
            yield later
        elif year > datetime.now(UTC).year:
            return


def _proven(tiles: AuthenticTiles, agency_key: VerifierKey) -> Iterator[tuple[int, bytes]]:
    """Yield the orders and refusals whose signatures hold, under keys that were not revoked."""
    directory = Directory(agency_key)
    registering = f'/{PARTICIPANTS}"'.encode()
    for bundle in range(-(-tiles.head.size // WIDTH)):
        for index, entry in enumerate(tiles.entries(bundle), bundle * WIDTH):
            if not (may_speak(entry) or registering in entry):
                continue
            leaf = _signed(entry, directory)
            if leaf is not None and leaf.envelope.topic.endswith(f"/{PARTICIPANTS}"):
                directory = fold_leaf(directory, leaf)
            elif leaf is not None:
                yield index, entry


def _signed(entry: bytes, directory: Directory) -> Leaf | None:
    """Return a leaf under a key that is registered and not revoked."""
    try:
        leaf = parse_leaf(entry)
        source = leaf.envelope.source
        leaf.verify(directory.keys_of(source)[leaf.key_id])
    except (LeafError, NoteError, KeyError):
        return None
    return None if directory.is_revoked(source, leaf.key_id) else leaf
