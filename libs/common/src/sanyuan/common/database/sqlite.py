"""SQLite, the default: one file, its writer the holder of the lock file beside it.

A transaction is durable once it returns (WAL with ``synchronous=FULL``).
"""

import fcntl
import sqlite3
from functools import partial
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event

from sanyuan.common.database.errors import DatabaseLockedError

PAGE_BYTES: Final = 4096
WAL_BYTES: Final = 32 * 1024 * 1024


class SqliteStore:
    """Where a database is a file."""

    read_fence = "SELECT fence FROM writer"
    repair = "restore it from its backup, or free space on its disk"

    def __init__(self, url: URL, page_bytes: int = PAGE_BYTES) -> None:
        self._path = Path(url.database or "")
        self._lock: IO[str] | None = None
        self.name = self._path.stem
        self.where = str(self._path)
        self.engine = create_engine(
            url, connect_args={"check_same_thread": False}, hide_parameters=True
        )
        event.listen(self.engine, "connect", partial(prepare, page_bytes=page_bytes))
        event.listen(self.engine, "begin", _begin_immediately)

    def exists(self) -> bool:
        """Whether it was ever written."""
        return self._path.exists()

    def hold(self) -> Connection:
        """The writer's connection; raises DatabaseLockedError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._path.with_name(self._path.name + ".lock"))
        return self.engine.connect()

    def release(self, connection: Connection | None) -> None:
        """Close the writer's connection, and give the lock to the next."""
        if connection is not None:
            connection.close()
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def reader(self) -> Engine:
        """Connections that can only read; none before the file is there."""
        return create_engine(
            f"sqlite:///file:{quote(self.where)}?mode=ro&uri=true",
            connect_args={"check_same_thread": False},
            hide_parameters=True,
        )


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


def prepare(connection: sqlite3.Connection, _record: object, page_bytes: int = PAGE_BYTES) -> None:
    """What every connection of ours begins with."""
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
    connection.execute(f"PRAGMA page_size={page_bytes}")  # of a file that is not there yet
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    # Overwrite what is deleted only on pages that are written anyway. Some builds also write every
    # page that becomes free, for a queue half as much again; `erase_many` does it for secrets.
    connection.execute("PRAGMA secure_delete=FAST")
    connection.execute("PRAGMA cache_size=-32768")
    # A page that is written again and again reaches the database once in so much.
    connection.execute(f"PRAGMA wal_autocheckpoint={WAL_BYTES // page_bytes}")


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
