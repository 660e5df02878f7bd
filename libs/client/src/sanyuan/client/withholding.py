"""The supervisor's orders to withhold an entry, and what becomes of them (design §8, ADR 0032)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from sanyuan.client.verify.source import CHECKPOINT, LogSource, SourceError, read_tile
from sanyuan.common.contracts.log import Withheld, WithholdEntry, WithholdingRefused
from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import verifier_for
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH

POLL_SECONDS: Final = 0.5
_LOG: Final = "log"


class NotWithheldError(SanyuanError):
    """There is nothing to withhold there, or the order was not answered in time."""


def open_year(source: LogSource, year: int | None) -> LogSource:
    """Return the log of an earlier year that lies where this one does; raises SourceError."""
    if year is None:
        return source
    if (found := source.year(year)) is None:
        raise SourceError(
            f"there is no log of {year}", where=source.name, do="see `ls` of the log's folder"
        )
    return found


def make_order(source: LogSource, log_key: VerifierKey, index: int, ground: str) -> dict[str, Any]:
    """Return the data of an order for entry `index`, which is proven to be in the log first.

    Raises NotWithheldError, SourceError, ForgedLogError.
    """
    tiles = _open(source, log_key)
    if index >= tiles.head.size:
        raise NotWithheldError(f"the log has {tiles.head.size:,} entries", where=source.name)
    entry = tiles.entries(index // WIDTH)[index % WIDTH]
    if entry == BLANK:
        raise NotWithheldError(
            f"entry {index} is withheld already, or not shown to this reader", where=source.name
        )
    leaf = parse_leaf(entry)
    envelope = leaf.envelope
    order = WithholdEntry.model_validate(
        {
            "log": tiles.head.origin,
            "index": index,
            "entry": tiles.leaf_hash(index).hex(),
            "record": {
                "source": envelope.source,
                "topic": envelope.topic,
                "sequence": envelope.sequence,
                "hash": leaf.hash,
            },
            "ground": ground,
        }
    )
    return order.model_dump(mode="json")


def wait_for_answer(
    source: LogSource, log_key: VerifierKey, start: int, order: str, seconds: float
) -> Withheld | WithholdingRefused:
    """Wait for the log's answer to the order whose value has the hash `order`.

    Looks at the entries from `start` on. Raises NotWithheldError after `seconds`.
    """
    deadline, place = time.monotonic() + seconds, -1
    while True:
        tiles = _open(source, log_key)
        for index, entry in _entries(tiles, start):
            leaf = parse_leaf(entry)
            envelope = leaf.envelope
            if leaf.hash == order:
                place = index
            elif envelope.topic.partition("/")[2] == _LOG:
                message = parse_data(envelope.type, _LOG, envelope.data)
                if isinstance(message, Withheld | WithholdingRefused) and message.order == place:
                    return message
        start = tiles.head.size
        if time.monotonic() > deadline:
            raise NotWithheldError(
                f"no answer within {seconds:g} s",
                where=source.name,
                do="the order is durable: see whether the audit service runs",
            )
        time.sleep(POLL_SECONDS)


def log_size(source: LogSource, log_key: VerifierKey) -> int:
    """Return how many entries the log has now; raises SourceError, ForgedLogError."""
    return _open(source, log_key).head.size


def _entries(tiles: AuthenticTiles, start: int) -> Iterator[tuple[int, bytes]]:
    for bundle in range(start // WIDTH, -(-tiles.head.size // WIDTH)):
        for index, entry in enumerate(tiles.entries(bundle), bundle * WIDTH):
            if index >= start and entry != BLANK:
                yield index, entry


def _open(source: LogSource, log_key: VerifierKey) -> AuthenticTiles:
    raw = source.read(CHECKPOINT)
    if raw is None:
        raise SourceError("the log has no checkpoint yet", where=source.name)
    try:
        head = Checkpoint.open(raw, keys=[verifier_for(log_key, raw)])
    except NoteError as error:
        raise ForgedLogError(str(error), where=source.name) from None
    return AuthenticTiles(partial(read_tile, source), head, source.name)
