"""The second step of a batch: which authentic records take their place (design §3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.outbox import Stream
from sanyuan.common.positions import KnownPlaces, Move, hash_at
from sanyuan.common.record import Record, Rejection
from sanyuan.common.streams import Position, Verdict, judge


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch takes, in order, and what it refuses to take."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]
    ahead: Sequence[Record] = ()
    """What came before records that it follows: not taken."""


_REASONS: Final[dict[Verdict, tuple[Reason, str]]] = {
    Verdict.FORKED: ("forked", "another value was taken at this place before"),
    Verdict.CHAIN: ("chain", "it does not continue the record before it"),
}


def take(
    connection: Connection, records: Sequence[Record], places: KnownPlaces | None = None
) -> Taken:
    """Move every stream as far as ``records`` reach, in the batch's transaction.

    ``places`` spare a reader of many batches asking the database where its streams stand.
    """
    places = places or KnownPlaces()
    starts = places.load(connection, {record.stream for record in records})
    now = dict(starts)
    hashes: dict[Stream, list[str]] = {}
    taken: list[Record] = []
    rejections: list[Rejection] = []
    ahead: list[Record] = []
    for record in records:
        stream = record.stream
        verdict = _judge(connection, record, now[stream], starts[stream], hashes.get(stream, ()))
        if verdict is Verdict.TAKE:
            now[stream] = Position(record.envelope.number, record.hash)
            hashes.setdefault(stream, []).append(record.hash)
            taken.append(record)
        elif verdict in _REASONS:
            rejections.append(Rejection(record.raw, *_REASONS[verdict]))
        elif verdict is Verdict.AHEAD:
            ahead.append(record)
    places.move(connection, [Move(stream, starts[stream], new) for stream, new in hashes.items()])
    return Taken(taken, rejections, ahead)


def _judge(
    connection: Connection,
    record: Record,
    place: Position,
    start: Position,
    taken: Sequence[str],
) -> Verdict:
    """``start`` is the place before this batch, ``taken`` the hashes that the batch has added."""
    envelope = record.envelope
    number, known = envelope.number, None
    if start.sequence < number < place.sequence:
        known = taken[number - start.sequence - 1]
    elif number < place.sequence:
        known = hash_at(connection, record.stream, number)
    return judge(place, number, envelope.previous, record.hash, known)
