"""What a start reads: the state as the last transaction left it, and what is not published yet."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection, select

from sanyuan.audit.state import Refused, State, Stream, Waiting
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
    WAITING,
    Part,
)
from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.database import read_counter
from sanyuan.common.logkeys import log_origin
from sanyuan.common.positions import PLACES, load_offsets
from sanyuan.common.streams import Position
from sanyuan.common.tlog.tiles import decode_bundle


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


def load_published(connection: Connection, origin: str) -> bytes | None:
    """Return the signed note that `drop_published` remembered last; None before the first."""
    return connection.scalar(select(PUBLISHED.c.note).where(PUBLISHED.c.origin == origin))


def load_pending(connection: Connection) -> list[tuple[int, list[bytes]]]:
    """Return (index of the first, entries) of each transaction not yet dropped, in order."""
    rows = connection.execute(select(PENDING).order_by(PENDING.c.first))
    return [(row.first, decode_bundle(row.bundle, row.entries)) for row in rows]


def load_parts(connection: Connection) -> list[Part]:
    """Return the parts of the newest seal, in order."""
    rows = connection.execute(select(PARTS).order_by(PARTS.c.leaf))
    return [Part(row.leaf, row.value, row.signature) for row in rows]
