"""The tables of one log, and the names of its counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlmodel import Field, SQLModel

from sanyuan.common.database import Database, table_of
from sanyuan.common.positions import MODELS as POSITION_MODELS
from sanyuan.common.positions import OFFSETS, PLACES

PAGE_BYTES: Final = 16 * 1024
"""Of an SQLite file: the leaves of a transaction are one value, of up to megabytes."""
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


def open_database(url: str) -> Database:
    """Become the writer of a log's database; raises as `Database.open`."""
    return Database.open(url, MODELS, page_bytes=PAGE_BYTES)


@dataclass(frozen=True, slots=True)
class Part:
    """A seal part as it is sent."""

    leaf: int
    value: bytes
    signature: str
