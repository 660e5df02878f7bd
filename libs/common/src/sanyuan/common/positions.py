"""A reader's own positions: next offsets and stream places in each transaction (design §3).

Next offsets in the database are the truth; the Kafka group only displays lag. A place moves
``WHERE last = expected``. Hashes of what was taken are kept one row a stream and batch.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update
from sqlmodel import Field, SQLModel

from sanyuan.common.database import insert_many, run_many, table_of, upsert
from sanyuan.common.errors import SanyuanError
from sanyuan.common.outbox import Stream
from sanyuan.common.streams import START, Position

HASH_BYTES: Final = 32


class PositionError(SanyuanError):
    """A place moved under a transaction, or lies beyond what the broker has."""


class NextOffset(SQLModel, table=True):
    """The first offset of a partition that was not handled yet."""

    __tablename__ = "next_offset"
    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    offset: int


class StreamPlace(SQLModel, table=True):
    """The last place taken in a stream."""

    __tablename__ = "stream_place"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    sequence: int
    hash: str


class StreamTaken(SQLModel, table=True):
    """The hashes taken from ``first`` on, 32 bytes each: what tells a fork from a repetition."""

    __tablename__ = "stream_taken"
    source: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    first: int = Field(primary_key=True)
    hashes: bytes
    taken: float


OFFSETS: Final = table_of(NextOffset)
PLACES: Final = table_of(StreamPlace)
TAKEN: Final = table_of(StreamTaken)
MODELS: Final = (NextOffset, StreamPlace, StreamTaken)

Partition = tuple[str, int]


def load_offsets(connection: Connection) -> dict[Partition, int]:
    """(topic, partition) → next offset."""
    return {(row.topic, row.partition): row.offset for row in connection.execute(select(OFFSETS))}


def save_offsets(connection: Connection, offsets: Mapping[Partition, int]) -> None:
    """Set next offsets."""
    upsert(
        connection,
        OFFSETS,
        [
            {"topic": topic, "partition": partition, "offset": offset}
            for (topic, partition), offset in offsets.items()
        ],
    )


def load_places(connection: Connection, streams: Iterable[Stream]) -> dict[Stream, Position]:
    """The places of those streams that have one."""
    wanted = list(streams)
    found: dict[Stream, Position] = {}
    for start in range(0, len(wanted), 400):
        rows = connection.execute(
            select(PLACES).where(
                tuple_(PLACES.c.source, PLACES.c.topic).in_(wanted[start : start + 400])
            )
        )
        found |= {(row.source, row.topic): Position(row.sequence, row.hash) for row in rows}
    return found


def load_sources(connection: Connection, topic: str) -> set[str]:
    """The sources that have a place in a topic."""
    return set(connection.scalars(select(PLACES.c.source).where(PLACES.c.topic == topic)))


class KnownPlaces:
    """Places in memory, which only the one writer of the database changes.

    Saves a query a batch. Call `forget` after any transaction that was rolled back.
    """

    def __init__(self) -> None:
        self._places: dict[Stream, Position] = {}

    def load(self, connection: Connection, streams: Iterable[Stream]) -> dict[Stream, Position]:
        """The place of each of these streams, `START` where nothing was taken yet."""
        wanted = list(streams)
        if unknown := [stream for stream in wanted if stream not in self._places]:
            self._places |= dict.fromkeys(unknown, START) | load_places(connection, unknown)
        return {stream: self._places[stream] for stream in wanted}

    def move(self, connection: Connection, moves: Sequence["Move"]) -> None:
        """`move_places`, and remember where the streams stand once the caller has committed."""
        move_places(connection, moves)
        self._places |= {move.stream: move.place for move in moves}

    def known(self, stream: Stream) -> Position:
        """The place of a stream that was loaded before; `START` when that was forgotten."""
        return self._places.get(stream, START)

    def forget(self) -> None:
        """Read places anew."""
        self._places.clear()


_MOVE_PLACE: Final = (
    update(PLACES)
    .where(
        PLACES.c.source == bindparam("of_source"),
        PLACES.c.topic == bindparam("of_topic"),
        PLACES.c.sequence == bindparam("expected"),
    )
    .values(sequence=bindparam("last"), hash=bindparam("head"))
)
_INSERT_PLACE: Final = insert(PLACES).values(
    source=bindparam("of_source"),
    topic=bindparam("of_topic"),
    sequence=bindparam("last"),
    hash=bindparam("head"),
)


@dataclass(frozen=True, slots=True)
class Move:
    """The hashes that a stream takes after ``expected``."""

    stream: Stream
    expected: Position
    hashes: Sequence[str]

    @property
    def place(self) -> Position:
        """Where the stream stands afterwards."""
        return Position(self.expected.sequence + len(self.hashes), self.hashes[-1])


def move_places(connection: Connection, moves: Sequence[Move]) -> None:
    """Take what ``moves`` say; raises PositionError when another writer moved a place."""
    first = [_moved(move) for move in moves if move.expected == START]
    later = [_moved(move) for move in moves if move.expected != START]
    run_many(connection, _INSERT_PLACE, first)
    if run_many(connection, _MOVE_PLACE, later) != len(later):
        raise PositionError("another writer moved a stream", where=moves[0].stream[1])
    insert_many(connection, TAKEN, [_taken(move) for move in moves])


def _moved(move: Move) -> dict[str, str | int]:
    return {
        "of_source": move.stream[0],
        "of_topic": move.stream[1],
        "expected": move.expected.sequence,
        "last": move.place.sequence,
        "head": move.place.hash,
    }


def _taken(move: Move) -> dict[str, object]:
    return {
        "source": move.stream[0],
        "topic": move.stream[1],
        "first": move.expected.sequence + 1,
        "hashes": bytes.fromhex("".join(move.hashes)),
        "taken": time.time(),
    }


def hash_at(connection: Connection, stream: Stream, sequence: int) -> str | None:
    """The hash taken at ``sequence``; None when it is older than what is kept."""
    row = connection.execute(
        select(TAKEN.c.first, TAKEN.c.hashes)
        .where(TAKEN.c.source == stream[0], TAKEN.c.topic == stream[1], TAKEN.c.first <= sequence)
        .order_by(TAKEN.c.first.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    start = (sequence - row.first) * HASH_BYTES
    return row.hashes[start : start + HASH_BYTES].hex() or None


def forget_taken(connection: Connection, before: float) -> int:
    """Drop hashes taken before a time (seconds since 1970): the topic's retention has passed."""
    return connection.execute(delete(TAKEN).where(TAKEN.c.taken < before)).rowcount
