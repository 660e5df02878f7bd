"""One database, one writer (design §4): a lock, a fencing number, one thread.

Every transaction of a service or client runs in the database's own thread and checks the fencing
number first, so that a writer that lost its lock unawares cannot commit. A transaction is durable
once `transaction` returns (SQLite: WAL with ``synchronous=FULL``).
"""

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, Self, TypeVar, cast

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Field, SQLModel

from sanyuan.common.errors import SanyuanError

T = TypeVar("T")


class DatabaseError(SanyuanError):
    """The database cannot be opened, or is another writer's now."""


class DatabaseLockedError(DatabaseError):
    """Another process is the writer."""


class Writer(SQLModel, table=True):
    """The fencing number: raised by every process that becomes the writer."""

    __tablename__ = "writer"
    id: int = Field(primary_key=True)
    fence: int


class Counter(SQLModel, table=True):
    """A named number of the writer, such as its last decision."""

    __tablename__ = "counter"
    name: str = Field(primary_key=True)
    value: int


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model: what the bulk statements of the hot path are written with."""
    return cast("Table", model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass


WRITER: Final = table_of(Writer)
COUNTER: Final = table_of(Counter)


class Database:
    """Open with `open`; use `transaction`; close with `close`."""

    def __init__(self, engine: Engine, lock: IO[str] | None, fence: int, name: str) -> None:
        self._engine = engine
        self._lock = lock
        self._fence = fence
        self._name = name
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"db-{name}")

    @classmethod
    def open(cls, url: str, models: Sequence[type[SQLModel]]) -> Self:
        """Take the lock, create missing tables and become the writer.

        Raises DatabaseLockedError when another process holds the lock, DatabaseError when the file
        is broken or another release's.
        """
        path = Path(make_url(url).database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(path.with_name(path.name + ".lock"))
        engine = create_engine(url, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediately)
        try:
            tables = [WRITER, COUNTER, *map(table_of, models)]
            SQLModel.metadata.create_all(engine, tables=tables)
            with engine.begin() as connection:
                _check_columns(connection, tables, path)
                fence = _raise_fence(connection)
        except (DatabaseError, DBAPIError) as error:
            engine.dispose()
            lock.close()
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseError(
                f"the database cannot be opened: {error.orig}",
                where=str(path),
                do="restore it from its backup, or free space on its disk",
            ) from None
        return cls(engine, lock, fence, path.stem)

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction in the database's thread; durable once this returns.

        Raises what ``work`` raises, after a rollback, and DatabaseError when the fence has moved.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, work)

    def run(self, work: Callable[[Connection], T]) -> T:
        """`transaction` for callers without an event loop."""
        return self._thread.submit(self._run, work).result()

    def close(self) -> None:
        """Finish what runs, then give the lock to the next writer."""
        self._thread.submit(self._disconnect).result()
        self._thread.shutdown(wait=True)
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def _run(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            fence = self._connection.exec_driver_sql(_READ_FENCE).scalar()
            if fence != self._fence:
                raise DatabaseError(
                    f"another writer has taken over (fence {fence}, ours {self._fence})",
                    where=self._name,
                    do="stop this process",
                )
            return work(self._connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_FENCE: Final = select(WRITER.c.fence)
_READ_FENCE: Final = str(_FENCE)


def _check_columns(connection: Connection, tables: Sequence[Table], path: Path) -> None:
    """Raises DatabaseError when a table lacks a column: its maker was another release."""
    known = inspect(connection)
    for table in tables:
        there = {column["name"] for column in known.get_columns(table.name)}
        if missing := sorted({column.name for column in table.columns} - there):
            raise DatabaseError(
                f"the database was made by another release: {table.name} has no {missing[0]}",
                where=str(path),
                do="go on with that release, or found the domain anew (make clean)",
            )


def _raise_fence(connection: Connection) -> int:
    fence = int(connection.scalar(_FENCE) or 0) + 1
    if fence == 1:
        connection.execute(insert(WRITER).values(id=1, fence=1))
    else:
        connection.execute(update(WRITER).values(fence=fence))
    return fence


def _lock(path: Path) -> IO[str]:
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DatabaseLockedError(
            "another process is the writer of this database",
            where=str(path),
            do="wait for it to end; a standby takes over when the lock is free",
        ) from None
    return file


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32768")


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def read_counter(connection: Connection, name: str) -> int:
    """A counter's value; 0 before it was ever written."""
    return int(connection.scalar(select(COUNTER.c.value).where(COUNTER.c.name == name)) or 0)


def write_counter(connection: Connection, name: str, value: int) -> None:
    """Set a counter."""
    write_counters(connection, {name: value})


def write_counters(connection: Connection, counters: Mapping[str, int]) -> None:
    """Set several counters."""
    rows = [{"name": name, "value": value} for name, value in counters.items()]
    upsert(connection, COUNTER, rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each replacing what stands under its primary key; one statement for all."""
    if rows:
        connection.execute(_upsert_statement(table, connection.dialect.name), rows)


@cache
def _upsert_statement(table: Table, dialect: str) -> Insert:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    changed = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
    replaced: Insert = statement.on_conflict_do_update(
        index_elements=table.primary_key, set_=changed
    )
    return replaced
