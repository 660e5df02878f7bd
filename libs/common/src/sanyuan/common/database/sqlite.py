"""SQLite, the default: one file, its writer the holder of the lock file beside it.

A transaction is durable once it returns (WAL with ``synchronous=FULL``).
"""

import fcntl
import sqlite3
from pathlib import Path
from typing import IO
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event

from sanyuan.common.database.errors import DatabaseLockedError


class SqliteStore:
    """Where a database is a file."""

    read_fence = "SELECT fence FROM writer"
    repair = "restore it from its backup, or free space on its disk"

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        self._lock: IO[str] | None = None
        self.name = self._path.stem
        self.where = str(self._path)
        self.engine = create_engine(
            url, connect_args={"check_same_thread": False}, hide_parameters=True
        )
        event.listen(self.engine, "connect", prepare)
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


def prepare(connection: sqlite3.Connection, _record: object) -> None:
    """What every connection of ours begins with."""
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    # Overwrite what is deleted only on pages that are written anyway. Some builds also write every
    # page that becomes free, for a queue half as much again; `erase_many` does it for secrets.
    connection.execute("PRAGMA secure_delete=FAST")
    connection.execute("PRAGMA cache_size=-32768")
    # 32 MB: a page that is written again and again reaches the database once in so much.
    connection.execute("PRAGMA wal_autocheckpoint=8000")


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
