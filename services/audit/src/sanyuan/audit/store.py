"""The database: an index beside the tiles, and the leaves that are not in durable tiles yet.

Commit point: when a transaction with `write_batch` has returned, its leaves are in the log for
ever, with the positions that they were read from; everything after it can be done again from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlmodel import Field, SQLModel

from sanyuan.audit.sequencer import Batch, Sealing
from sanyuan.audit.state import Partition, Refused, State, Stream, Waiting
from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.contracts.log import Withheld
from sanyuan.common.database import (
    insert_many,
    read_counter,
    table_of,
    upsert,
    write_counter,
    write_counters,
)
from sanyuan.common.logkeys import log_origin, year_of
from sanyuan.common.positions import (
    MODELS as POSITION_MODELS,
)
from sanyuan.common.positions import (
    OFFSETS,
    PLACES,
    Move,
    load_offsets,
    move_places,
    save_offsets,
)
from sanyuan.common.streams import Position
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, decode_bundle, encode_bundle

SIZE: Final = "log_size"
SEALED_SIZE: Final = "log_sealed_size"
YEAR: Final = "log_year"
"""Of the current log; 0 in the first year."""
NEXT_YEAR: Final = "log_next_year"
"""In which a closed log goes on; 0 while it is not closed."""


class PendingLeaves(SQLModel, table=True):
    """The entries of one transaction, as a bundle, until a published checkpoint covers them."""

    __tablename__ = "pending_leaves"
    first: int = Field(primary_key=True)
    entries: int
    bundle: bytes


class SealedPlace(SQLModel, table=True):
    """The last sealed place of a stream."""

    __tablename__ = "sealed_place"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    sequence: int


class SealedOffset(SQLModel, table=True):
    """The next offset that the last seal names."""

    __tablename__ = "sealed_offset"
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    offset: int


class WaitingPlace(SQLModel, table=True):
    """A place that stays open; `gap` is the index of the leaf that says so."""

    __tablename__ = "waiting_place"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    expected: int
    seen: int
    since: float
    gap: int | None = None


class RefusedRecord(SQLModel, table=True):
    """A record that is in no digest leaf yet; never its content."""

    __tablename__ = "refused_record"
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    offset: int = Field(primary_key=True)
    reason: str
    hash: bytes


class EquivocatedPlace(SQLModel, table=True):
    """A place that an equivocation leaf names already."""

    __tablename__ = "equivocated_place"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)


class WithholdingOrder(SQLModel, table=True):
    """An order to withhold; `entry` is what it withheld, null unless it was carried out."""

    __tablename__ = "withholding_order"
    leaf: int = Field(primary_key=True)
    answered: bool = False
    entry: int | None = None


class ParticipantsEntry(SQLModel, table=True):
    """An entry of `participants`, by its place among them."""

    __tablename__ = "participants_entry"
    number: int = Field(primary_key=True)
    entry: bytes


class SealPart(SQLModel, table=True):
    """A part of the newest seal, as it goes to `audit-seals`."""

    __tablename__ = "seal_part"
    leaf: int = Field(primary_key=True)
    value: bytes
    signature: str


class PublishedNote(SQLModel, table=True):
    """The newest checkpoint of a log that this database knows to be published, as it was signed."""

    __tablename__ = "published_note"
    origin: str = Field(primary_key=True)
    note: bytes


PENDING: Final = table_of(PendingLeaves)
SEALED: Final = table_of(SealedPlace)
SEALED_OFFSETS: Final = table_of(SealedOffset)
WAITING: Final = table_of(WaitingPlace)
REFUSED: Final = table_of(RefusedRecord)
EQUIVOCATED: Final = table_of(EquivocatedPlace)
ORDERS: Final = table_of(WithholdingOrder)
PARTICIPANTS: Final = table_of(ParticipantsEntry)
PARTS: Final = table_of(SealPart)
PUBLISHED: Final = table_of(PublishedNote)
TABLES: Final = (
    PLACES,
    OFFSETS,
    PENDING,
    SEALED,
    SEALED_OFFSETS,
    WAITING,
    REFUSED,
    EQUIVOCATED,
    ORDERS,
    PARTICIPANTS,
    PARTS,
)
"""Everything that one log's leaves say."""
MODELS: Final = (
    *POSITION_MODELS,
    PendingLeaves,
    SealedPlace,
    SealedOffset,
    WaitingPlace,
    RefusedRecord,
    EquivocatedPlace,
    WithholdingOrder,
    ParticipantsEntry,
    SealPart,
    PublishedNote,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A seal part as it is sent."""

    leaf: int
    value: bytes
    signature: str


def load_state(connection: Connection, domain: str, own: Stream) -> State:
    """Return the state as the last transaction left it."""
    places = {
        (row.source, row.topic): Position(row.sequence, row.hash)
        for row in connection.execute(select(PLACES))
    }
    sealed = {(row.source, row.topic): row.sequence for row in connection.execute(select(SEALED))}
    sealed_size = read_counter(connection, SEALED_SIZE)
    following = read_counter(connection, NEXT_YEAR)
    return State(
        domain=domain,
        own=own,
        size=read_counter(connection, SIZE),
        places=places,
        offsets=load_offsets(connection),
        sealed=sealed,
        sealed_offsets={
            (row.topic, row.partition): row.offset
            for row in connection.execute(select(SEALED_OFFSETS))
        },
        sealed_size=sealed_size,
        previous_seal=sealed_size - 1 if sealed_size else None,
        moved={
            stream
            for stream, place in places.items()
            if stream != own and place.sequence > sealed.get(stream, 0)
        },
        waiting={
            (row.source, row.topic): Waiting(row.expected, row.seen, row.since, row.gap)
            for row in connection.execute(select(WAITING))
        },
        equivocated={
            (row.source, row.topic, row.sequence) for row in connection.execute(select(EQUIVOCATED))
        },
        refused=[
            Refused(row.topic, row.partition, row.offset, cast("Reason", row.reason), row.hash)
            for row in connection.execute(select(REFUSED))
        ],
        orders=[
            row.leaf
            for row in connection.execute(select(ORDERS).order_by(ORDERS.c.leaf))
            if not row.answered
        ],
        withheld={
            row.entry: row.leaf
            for row in connection.execute(select(ORDERS))
            if row.entry is not None
        },
        participants=[
            row.entry
            for row in connection.execute(select(PARTICIPANTS).order_by(PARTICIPANTS.c.number))
        ],
        next=log_origin(domain, following) if following else None,
    )


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
    if batch.refused:
        connection.execute(insert(REFUSED), [asdict(one) for one in batch.refused])
    if batch.equivocated:
        places = [
            {"source": source, "topic": topic, "sequence": sequence}
            for source, topic, sequence in batch.equivocated
        ]
        connection.execute(insert(EQUIVOCATED), places)
    if batch.participants:
        _write_participants(connection, batch.participants)
    if batch.orders:
        rows = [{"leaf": leaf, "answered": False, "entry": None} for leaf in batch.orders]
        connection.execute(insert(ORDERS), rows)


def _write_participants(connection: Connection, entries: Sequence[bytes]) -> None:
    count = connection.execute(select(func.count()).select_from(PARTICIPANTS)).scalar_one()
    rows = [{"number": number, "entry": entry} for number, entry in enumerate(entries, count)]
    connection.execute(insert(PARTICIPANTS), rows)


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
        entry = answer.index if isinstance(answer, Withheld) else None
        values = {"leaf": answer.order, "answered": True, "entry": entry}
        upsert(connection, ORDERS, [values])
    write_sealed(connection, sealing.sealed, sealing.sealed_offsets)
    connection.execute(delete(PARTS))
    connection.execute(insert(PARTS), [asdict(part) for part in parts_of(sealing)])


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
    connection.execute(_FORGET_WAITING, keys)
    rows = [
        {"source": source, "topic": topic, **asdict(waiting)}
        for (source, topic), waiting in changed.items()
        if waiting is not None
    ]
    if rows:
        connection.execute(insert(WAITING), rows)


def drop_published(connection: Connection, published: Checkpoint, note: bytes) -> None:
    """Forget leaves that `published` covers: their tiles are durable. Remember its signed note."""
    size = published.size
    connection.execute(delete(PENDING).where(PENDING.c.first + PENDING.c.entries <= size))
    if note:
        upsert(connection, PUBLISHED, [{"origin": published.origin, "note": note}])


def load_published(connection: Connection, origin: str) -> bytes | None:
    """Return the signed note that `drop_published` remembered last; None before the first."""
    return connection.scalar(select(PUBLISHED.c.note).where(PUBLISHED.c.origin == origin))


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
    if places:
        connection.execute(insert(PLACES), places)
    save_offsets(connection, state.offsets)
    write_sealed(connection, state.sealed, state.sealed_offsets)
    _write_waiting(connection, dict(state.waiting))
    if parts:
        connection.execute(insert(PARTS), [asdict(part) for part in parts])
    if state.participants:
        _write_participants(connection, state.participants)
    orders: list[dict[str, object]] = [
        {"leaf": leaf, "answered": entry is not None, "entry": entry}
        for leaf, entry in [
            *((leaf, None) for leaf in state.orders),
            *((leaf, entry) for entry, leaf in state.withheld.items()),
        ]
    ]
    if orders:
        connection.execute(insert(ORDERS), orders)
    write_counter(connection, SIZE, state.size)
    write_counter(connection, SEALED_SIZE, state.sealed_size)
    write_counter(connection, NEXT_YEAR, year_of(state.next or "") or 0)


def load_pending(connection: Connection) -> list[tuple[int, list[bytes]]]:
    """Return (index of the first, entries) of each transaction not yet dropped, in order."""
    rows = connection.execute(select(PENDING).order_by(PENDING.c.first))
    return [(row.first, decode_bundle(row.bundle, row.entries)) for row in rows]


def load_parts(connection: Connection) -> list[Part]:
    """Return the parts of the newest seal, in order."""
    rows = connection.execute(select(PARTS).order_by(PARTS.c.leaf))
    return [Part(row.leaf, row.value, row.signature) for row in rows]
