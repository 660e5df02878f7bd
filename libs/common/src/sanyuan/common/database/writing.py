"""One database, one writer (design §4): a lock, a fencing number, one thread.

Every transaction of a service or client runs in the database's own thread and checks the fencing
number first, so that a writer that lost its lock unawares cannot commit. A transaction is durable
once `transaction` returns. A connection that was lost between two transactions is made again, with
the lock; one that was lost within a transaction ends the writer: whether it was committed is what
the next start finds out, by the same steps as after a crash.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, Table, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import SQLModel

from sanyuan.common.database.addresses import parse_address
from sanyuan.common.database.errors import (
    DatabaseError,
    DatabaseLockedError,
    LostConnectionError,
)
from sanyuan.common.database.postgresql import PostgresqlStore
from sanyuan.common.database.sqlite import PAGE_BYTES, SqliteStore
from sanyuan.common.database.tables import COUNTER, WRITER, table_of

T = TypeVar("T")
RECONNECT_SECONDS: Final = 10.0
"""For a server to start again; a writer elsewhere that takes over is told at once."""
_RETRY_SECONDS: Final = 0.2
_FENCE: Final = select(WRITER.c.fence)


class Store(Protocol):
    """What lies behind a database; no text of it holds a password."""

    read_fence: str
    """The statement that asks for the fencing number, and keeps it as it is until the end."""
    repair: str
    """What to do when it cannot be opened."""
    name: str
    where: str
    engine: Engine

    def exists(self) -> bool:
        """Whether a writer ever was there; raises DBAPIError."""

    def hold(self) -> Connection:
        """Become the only one to write, as long as the connection lives.

        Raises DatabaseLockedError when another process is, DBAPIError.
        """

    def release(self, connection: Connection | None) -> None:
        """Close the writer's connection, if there is one, and let others write."""

    def reader(self) -> Engine:
        """An engine whose connections can only read."""


class Database:
    """Open with `open`; use `transaction`; close with `close`."""

    def __init__(self, store: Store, connection: Connection, fence: int) -> None:
        self._store = store
        self._engine = store.engine
        self._fence = fence
        self._connection: Connection | None = connection
        self._lost: LostConnectionError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"db-{store.name}")

    @classmethod
    def open(
        cls, url: str, models: Sequence[type[SQLModel]], *, page_bytes: int = PAGE_BYTES
    ) -> Self:
        """Take the lock, create missing tables and become the writer.

        A new SQLite file has pages of ``page_bytes``: larger ones suit larger values.

        Raises DatabaseLockedError when another process holds the lock, DatabaseError when it cannot
        be opened or is another release's, SettingError when ``url`` is no address.
        """
        store = _store(url, page_bytes)
        connection: Connection | None = None
        try:
            connection = store.hold()
            with connection.begin():
                tables = [WRITER, COUNTER, *map(table_of, models)]
                SQLModel.metadata.create_all(connection, tables=tables)
                _check_columns(connection, tables, store.where)
                fence = _raise_fence(connection)
        except (DatabaseError, DBAPIError) as error:
            store.release(connection)
            raise (error if isinstance(error, DatabaseError) else _broken(store, error)) from None
        return cls(store, connection, fence)

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction in the database's thread; durable once this returns.

        Raises what ``work`` raises, after a rollback; DatabaseError when the fence has moved, the
        disk is full or the server is away; LostConnectionError, and again at every later call, when
        it went away.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, work)

    def run(self, work: Callable[[Connection], T]) -> T:
        """`transaction` for callers without an event loop."""
        return self._thread.submit(self._run, work).result()

    def close(self) -> None:
        """Finish what runs, then give the lock to the next writer."""
        self._thread.shutdown(wait=True)
        self._store.release(self._connection)
        self._connection = None

    def _run(self, work: Callable[[Connection], T]) -> T:
        if self._lost is not None:
            raise self._lost
        try:
            connection, transaction = self._begin()
        except OperationalError as error:
            raise self._unusable(error) from None
        try:
            with transaction:
                return work(connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                if isinstance(error, OperationalError):
                    raise self._unusable(error) from None
                raise
            self._lost = LostConnectionError(
                "the connection was lost in the middle of a transaction, which may be committed",
                where=self._store.where,
                do="start the process again: it goes on from what the database has",
            )
            raise self._lost from None

    def _unusable(self, error: OperationalError) -> DatabaseError:
        """A full disk, above all: the transaction was rolled back."""
        return DatabaseError(
            f"the database cannot be used: {_said(self._store, error)}",
            where=self._store.where,
            do="free space on its disk, or mend it; then start again: nothing is half done",
        )

    def _begin(self) -> tuple[Connection, RootTransaction]:
        """Begin with our own fencing number; nothing has happened yet when that fails."""
        if self._connection is not None:
            try:
                return self._connection, self._fenced(self._connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._connection.close()
                self._connection = None
        self._connection = self._hold_again()
        return self._connection, self._fenced(self._connection)

    def _fenced(self, connection: Connection) -> RootTransaction:
        transaction = connection.begin()
        try:
            fence = connection.exec_driver_sql(self._store.read_fence).scalar()
        except BaseException:
            transaction.close()
            raise
        if fence != self._fence:
            transaction.rollback()
            raise DatabaseError(
                f"another writer has taken over (fence {fence}, ours {self._fence})",
                where=self._store.name,
                do="stop this process",
            )
        return transaction

    def _hold_again(self) -> Connection:
        """Connect as the writer again, while the server starts or forgets the lost session."""
        until = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return self._store.hold()
            except (DBAPIError, DatabaseLockedError) as error:
                if time.monotonic() > until:
                    if isinstance(error, DatabaseError):
                        raise
                    raise _broken(self._store, error) from None
            time.sleep(_RETRY_SECONDS)


def _store(url: str, page_bytes: int = PAGE_BYTES) -> Store:
    address = parse_address(url, where="the database's address")
    if address.drivername == "sqlite":
        return SqliteStore(address, page_bytes)
    return PostgresqlStore(address)


def exists(url: str) -> bool:
    """Whether a database was ever written; raises DatabaseError when that cannot be told."""
    store = _store(url)
    try:
        return store.exists()
    except DBAPIError as error:
        raise _broken(store, error) from None
    finally:
        store.release(None)


def reader(url: str) -> Engine:
    """An engine whose connections can only read; it connects when it is used."""
    return _store(url).reader()


def _broken(store: Store, error: DBAPIError) -> DatabaseError:
    what = f"the database cannot be opened: {_said(store, error)}"
    return DatabaseError(what, where=store.where, do=store.repair)


def _said(store: Store, error: DBAPIError) -> str:
    """What the driver says, on one line and without the statement and what it was given."""
    said = str(error.orig).strip().partition("\n")[0]
    if password := store.engine.url.password:
        said = said.replace(str(password), "***")
    return said


def _check_columns(connection: Connection, tables: Sequence[Table], where: str) -> None:
    """Raises DatabaseError when a table lacks a column: its maker was another release."""
    known = inspect(connection)
    for table in tables:
        there = {column["name"] for column in known.get_columns(table.name)}
        if missing := sorted({column.name for column in table.columns} - there):
            raise DatabaseError(
                f"the database was made by another release: {table.name} has no {missing[0]}",
                where=where,
                do="go on with that release, or found the domain anew (make clean)",
            )


def _raise_fence(connection: Connection) -> int:
    fence = int(connection.scalar(_FENCE) or 0) + 1
    if fence == 1:
        connection.execute(insert(WRITER).values(id=1, fence=1))
    else:
        connection.execute(update(WRITER).values(fence=fence))
    return fence
