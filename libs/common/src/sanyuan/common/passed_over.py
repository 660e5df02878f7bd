"""What the log has passed over: rows that were acknowledged and that no seal covers (design §3).

A row is passed over when the seals' positions lie beyond its offset and it is still here: it was
lost on the way. It is sent again to the stream's head, less and less often; after five times the
stream is given up. How far the log has read is kept in the database: a seal names only partitions
that moved, and one that is never named again would hide a loss from the next process.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from sanyuan.common.database import upsert
from sanyuan.common.outbox import HEADS, LOGGED, ROWS, Stream
from sanyuan.common.partition import partition_of
from sanyuan.common.receipts import Receipt
from sanyuan.common.topics import topic_named

MAX_RESENDS: Final = 5
FIRST_SECONDS: Final = 10.0
MAX_SECONDS: Final = 60.0

Place = tuple[str, int]
"""(Kafka topic, partition)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first row of a stream that no seal covers, where the broker has put it."""

    stream: Stream
    sequence: int
    offset: int


@dataclass(slots=True)
class _Repeated:
    sequence: int
    tries: int = 0
    due: float = 0.0


class PassedOver:
    """Judges `Waiting` rows by the seals that were read; no IO."""

    def __init__(self, logged: Mapping[Place, int]) -> None:
        self._logged = dict(logged)
        self._ahead: dict[Place, int] = {}
        self._repeated: dict[Stream, _Repeated] = {}

    def note(self, receipt: Receipt) -> None:
        """Take in a seal part; its positions count when all rows of the seal were read."""
        self._ahead |= receipt.positions
        if receipt.is_last:
            self._logged |= self._ahead
            self._ahead = {}

    def due(self, waiting: Sequence[Waiting], now: float) -> Iterator[tuple[Waiting, str | None]]:
        """What to send again at ``now`` (monotonic seconds), or why to give its stream up."""
        for each in waiting:
            if not self._is_passed(each):
                continue
            known = self._repeated.get(each.stream)
            if known is None or known.sequence != each.sequence:
                known = self._repeated[each.stream] = _Repeated(each.sequence)
            if now < known.due:
                continue
            if known.tries >= MAX_RESENDS:
                sent = known.tries + 1
                yield each, f"record {each.sequence} was sent {sent} times and is not in the log"
            else:
                known.due = now + min(FIRST_SECONDS * 2**known.tries, MAX_SECONDS)
                known.tries += 1
                yield each, None

    def _is_passed(self, waiting: Waiting) -> bool:
        place = place_of(waiting.stream)
        return place is not None and self._logged.get(place, 0) > waiting.offset


def place_of(stream: Stream) -> Place | None:
    """Where a stream lies; None when its topic is none of the table's."""
    source, topic = stream
    row = topic_named(topic)
    return None if row is None else (topic, partition_of(source.encode(), row.partitions))


def load_streams(connection: Connection) -> set[Stream]:
    """All streams of one's own."""
    return {(row.source, row.topic) for row in connection.execute(select(HEADS))}


def load_logged(connection: Connection) -> dict[Place, int]:
    """How far the log has read, as far as one's own streams go."""
    rows = connection.execute(select(LOGGED))
    return {(row.topic, row.partition): row.offset for row in rows}


def save_logged(
    connection: Connection, receipts: Sequence[Receipt], places: Collection[Place]
) -> None:
    """Keep what seals say about these places."""
    moved = {
        place: offset
        for receipt in receipts
        for place, offset in receipt.positions.items()
        if place in places
    }
    rows = [{"topic": t, "partition": n, "offset": offset} for (t, n), offset in moved.items()]
    upsert(connection, LOGGED, rows)


def load_waiting(connection: Connection, before: float) -> list[Waiting]:
    """The first row of each stream, where it was acknowledged and made ``before`` (since 1970)."""
    firsts = (
        select(ROWS.c.source, ROWS.c.topic, func.min(ROWS.c.sequence).label("sequence"))
        .group_by(ROWS.c.source, ROWS.c.topic)
        .subquery()
    )
    found = connection.execute(
        select(ROWS.c.source, ROWS.c.topic, ROWS.c.sequence, ROWS.c.offset)
        .join(
            firsts,
            (ROWS.c.source == firsts.c.source)
            & (ROWS.c.topic == firsts.c.topic)
            & (ROWS.c.sequence == firsts.c.sequence),
        )
        .where(ROWS.c.offset.is_not(None), ROWS.c.created < before)
    )
    return [Waiting((row.source, row.topic), row.sequence, row.offset) for row in found]
