"""The rows of an outbox: how they are kept, marked, sent again and trimmed."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlmodel import Field, SQLModel

from sanyuan.common.database import run_many, table_of
from sanyuan.common.envelope import hash_value
from sanyuan.common.record import TRACEPARENT

Stream = tuple[str, str]
"""(source, Kafka topic)."""


class OutboxRow(SQLModel, table=True):
    """One record; ``offset`` once the broker has acknowledged it."""

    __tablename__ = "outbox_row"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    value: bytes
    headers: bytes
    offset: int | None = None
    created: float


class OutboxHead(SQLModel, table=True):
    """The last record of each stream of one's own."""

    __tablename__ = "outbox_head"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    sequence: int
    hash: str


class LoggedOffset(SQLModel, table=True):
    """How far the log has read a partition in which own streams lie, by the seals."""

    __tablename__ = "logged_offset"
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    offset: int


ROWS: Final = table_of(OutboxRow)
HEADS: Final = table_of(OutboxHead)
LOGGED: Final = table_of(LoggedOffset)
MODELS: Final = (OutboxRow, OutboxHead, LoggedOffset)


class Row(NamedTuple):
    """A record in its place, as the relay sends it."""

    source: str
    topic: str
    sequence: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    hash: str
    created: float
    id: str = ""

    @property
    def stream(self) -> Stream:
        """(source, Kafka topic)."""
        return self.source, self.topic

    @property
    def traceparent(self) -> str | None:
        """The trace that it belongs to."""
        for name, value in self.headers:
            if name == TRACEPARENT:
                return value.decode()
        return None


def pack_headers(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """Header names and values as one column: lengths in JSON, a newline, the bytes."""
    listed = list(headers)
    index = orjson.dumps([[name, len(value)] for name, value in listed])
    return b"".join((index, b"\n", *(value for _, value in listed)))


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """The inverse of `pack_headers`."""
    index, _, body = packed.partition(b"\n")
    headers, start = [], 0
    for name, length in orjson.loads(index):
        headers.append((name, body[start : start + length]))
        start += length
    return tuple(headers)


_MARK: Final = (
    update(ROWS)
    .where(
        ROWS.c.source == bindparam("of_source"),
        ROWS.c.topic == bindparam("of_topic"),
        ROWS.c.sequence == bindparam("of_sequence"),
    )
    .values(offset=bindparam("at_offset"))
)


def mark_acknowledged(connection: Connection, offsets: Mapping[tuple[str, str, int], int]) -> None:
    """Note the broker's offsets of (source, topic, sequence)."""
    run_many(
        connection,
        _MARK,
        [
            {"of_source": s, "of_topic": t, "of_sequence": n, "at_offset": offset}
            for (s, t, n), offset in offsets.items()
        ],
    )


_TRIM: Final = delete(ROWS).where(
    ROWS.c.source == bindparam("of_source"),
    ROWS.c.topic == bindparam("of_topic"),
    ROWS.c.sequence <= bindparam("last"),
)


def trim(connection: Connection, covered: Mapping[Stream, int]) -> int:
    """Remove the rows that a seal covers, up to each stream's last; returns their number."""
    streams = [{"of_source": s, "of_topic": t, "last": last} for (s, t), last in covered.items()]
    return run_many(connection, _TRIM, streams)


def unconfirmed(connection: Connection) -> dict[Stream, int]:
    """The first row of each stream that the broker has not acknowledged."""
    rows = connection.execute(
        select(ROWS.c.source, ROWS.c.topic, func.min(ROWS.c.sequence))
        .where(ROWS.c.offset.is_(None))
        .group_by(ROWS.c.source, ROWS.c.topic)
    )
    return {(source, topic): first for source, topic, first in rows}


def load_from(connection: Connection, stream: Stream, first: int, limit: int) -> list[Row]:
    """Rows of one stream from ``first`` on, in order."""
    found = connection.execute(
        select(ROWS)
        .where(ROWS.c.source == stream[0], ROWS.c.topic == stream[1], ROWS.c.sequence >= first)
        .order_by(ROWS.c.sequence)
        .limit(limit)
    )
    return [
        Row(
            source=row.source,
            topic=row.topic,
            sequence=row.sequence,
            value=row.value,
            headers=unpack_headers(row.headers),
            hash=hash_value(row.value),
            created=row.created,
        )
        for row in found
    ]


def size_bytes(connection: Connection) -> int:
    """What the rows hold; a full scan, so not for the hot path."""
    length = func.length(ROWS.c.value) + func.length(ROWS.c.headers)
    return int(connection.scalar(select(func.sum(length))) or 0)
