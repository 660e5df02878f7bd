"""What becomes due: licences that expire, disputes that nobody has answered."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select

from sanyuan.common.assertions import store as assertions
from sanyuan.license_exchange.domain.lifecycle import ALIVE
from sanyuan.license_exchange.domain.presentations import DAY
from sanyuan.license_exchange.store.tables import DISPUTES, LICENSES, PRESENTATIONS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# One statement for each state, so that the index answers it with one look.
_NEXT_END: Final = [
    select(func.min(LICENSES.c.ends_at)).where(LICENSES.c.state == state.value)
    for state in sorted(ALIVE)
]
_NEXT_ANSWER: Final = select(func.min(DISPUTES.c.answer_by)).where(
    DISPUTES.c.outcome.is_(None), DISPUTES.c.is_overdue_told.is_(False)
)
_FORGET_CODES: Final = delete(PRESENTATIONS).where(
    PRESENTATIONS.c.expires_at <= bindparam("before")
)


def next_deadline(connection: Connection) -> datetime | None:
    """The earliest deadline that stands; None without any."""
    found = [connection.scalar(statement) for statement in (*_NEXT_END, _NEXT_ANSWER)]
    due = [at for at in found if at is not None]
    return _EPOCH + min(due) * _MICROSECOND if due else None


def forget_expired(connection: Connection, at: int) -> None:
    """Remove what means nothing any more at ``at`` (µs); decisions are the same without."""
    assertions.forget_expired(connection, at)
    connection.execute(_FORGET_CODES, {"before": at - DAY})
