"""What a system's inbox holds: each record taken once, in order, verified, kept until handed out.

A row stays until the application has asked for the next one, so that a decision is handed out again
after a crash and never lost; in one life of a process each is handed out exactly once.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlmodel import Field, SQLModel

from sanyuan.common.contracts.message import CommandRef, Decided, Message
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.database import table_of
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import Envelope, decode
from sanyuan.common.outbox import pack_headers, unpack_headers
from sanyuan.common.positions import Partition, save_offsets
from sanyuan.common.record import RawRecord, Record, Rejection
from sanyuan.common.sealing import SealingError, digest
from sanyuan.common.service.taking import take
from sanyuan.common.systems import SystemFile

SERVICE_OF_TYPE: Final = {"identity", "license-exchange", "catalog", "audit"}


class InboxRow(SQLModel, table=True):
    """A record that was taken and not handed out yet."""

    __tablename__ = "inbox_row"
    topic: str = Field(primary_key=True)
    offset: int = Field(primary_key=True)
    value: bytes
    attachments: bytes
    traceparent: str | None = None
    received: float


ROWS: Final = table_of(InboxRow)
MODELS: Final = (InboxRow,)


@dataclass(frozen=True, slots=True)
class Decision:
    """A record from one's inbox.

    ``message`` is None when its type is unknown here. ``unexpected`` says why nothing should be
    built on it: a service's type from someone else, or an answer that nobody asked for.
    ``opened`` holds the plaintexts of the attachments (None: it does not open).
    """

    topic: str
    offset: int
    envelope: Envelope
    message: Message | None
    opened: Mapping[str, bytes | None] = field(repr=False)
    traceparent: str | None = None
    unexpected: str | None = None

    @property
    def command(self) -> CommandRef | None:
        """The command that it decides."""
        return self.message.command if isinstance(self.message, Decided) else None

    @property
    def type(self) -> str:
        """The record's type."""
        return self.envelope.type

    @property
    def case(self) -> str:
        """The case that it belongs to."""
        return self.envelope.correlationid or ""

    @property
    def reason(self) -> str | None:
        """The machine-readable reason of a refusal."""
        return getattr(self.message, "reason", None)


@dataclass(frozen=True, slots=True)
class Received:
    """What one transaction took and what it did not."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]


def receive(
    connection: Connection, records: Sequence[Record], offsets: Mapping[Partition, int]
) -> Received:
    """Take records into the inbox; durable once the caller commits."""
    taken = take(connection, records)
    if taken.records:
        connection.execute(
            insert(ROWS),
            [
                {
                    "topic": record.raw.topic,
                    "offset": record.raw.offset,
                    "value": record.value,
                    "attachments": pack_headers(record.sealed.items()),
                    "traceparent": record.traceparent,
                    "received": time.time(),
                }
                for record in taken.records
            ],
        )
    save_offsets(connection, offsets)
    return Received(taken.records, taken.rejections)


_DELETE: Final = delete(ROWS).where(
    ROWS.c.topic == bindparam("of_topic"), ROWS.c.offset == bindparam("at_offset")
)


def hand_out(connection: Connection, places: Iterable[tuple[str, int]]) -> None:
    """Forget rows (topic, offset) that the application has."""
    parameters = [{"of_topic": topic, "at_offset": offset} for topic, offset in places]
    if parameters:
        connection.execute(_DELETE, parameters)


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was taken."""

    topic: str
    offset: int
    envelope: Envelope
    sealed: Mapping[str, bytes]
    traceparent: str | None


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


def kept(record: Record) -> Kept:
    """A record that was just taken."""
    raw: RawRecord = record.raw
    return Kept(raw.topic, raw.offset, record.envelope, record.sealed, record.traceparent)


def read_decision(row: Kept, system: SystemFile, directory: Directory) -> Decision:
    """Parse and open a row for its system; never raises over what others wrote."""
    envelope = row.envelope
    try:
        message: Message | None = parse_data(envelope.type, "inbox", envelope.data)
    except ContractError:
        message = None
    return Decision(
        topic=row.topic,
        offset=row.offset,
        envelope=envelope,
        message=message,
        opened=_open_all(row, envelope, message, system),
        traceparent=row.traceparent,
        unexpected=_unexpected(envelope, message, system, directory),
    )


def _unexpected(
    envelope: Envelope, message: Message | None, system: SystemFile, directory: Directory
) -> str | None:
    """Trust by signature and type: a service's types only from its registered source (§3)."""
    service = envelope.type.split(".", 1)[0]
    if service in SERVICE_OF_TYPE:
        registered = directory.by_name.get(service)
        if registered is None or registered.source != envelope.source:
            return f"a type of {service} that {service} did not send"
    if message is None:
        return "an unknown type"
    if isinstance(message, Decided) and message.command.source != system.source:
        return "the decision of somebody else's command"
    return None


def _open_all(
    row: Kept, envelope: Envelope, message: Message | None, system: SystemFile
) -> Mapping[str, bytes | None]:
    opened: dict[str, bytes | None] = {}
    for name in message.SEALED if message is not None else ():
        sealed = row.sealed.get(name)
        opened[name] = None
        if sealed is not None and digest(sealed) == getattr(message, name).sealed:
            try:
                opened[name] = system.sealing.open(
                    sealed, source=envelope.source, topic=envelope.topic, name=name
                )
            except SealingError:
                continue
    return opened
