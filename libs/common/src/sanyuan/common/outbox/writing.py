"""From a draft to a row: place, hash, signature, in the transaction of what it tells."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from sanyuan.common.database import insert_many, upsert
from sanyuan.common.envelope import encode, format_sequence, hash_value
from sanyuan.common.ids import new_id
from sanyuan.common.notes import SigningKey, sign_all
from sanyuan.common.outbox.rows import HEADS, ROWS, Row, Stream, pack_headers
from sanyuan.common.record import SIGNATURE, TRACEPARENT
from sanyuan.common.sealing import HEADER_PREFIX, MAX_ATTACHMENT_BYTES, SealingError
from sanyuan.common.streams import START, Position


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


class _Placed(NamedTuple):
    """A draft's value, at its place in its stream."""

    id: str
    value: bytes
    position: Position


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
        placed = [self._place(connection, draft, moved) for draft in drafts]
        signatures = sign_all(
            [(draft.key, each.value + b"\n") for draft, each in zip(drafts, placed, strict=True)]
        )
        rows = [
            Row(
                source=draft.source,
                topic=draft.topic,
                sequence=each.position.sequence,
                value=each.value,
                headers=_headers(draft, signature),
                hash=each.position.hash,
                created=now,
                id=each.id,
            )
            for draft, each, signature in zip(drafts, placed, signatures, strict=True)
        ]
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
        self, connection: Connection, draft: Draft, moved: dict[Stream, Position]
    ) -> _Placed:
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
        return _Placed(identifier, value, position)


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
