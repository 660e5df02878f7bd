"""The tables of identity. No number, name or mobile is in any of them: subjects are blind indexes.

Every function runs in the caller's transaction; what it writes is durable once the caller commits.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Dialect,
    LargeBinary,
    Select,
    bindparam,
    delete,
    select,
    update,
)
from sqlmodel import BigInteger, Column, Field, SQLModel

from sanyuan.common.database import erase_many, insert_many, run_many, table_of
from sanyuan.identity.domain.locks import CLEAR, Counting, Locked, LockRules, Watch, expires
from sanyuan.identity.domain.state import Changes, Issued, State, Wanted

_CHUNK: Final = 500
_CLUSTERED: Final = {"sqlite_with_rowid": False}


class _Blob(LargeBinary):
    """Bytes as every driver of ours takes and gives them: without a conversion for each value."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """None: the driver takes bytes."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """None: the driver gives bytes."""


class PersonSecret(SQLModel, table=True):
    """The random secret behind a person's pseudonyms; erasing the row erases the person."""

    __tablename__ = "person_secret"
    __table_args__ = _CLUSTERED
    subject: bytes = Field(sa_column=Column(_Blob, primary_key=True))
    secret: bytes = Field(sa_type=_Blob)


class SubjectWatch(SQLModel, table=True):
    """Failures of one participant on one subject: counting, or locked until. Instants in µs."""

    __tablename__ = "subject_watch"
    __table_args__ = _CLUSTERED
    subject: bytes = Field(sa_column=Column(_Blob, primary_key=True))
    participant: str = Field(primary_key=True)
    failures: int
    since: int = Field(sa_type=BigInteger)
    until: int | None = Field(default=None, sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class RateBucket(SQLModel, table=True):
    """When a participant's bucket is full again, in µs."""

    __tablename__ = "rate_bucket"
    participant: str = Field(primary_key=True)
    full_at: int = Field(sa_type=BigInteger)


class IssuedAssertion(SQLModel, table=True):
    """Who got an assertion that has not expired yet; ``expires_at`` in µs."""

    __tablename__ = "issued_assertion"
    __table_args__ = _CLUSTERED
    jti: str = Field(primary_key=True)
    participant: str
    expires_at: int = Field(sa_type=BigInteger, index=True)


MODELS: Final = (PersonSecret, SubjectWatch, RateBucket, IssuedAssertion)
_SECRETS: Final = table_of(PersonSecret)
_WATCHES: Final = table_of(SubjectWatch)
_BUCKETS: Final = table_of(RateBucket)
_ISSUED: Final = table_of(IssuedAssertion)


def _among(column: Column[Any]) -> Select[Any]:
    return select(column.table).where(column.in_(bindparam("keys", expanding=True)))


_OF_SECRETS: Final = _among(_SECRETS.c.subject)
_OF_WATCHES: Final = _among(_WATCHES.c.subject)
_OF_BUCKETS: Final = _among(_BUCKETS.c.participant)
_OF_ISSUED: Final = _among(_ISSUED.c.jti)


def load(connection: Connection, wanted: Wanted) -> State:
    """Our own rows of a batch; the registers' part is left empty."""
    return State(
        secrets={
            row.subject: row.secret for row in _rows(connection, _OF_SECRETS, wanted.subjects)
        },
        watches={
            (row.participant, row.subject): _watch(row.failures, row.since, row.until)
            for row in _rows(connection, _OF_WATCHES, wanted.subjects)
        },
        buckets={
            row.participant: row.full_at
            for row in _rows(connection, _OF_BUCKETS, wanted.participants)
        },
        issued={
            row.jti: Issued(row.participant, row.expires_at)
            for row in _rows(connection, _OF_ISSUED, wanted.jtis)
        },
    )


def commit(connection: Connection, state: State, changes: Changes, rules: LockRules) -> None:
    """Write the changes to ``state``, which must hold every changed row that exists."""
    _write_secrets(connection, state, changes)
    _write_watches(connection, state, changes, rules)
    _write_buckets(connection, state, changes)
    _write_issued(connection, changes)


def forget_expired(connection: Connection, at: int) -> None:
    """Remove what means nothing any more at ``at`` (µs); decisions are the same without."""
    connection.execute(_FORGET_WATCHES, {"at": at})
    connection.execute(_FORGET_ISSUED, {"at": at})


_FORGET_WATCHES: Final = delete(_WATCHES).where(_WATCHES.c.expires_at <= bindparam("at"))
_FORGET_ISSUED: Final = delete(_ISSUED).where(_ISSUED.c.expires_at <= bindparam("at"))
_ERASE_SECRET: Final = delete(_SECRETS).where(_SECRETS.c.subject == bindparam("of"))
_REVOKE: Final = delete(_ISSUED).where(_ISSUED.c.jti == bindparam("of"))
_MOVE_BUCKET: Final = (
    update(_BUCKETS)
    .where(_BUCKETS.c.participant == bindparam("of"))
    .values(full_at=bindparam("next_full_at"))
)
_FORGET_WATCH: Final = delete(_WATCHES).where(
    _WATCHES.c.subject == bindparam("of_subject"),
    _WATCHES.c.participant == bindparam("of_participant"),
)


def _write_secrets(connection: Connection, state: State, changes: Changes) -> None:
    gone = [{"of": subject} for subject in changes.secrets if subject in state.secrets]
    new = [
        {"subject": subject, "secret": secret}
        for subject, secret in changes.secrets.items()
        if secret is not None
    ]
    erase_many(connection, _ERASE_SECRET, gone)
    insert_many(connection, _SECRETS, new)


def _write_watches(
    connection: Connection, state: State, changes: Changes, rules: LockRules
) -> None:
    old = [
        {"of_subject": subject, "of_participant": participant}
        for participant, subject in changes.watches
        if (participant, subject) in state.watches
    ]
    new = [
        {"participant": participant, "subject": subject, **_columns(watch, rules)}
        for (participant, subject), watch in changes.watches.items()
        if watch is not None
    ]
    run_many(connection, _FORGET_WATCH, old)
    insert_many(connection, _WATCHES, new)


def _write_buckets(connection: Connection, state: State, changes: Changes) -> None:
    known = [
        {"of": participant, "next_full_at": full_at}
        for participant, full_at in changes.buckets.items()
        if participant in state.buckets
    ]
    new = [
        {"participant": participant, "full_at": full_at}
        for participant, full_at in changes.buckets.items()
        if participant not in state.buckets
    ]
    run_many(connection, _MOVE_BUCKET, known)
    insert_many(connection, _BUCKETS, new)


def _write_issued(connection: Connection, changes: Changes) -> None:
    new = [
        {"jti": jti, "participant": issued.participant, "expires_at": issued.expires_at}
        for jti, issued in changes.issued.items()
        if issued is not None
    ]
    gone = [{"of": jti} for jti, issued in changes.issued.items() if issued is None]
    insert_many(connection, _ISSUED, new)
    run_many(connection, _REVOKE, gone)


def _rows(connection: Connection, statement: Select[Any], keys: Collection[Any]) -> Iterator[Any]:
    remaining = iter(keys)
    while chunk := list(islice(remaining, _CHUNK)):
        yield from connection.execute(statement, {"keys": chunk})


def _watch(failures: int, since: int, until: int | None) -> Watch:
    return Counting(failures, since) if until is None else Locked(until)


def _columns(watch: Watch, rules: LockRules) -> dict[str, int | None]:
    match watch:
        case Counting(failures, since):
            until = None
        case Locked(until):
            failures, since = 0, 0
        case _:
            failures, since, until = 0, 0, expires(CLEAR, rules)
    return {
        "failures": failures,
        "since": since,
        "until": until,
        "expires_at": expires(watch, rules),
    }
