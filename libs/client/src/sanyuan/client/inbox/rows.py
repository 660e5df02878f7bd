"""The rows of inboxes: what was taken and not handed out yet."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select
from sqlmodel import Field, SQLModel

from sanyuan.client.inbox.kept import Kept, Place
from sanyuan.common.database import insert_many, run_many, table_of
from sanyuan.common.envelope import decode
from sanyuan.common.outbox import pack_headers, unpack_headers
from sanyuan.common.record import Record


class InboxRow(SQLModel, table=True):
    """A record that was taken and not handed out yet."""

    __tablename__ = "inbox_row"
    topic: str = Field(primary_key=True)
    offset: int = Field(primary_key=True)
    value: bytes
    attachments: bytes
    traceparent: str | None = None
    received: float


class UnexpectedRow(SQLModel, table=True):
    """Why nothing should be built on a row, where only the moment of taking it could tell."""

    __tablename__ = "inbox_unexpected"
    topic: str = Field(primary_key=True)
    offset: int = Field(primary_key=True)
    why: str


ROWS: Final = table_of(InboxRow)
UNEXPECTED: Final = table_of(UnexpectedRow)
MODELS: Final = (InboxRow, UnexpectedRow)


def kept(record: Record) -> Kept:
    """A record that is about to be taken."""
    raw = record.raw
    return Kept(raw.topic, raw.offset, record.envelope, record.sealed, record.traceparent)


def insert_rows(connection: Connection, records: Sequence[Record]) -> None:
    """Keep records that have taken their place; durable once the caller commits."""
    now = time.time()
    rows = [
        {
            "topic": record.raw.topic,
            "offset": record.raw.offset,
            "value": record.value,
            "attachments": pack_headers(record.sealed.items()),
            "traceparent": record.traceparent,
            "received": now,
        }
        for record in records
    ]
    insert_many(connection, ROWS, rows)


def mark_unexpected(connection: Connection, reasons: Mapping[Place, str]) -> None:
    """Remember why nothing should be built on some rows."""
    rows = [
        {"topic": topic, "offset": offset, "why": why} for (topic, offset), why in reasons.items()
    ]
    insert_many(connection, UNEXPECTED, rows)


_DELETE: Final = delete(ROWS).where(
    ROWS.c.topic == bindparam("of_topic"), ROWS.c.offset == bindparam("at_offset")
)
_FORGET: Final = delete(UNEXPECTED).where(
    UNEXPECTED.c.topic == bindparam("of_topic"), UNEXPECTED.c.offset == bindparam("at_offset")
)


def hand_out(
    connection: Connection, places: Iterable[Place], unexpected: Iterable[Place] = ()
) -> None:
    """Forget rows that the application has; ``unexpected`` are those that were marked so."""
    for statement, those in ((_DELETE, places), (_FORGET, unexpected)):
        rows = [{"of_topic": topic, "at_offset": offset} for topic, offset in those]
        run_many(connection, statement, rows)


def load_kept(connection: Connection) -> list[Kept]:
    """Everything that was taken and not handed out, in order."""
    return [
        Kept(
            row.topic,
            row.offset,
            decode(row.value),
            dict(unpack_headers(row.attachments)),
            row.traceparent,
        )
        for row in connection.execute(select(ROWS).order_by(ROWS.c.topic, ROWS.c.offset))
    ]


def load_unexpected(connection: Connection) -> dict[Place, str]:
    """Why nothing should be built on some of them."""
    return {(row.topic, row.offset): row.why for row in connection.execute(select(UNEXPECTED))}
