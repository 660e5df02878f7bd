"""The outbox: records of one's own, durable before anyone else sees them (design §3).

Invariants: a record gets its sequence, hash and signature in the transaction of the change that it
tells of; a stream's rows are contiguous; a row stays until a seal of the log covers it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlmodel import Field, SQLModel

from sanyuan.common.database import insert_many, run_many, table_of, upsert
from sanyuan.common.envelope import encode, format_sequence, hash_value
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import new_id
from sanyuan.common.notes import SigningKey
from sanyuan.common.record import SIGNATURE, TRACEPARENT
from sanyuan.common.sealing import HEADER_PREFIX, MAX_ATTACHMENT_BYTES, SealingError
from sanyuan.common.streams import START, Position

LIMIT_BYTES: Final = 2 * 1024**3
WARN_SHARE: Final = 0.8

Stream = tuple[str, str]
"""(source, Kafka topic)."""


class OutboxFullError(SanyuanError):
    """The outbox has reached its limit: the log does not confirm what was sent."""


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


class Draft(NamedTuple):
    """A record before it has its place: everything but sequence, previous and signature.

    ``time`` is RFC 3339; ``sealed`` are ciphertexts, which ``data`` names by digest already.
    """

    key: SigningKey
    domain: str
    topic: str
    type: str
    data: Mapping[str, Any]
    time: str
    case: str | None
    cause: str | None = None
    actor: str | None = None
    traceparent: str | None = None
    sealed: Mapping[str, bytes] = MappingProxyType({})

    @property
    def source(self) -> str:
        """Whose record it is."""
        return f"//{self.key.name}"


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


class Outbox:
    """Writes rows; remembers heads, which only the one writer of the database changes."""

    def __init__(self) -> None:
        self._heads: dict[Stream, Position] = {}

    def forget(self) -> None:
        """Read heads anew: call this after any transaction that was rolled back."""
        self._heads.clear()

    def append(self, connection: Connection, drafts: Sequence[Draft]) -> list[Row]:
        """Give each draft its place, sign it and write it; durable once the caller commits.

        Raises EnvelopeError when a value is too large, SealingError when its attachments are:
        no reader would give either a place, and the stream could not go on.
        """
        moved: dict[Stream, Position] = {}
        now = time.time()
        rows = [self._place(connection, draft, moved, now) for draft in drafts]
        _write_rows(connection, rows)
        _write_heads(connection, moved)
        return rows

    def head(self, connection: Connection, stream: Stream) -> Position:
        """The last place of a stream of one's own."""
        position = self._heads.get(stream)
        if position is None:
            position = self._heads[stream] = _read_head(connection, stream)
        return position

    def _place(
        self, connection: Connection, draft: Draft, moved: dict[Stream, Position], now: float
    ) -> Row:
        source = draft.source
        stream = (source, draft.topic)
        head = self.head(connection, stream)
        sequence = head.sequence + 1
        value = encode(
            {
                "specversion": "1.0",
                "id": (identifier := new_id()),
                "source": source,
                "type": draft.type,
                "time": draft.time,
                "topic": f"{draft.domain}/{draft.topic}",
                "sequence": format_sequence(sequence),
                "previous": head.hash,
                "correlationid": draft.case,
                "causationid": draft.cause,
                "actor": draft.actor,
                "data": draft.data,
            }
        )
        position = self._heads[stream] = moved[stream] = Position(sequence, hash_value(value))
        signature = draft.key.sign(value + b"\n")
        return Row(
            source=source,
            topic=draft.topic,
            sequence=sequence,
            value=value,
            headers=_headers(draft, signature),
            hash=position.hash,
            created=now,
            id=identifier,
        )


def _headers(draft: Draft, signature: str) -> tuple[tuple[str, bytes], ...]:
    size = sum(map(len, draft.sealed.values()))
    if size > MAX_ATTACHMENT_BYTES:
        raise SealingError(
            f"the attachments would have {size} bytes, {MAX_ATTACHMENT_BYTES} are allowed",
            where=draft.type,
            do="send them in several records",
        )
    headers = [(SIGNATURE, signature.encode())]
    if draft.traceparent:
        headers.append((TRACEPARENT, draft.traceparent.encode()))
    headers.extend((HEADER_PREFIX + name, sealed) for name, sealed in draft.sealed.items())
    return tuple(headers)


def _read_head(connection: Connection, stream: Stream) -> Position:
    row = connection.execute(
        select(HEADS.c.sequence, HEADS.c.hash).where(
            HEADS.c.source == stream[0], HEADS.c.topic == stream[1]
        )
    ).first()
    return START if row is None else Position(row.sequence, row.hash)


def _write_rows(connection: Connection, rows: Sequence[Row]) -> None:
    insert_many(
        connection,
        ROWS,
        [
            {
                "source": row.source,
                "topic": row.topic,
                "sequence": row.sequence,
                "value": row.value,
                "headers": pack_headers(row.headers),
                "offset": None,
                "created": row.created,
            }
            for row in rows
        ],
    )


def _write_heads(connection: Connection, moved: Mapping[Stream, Position]) -> None:
    upsert(
        connection,
        HEADS,
        [
            {"source": source, "topic": topic, "sequence": head.sequence, "hash": head.hash}
            for (source, topic), head in moved.items()
        ],
    )


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
