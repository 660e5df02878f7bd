"""The change of year: which log is the current one, from whatever is there (design §8, ADR 0033).

A log is closed by its last seal and published; then one transaction begins the next one with its
carry-over; then the files of the old one are moved below. Each step is durable before the next, and
the start does the rest of them: `settle` is the second half of every change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog
from sqlalchemy import Connection

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import ForkError, FoundNote, newest, open_heads, told
from sanyuan.audit.store import YEAR, forget_year, load_pending
from sanyuan.common.contracts.log import CarriedOver
from sanyuan.common.database import read_counter
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import log_origin, signing_key_of, year_of
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint

log = structlog.get_logger()


class YearTurnedError(Exception):
    """The log is closed and the next one begun: only a start goes on from here."""


def known_year(connection: Connection, key: SigningKey) -> SigningKey:
    """Return the key of the log that the database is an index of; `key` is the first year's."""
    year = read_counter(connection, YEAR)
    return signing_key_of(key, year) if year else key


def settle(
    connection: Connection, folder: LogFolder, key: SigningKey, notes: Iterable[FoundNote]
) -> tuple[SigningKey, list[FoundNote]]:
    """Return the key of the current log and the notes that are of it; put older files away.

    The current log is the newest that is published, or begun in the database. A database of an
    earlier year is emptied: the published log holds all that it needs. Raises ForkError.
    """
    current = known_year(connection, key)
    by_log: dict[str, list[FoundNote]] = {}
    for found in notes:
        by_log.setdefault(_origin(found.note, current.name), []).append(found)
    last = max(by_log, key=lambda origin: year_of(origin) or 0, default=current.name)
    known, published = year_of(current.name), year_of(last)
    if known is not None and published is not None:
        if published > known:
            log.warning("the database is of an earlier year", database=current.name, log=last)
            forget_year(connection, published)
            current = signing_key_of(key, published)
        _check_carried(connection, key, by_log)
        folder.put_away(max(known, published))
    return current, by_log.get(current.name, [])


def _origin(note: bytes, current: str) -> str:
    """The log that a note is of; what is no year of this domain's is held to be the current one."""
    origin = note.partition(b"\n")[0].decode("utf-8", "replace")
    year, domain = year_of(origin), current.rpartition("/log/")[0]
    return origin if year is not None and origin == log_origin(domain, year) else current


def _check_carried(
    connection: Connection, key: SigningKey, by_log: Mapping[str, Sequence[FoundNote]]
) -> None:
    """Refuse a log that began behind a checkpoint that is not the last one of the log before."""
    pending = load_pending(connection)
    if not pending or pending[0][0] != 0:
        return
    leaf = parse_leaf(pending[0][1][0])
    if leaf.envelope.type != CarriedOver.TYPE:
        return
    carried = CarriedOver.model_validate(leaf.envelope.data)
    before = signing_key_of(key, year_of(carried.log) or 0)
    note = (carried.checkpoint or "").encode()
    final = Checkpoint.open(note, origin=before.name, keys=[before.verifier])
    notes = by_log.get(before.name, [])
    found = newest(open_heads(notes, before.verifier), before.name).checkpoint
    if found.size > final.size or (found.size == final.size and found.root != final.root):
        raise ForkError(
            f"{before.name} was carried over with {told(final)}, and is published with "
            f"{told(found)}",
            do="see who went on with the closed log: both cannot be true",
        )
