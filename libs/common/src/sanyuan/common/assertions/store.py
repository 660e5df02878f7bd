"""The tables behind counting: how often an assertion was used, and which are revoked (design §5).

Every function runs in the caller's transaction. A row of `AssertionUse` is forgotten when its
assertion has expired. A revocation says only a ``jti``, so it is kept as long as any assertion that
was out at that moment can live: `MAX_LIFETIME_SECONDS`, more than which no reader accepts, and a
day for clocks that differ.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, bindparam, delete, select
from sqlmodel import BigInteger, Field, SQLModel

from sanyuan.common.assertions.uses import Counting, Known
from sanyuan.common.contracts.identity import MAX_LIFETIME_SECONDS, AssertionRevoked
from sanyuan.common.database import table_of, upsert
from sanyuan.common.deciding import Fact

FOLLOWS: Final = ("identity-events",)
"""What a service that accepts assertions follows."""
KEPT_SECONDS: Final = MAX_LIFETIME_SECONDS + 24 * 3600
_CHUNK: Final = 500
_CLUSTERED: Final = {"sqlite_with_rowid": False}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000


class AssertionUse(SQLModel, table=True):
    """How often an assertion was used, of how many times; ``expires_at`` in µs."""

    __tablename__ = "assertion_use"
    __table_args__ = _CLUSTERED
    jti: str = Field(primary_key=True)
    used: int
    uses: int
    expires_at: int = Field(sa_type=BigInteger, index=True)


class AssertionRevocation(SQLModel, table=True):
    """An assertion that identity has revoked; forgotten at ``forget_at``, in µs."""

    __tablename__ = "assertion_revoked"
    __table_args__ = _CLUSTERED
    jti: str = Field(primary_key=True)
    forget_at: int = Field(sa_type=BigInteger, index=True)


MODELS: Final = (AssertionUse, AssertionRevocation)
_USES: Final = table_of(AssertionUse)
_REVOKED: Final = table_of(AssertionRevocation)


def _among(table_column: Column[Any], *columns: Column[Any]) -> Select[Any]:
    return select(table_column, *columns).where(table_column.in_(bindparam("keys", expanding=True)))


_OF_USES: Final = _among(_USES.c.jti, _USES.c.used)
_OF_REVOKED: Final = _among(_REVOKED.c.jti)
_FORGET_USES: Final = delete(_USES).where(_USES.c.expires_at <= bindparam("at"))
_FORGET_REVOKED: Final = delete(_REVOKED).where(_REVOKED.c.forget_at <= bindparam("at"))


def load(connection: Connection, jtis: Collection[str]) -> Known:
    """What is known about the assertions that a batch shows."""
    keys = sorted(jtis)
    used: dict[str, int] = {}
    revoked: set[str] = set()
    for first in range(0, len(keys), _CHUNK):
        chunk = {"keys": keys[first : first + _CHUNK]}
        used |= {row.jti: row.used for row in connection.execute(_OF_USES, chunk)}
        revoked |= {row.jti for row in connection.execute(_OF_REVOKED, chunk)}
    return Known(used, frozenset(revoked))


def commit(connection: Connection, counting: Counting) -> None:
    """Write the uses of a batch, in one statement."""
    rows = [{"jti": jti, **use._asdict()} for jti, use in counting.taken.items()]
    upsert(connection, _USES, rows)


def observe(connection: Connection, facts: Sequence[Fact]) -> None:
    """Take identity's revocations; other facts are somebody else's to take."""
    rows = {
        fact.message.jti: (fact.at - _EPOCH) // _MICROSECOND + KEPT_SECONDS * _SECOND
        for fact in facts
        if isinstance(fact.message, AssertionRevoked)
    }
    upsert(connection, _REVOKED, [{"jti": jti, "forget_at": until} for jti, until in rows.items()])


def forget_expired(connection: Connection, at: int) -> None:
    """Remove what means nothing any more at ``at`` (µs); answers are the same without."""
    connection.execute(_FORGET_USES, {"at": at})
    connection.execute(_FORGET_REVOKED, {"at": at})
