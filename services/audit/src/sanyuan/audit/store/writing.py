"""What transactions write: each batch in one, with the positions that it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from sanyuan.audit.sequencer import Batch, Sealing
from sanyuan.audit.state import Partition, State, Stream, Waiting
from sanyuan.audit.store.tables import (
    EQUIVOCATED,
    NEXT_YEAR,
    ORDERS,
    PARTICIPANTS,
    PARTS,
    PENDING,
    PUBLISHED,
    REFUSED,
    SEALED,
    SEALED_OFFSETS,
    SEALED_SIZE,
    SIZE,
    TABLES,
    WAITING,
    YEAR,
    Part,
)
from sanyuan.common.contracts.log import Withheld
from sanyuan.common.database import insert_many, run_many, upsert, write_counter, write_counters
from sanyuan.common.logkeys import year_of
from sanyuan.common.positions import PLACES, Move, move_places, save_offsets
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, decode_bundle, encode_bundle


def write_batch(connection: Connection, batch: Batch) -> None:
    """Write leaves, places and offsets; the rest of a batch is rare.

    Raises PositionError when a place is not where this writer left it.
    """
    if batch.entries:
        bundle = encode_bundle(batch.entries)
        row = {"first": batch.first, "entries": len(batch.entries), "bundle": bundle}
        insert_many(connection, PENDING, [row])
        write_counter(connection, SIZE, batch.first + len(batch.entries))
    _move_places(connection, batch)
    save_offsets(connection, batch.offsets)
    _write_waiting(connection, batch.waiting)
    insert_many(connection, REFUSED, [asdict(one) for one in batch.refused])
    places = [
        {"source": source, "topic": topic, "sequence": sequence}
        for source, topic, sequence in batch.equivocated
    ]
    insert_many(connection, EQUIVOCATED, places)
    if batch.participants:
        _write_participants(connection, batch.participants)
    rows = [{"leaf": leaf, "answered": False, "entry": None} for leaf in batch.orders]
    insert_many(connection, ORDERS, rows)


def _write_participants(connection: Connection, entries: Sequence[bytes]) -> None:
    count = connection.execute(select(func.count()).select_from(PARTICIPANTS)).scalar_one()
    rows = [{"number": number, "entry": entry} for number, entry in enumerate(entries, count)]
    insert_many(connection, PARTICIPANTS, rows)


def write_closing(connection: Connection, sealing: Sealing, following: int) -> None:
    """Write the batch that ends the log; it goes on in the year `following`."""
    write_sealing(connection, sealing)
    write_counter(connection, NEXT_YEAR, following)


def write_new_year(connection: Connection, sealing: Sealing, year: int) -> None:
    """Write the batch that begins the log of `year`: all leaves of the one before are published."""
    for table in (PENDING, ORDERS):
        connection.execute(delete(table))
    write_sealing(connection, sealing)
    write_counters(connection, {YEAR: year, NEXT_YEAR: 0})


def forget_year(connection: Connection, year: int) -> None:
    """Forget everything: the log of `year` is published, and will be read from its beginning."""
    for table in TABLES:
        connection.execute(delete(table))
    cleared = {SIZE: 0, SEALED_SIZE: 0, YEAR: year, NEXT_YEAR: 0}
    write_counters(connection, cleared)


def write_sealing(connection: Connection, sealing: Sealing) -> None:
    """Write a batch that ends in a seal."""
    write_batch(connection, sealing)
    end = sealing.first + len(sealing.entries)
    write_counter(connection, SEALED_SIZE, end)
    connection.execute(delete(REFUSED))
    if (answer := sealing.answer) is not None:
        values: dict[str, object] = {"leaf": answer.order, "answered": True, "entry": None}
        if isinstance(answer, Withheld) and answer.log is None:
            values["entry"] = answer.index
        upsert(connection, ORDERS, [values])
    write_sealed(connection, sealing.sealed, sealing.sealed_offsets)
    connection.execute(delete(PARTS))
    insert_many(connection, PARTS, [asdict(part) for part in parts_of(sealing)])


def parts_of(sealing: Sealing) -> list[Part]:
    """Return the parts of a seal as they are sent."""
    first = sealing.first + len(sealing.entries) - len(sealing.parts)
    return [
        Part(first + at, spoken.value, spoken.signature) for at, spoken in enumerate(sealing.parts)
    ]


def write_sealed(
    connection: Connection, sealed: dict[Stream, int], offsets: dict[Partition, int]
) -> None:
    """Set sealed places of some streams and sealed offsets of some partitions."""
    rows = [
        {"source": source, "topic": topic, "sequence": last}
        for (source, topic), last in sealed.items()
    ]
    upsert(connection, SEALED, rows)
    upsert(
        connection,
        SEALED_OFFSETS,
        [
            {"topic": topic, "partition": partition, "offset": offset}
            for (topic, partition), offset in offsets.items()
        ],
    )


_FORGET_WAITING: Final = delete(WAITING).where(
    WAITING.c.source == bindparam("of_source"), WAITING.c.topic == bindparam("of_topic")
)


def _move_places(connection: Connection, batch: Batch) -> None:
    moves = [Move(stream, batch.starts[stream], hashes) for stream, hashes in batch.hashes.items()]
    move_places(connection, moves)


def _write_waiting(connection: Connection, changed: dict[Stream, Waiting | None]) -> None:
    if not changed:
        return
    keys = [{"of_source": source, "of_topic": topic} for source, topic in changed]
    run_many(connection, _FORGET_WAITING, keys)
    rows = [
        {"source": source, "topic": topic, **asdict(waiting)}
        for (source, topic), waiting in changed.items()
        if waiting is not None
    ]
    insert_many(connection, WAITING, rows)


def drop_published(connection: Connection, published: Checkpoint, note: bytes) -> None:
    """Forget leaves that `published` covers: their tiles are durable. Remember its signed note."""
    size = published.size
    connection.execute(delete(PENDING).where(PENDING.c.first + PENDING.c.entries <= size))
    if note:
        upsert(connection, PUBLISHED, [{"origin": published.origin, "note": note}])


def blank_pending(connection: Connection, index: int) -> None:
    """Take an entry's bytes out of the leaves that are still kept here, if it is among them."""
    found = connection.execute(
        select(PENDING).where(PENDING.c.first <= index, PENDING.c.first + PENDING.c.entries > index)
    ).first()
    if found is not None:
        entries = decode_bundle(found.bundle, found.entries)
        entries[index - found.first] = BLANK
        changed = update(PENDING).where(PENDING.c.first == found.first)
        connection.execute(changed.values(bundle=encode_bundle(entries)))


def write_rolled_forward(connection: Connection, state: State, parts: Sequence[Part]) -> None:
    """Write a state that was replayed from published leaves, whatever was there before."""
    for table in TABLES:
        if table is not EQUIVOCATED:  # of no leaf that the log depends on
            connection.execute(delete(table))
    places = [
        {"source": source, "topic": topic, "sequence": place.sequence, "hash": place.hash}
        for (source, topic), place in state.places.items()
    ]
    insert_many(connection, PLACES, places)
    save_offsets(connection, state.offsets)
    write_sealed(connection, state.sealed, state.sealed_offsets)
    _write_waiting(connection, dict(state.waiting))
    insert_many(connection, PARTS, [asdict(part) for part in parts])
    if state.participants:
        _write_participants(connection, state.participants)
    orders: list[dict[str, object]] = [
        {"leaf": leaf, "answered": entry is not None, "entry": entry}
        for leaf, entry in [
            *((leaf, None) for leaf in state.orders),
            *((leaf, entry) for entry, leaf in state.withheld.items()),
        ]
    ]
    insert_many(connection, ORDERS, orders)
    write_counter(connection, SIZE, state.size)
    write_counter(connection, SEALED_SIZE, state.sealed_size)
    write_counter(connection, NEXT_YEAR, year_of(state.next or "") or 0)
