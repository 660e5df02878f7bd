"""The open calls of one database: durable with their commands, in memory for the hot path.

Invariants: a call is opened in the transaction that writes its command; memory holds exactly the
open rows, because only the one writer changes them, and only after its transaction has committed.
A call that ended without answer keeps its row for a week, so that a late answer is known as late.
"""

import heapq
import time
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update
from sqlmodel import Field, SQLModel

from sanyuan.client.calls.opening import CALLS, OpenCall, Opening, Ref
from sanyuan.common.database import insert_many, run_many, table_of
from sanyuan.common.outbox import Row

SLACK_SECONDS: Final = 5.0
"""What a call may spend on its way to the catalog and its answer on its way back."""
_OPEN, _ENDED, _TOLD = 0, 1, 2
_CHUNK: Final = 400


class OpenCallRow(SQLModel, table=True):
    """One call: open, ended without answer, or told so."""

    __tablename__ = "open_call"
    source: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    id: str
    hash: str
    grant_id: str
    serving_system: str
    fields: str
    case_id: str
    deadline: float
    state: int = Field(index=True)


TABLE: Final = table_of(OpenCallRow)
MODELS: Final = (OpenCallRow,)


def open_call(row: Row, case: str, opening: Opening) -> OpenCall:
    """The call of a command that was just placed."""
    return OpenCall(
        source=row.source,
        sequence=row.sequence,
        id=row.id,
        hash=row.hash,
        grant=opening.grant,
        serving_system=opening.serving_system,
        fields=opening.fields,
        case=case,
        deadline=row.created + opening.answer_within + SLACK_SECONDS,
    )


class OpenCalls:
    """All open calls of the database's systems; `load` first."""

    def __init__(self) -> None:
        self._open: dict[Ref, OpenCall] = {}
        self._deadlines: list[tuple[float, Ref]] = []

    def load(self, connection: Connection) -> list[OpenCall]:
        """Read what is open; returns what has ended and was not told yet."""
        ended = []
        for row in connection.execute(select(TABLE).where(TABLE.c.state < _TOLD)):
            call = OpenCall(
                row.source,
                row.sequence,
                row.id,
                row.hash,
                row.grant_id,
                row.serving_system,
                tuple(row.fields.split(",")),
                row.case_id,
                row.deadline,
            )
            if row.state == _OPEN:
                self.opened([call])
            else:
                ended.append(call)
        return ended

    def opened(self, calls: Iterable[OpenCall]) -> None:
        """Know calls whose commands are committed, and not sent yet."""
        for call in calls:
            self._open[call.ref] = call
            heapq.heappush(self._deadlines, (call.deadline, call.ref))

    def closed(self, refs: Iterable[Ref]) -> None:
        """Forget calls whose end is committed."""
        for ref in refs:
            self._open.pop(ref, None)

    def find(self, ref: Ref) -> OpenCall | None:
        """The open call at a place."""
        return self._open.get(ref)

    def overdue(self, now: float) -> list[OpenCall]:
        """Open calls whose deadline has passed."""
        while self._deadlines and self._deadlines[0][1] not in self._open:
            heapq.heappop(self._deadlines)
        if not self._deadlines or self._deadlines[0][0] > now:
            return []
        return [call for call in self._open.values() if call.deadline <= now]


_DELETE: Final = delete(TABLE).where(
    TABLE.c.source == bindparam("of_source"), TABLE.c.sequence == bindparam("at_sequence")
)


def insert_open(connection: Connection, calls: Sequence[OpenCall]) -> None:
    """Write calls in the transaction of their commands."""
    rows = [
        {
            "source": call.source,
            "sequence": call.sequence,
            "id": call.id,
            "hash": call.hash,
            "grant_id": call.grant,
            "serving_system": call.serving_system,
            "fields": ",".join(call.fields),
            "case_id": call.case,
            "deadline": call.deadline,
            "state": _OPEN,
        }
        for call in calls
    ]
    insert_many(connection, TABLE, rows)


def delete_answered(connection: Connection, refs: Iterable[Ref]) -> None:
    """End calls by what an inbox has, in the transaction that takes it."""
    rows = [{"of_source": source, "at_sequence": number} for source, _, number in refs]
    run_many(connection, _DELETE, rows)


_MARK: Final = (
    update(TABLE)
    .where(TABLE.c.source == bindparam("of_source"), TABLE.c.sequence == bindparam("at_sequence"))
    .values(state=bindparam("to"))
)


def mark_ended(connection: Connection, refs: Iterable[Ref]) -> None:
    """End calls without answer."""
    _mark(connection, refs, _ENDED)


def mark_told(connection: Connection, refs: Iterable[Ref]) -> None:
    """Their callers know."""
    _mark(connection, refs, _TOLD)


def _mark(connection: Connection, refs: Iterable[Ref], state: int) -> None:
    rows = [{"of_source": source, "at_sequence": number, "to": state} for source, _, number in refs]
    run_many(connection, _MARK, rows)


def find_ended(connection: Connection, refs: Iterable[Ref]) -> set[Ref]:
    """Which of these calls have ended without answer."""
    wanted = [(source, number) for source, _, number in refs]
    found: set[Ref] = set()
    for start in range(0, len(wanted), _CHUNK):
        rows = connection.execute(
            select(TABLE.c.source, TABLE.c.sequence).where(
                tuple_(TABLE.c.source, TABLE.c.sequence).in_(wanted[start : start + _CHUNK]),
                TABLE.c.state != _OPEN,
            )
        )
        found |= {(row.source, CALLS, row.sequence) for row in rows}
    return found


def forget_told(connection: Connection, seconds: float) -> int:
    """Drop calls that ended without answer so long ago that no late answer can come any more."""
    old = time.time() - seconds
    done = delete(TABLE).where(TABLE.c.state == _TOLD, TABLE.c.deadline < old)
    return connection.execute(done).rowcount
