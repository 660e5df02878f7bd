"""PostgreSQL: one database or schema a service, its writer the holder of an advisory lock.

Invariants:
- The lock and the transactions are of one session: whoever loses it has lost both.
- Every transaction holds the fencing number's row, so that the next writer raises it before or
  after, never in between (READ COMMITTED takes a new snapshot for each statement).
- A transaction is durable once it returns: a server without ``fsync`` is refused, and
  ``synchronous_commit`` is on for us whatever it is for others.
- No text holds a password.
"""

from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from sanyuan.common.database.errors import DatabaseError, DatabaseLockedError

_READERS: Final = 4
# A server or client that has vanished is known to have within some 15 s, not after two hours.
_CLIENT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "sanyuan",
}
_SERVER: Final = (
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3"
)
_ASK: Final = (
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
    " current_setting('server_encoding'), current_schema()"
)
# One service has one schema: several may share a database, each with a search_path of its own.
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('sanyuan ' || current_schema(), 0))"


class PostgresqlStore:
    """Where a database is a server's."""

    read_fence = "SELECT fence FROM writer FOR SHARE"
    repair = "see whether the server is up, and the address, the user and its password right"

    def __init__(self, url: URL) -> None:
        self._url = url
        self.name = url.database or ""
        self.where = f"database {url.database} at {url.host or 'local socket'}"
        if url.port is not None:
            self.where += f":{url.port}"
        # A connection that is given back is closed: a pool would keep the lock that it has.
        self.engine = self._connect_to(poolclass=NullPool, isolation_level="READ COMMITTED")
        event.listen(self.engine, "connect", self._prepare)

    def exists(self) -> bool:
        """Whether it was ever written; raises what the driver raises."""
        with self.engine.connect() as connection:
            return connection.exec_driver_sql("SELECT to_regclass('writer')").scalar() is not None

    def hold(self) -> Connection:
        """The writer's connection; raises DatabaseLockedError."""
        connection = self.engine.connect()
        held = connection.exec_driver_sql(_LOCK).scalar()
        connection.commit()
        if not held:
            connection.close()
            raise DatabaseLockedError(
                "another process is the writer of this database",
                where=self.where,
                do="wait for it to end; a standby takes over when the lock is free",
            )
        return connection

    def release(self, connection: Connection | None) -> None:
        """Give the lock to the next writer at once, not when the server sees the session end."""
        if connection is not None:
            with suppress(DBAPIError):  # it may be gone, and the lock with it
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            connection.close()
        self.engine.dispose()

    def reader(self) -> Engine:
        """Connections that can only read, each transaction of one snapshot."""
        engine = self._connect_to(
            pool_size=_READERS, pool_pre_ping=True, isolation_level="REPEATABLE READ"
        )
        event.listen(engine, "connect", _forbid_writing)
        return engine

    def _connect_to(self, **how: Any) -> Engine:  # noqa: ANN401  as create_engine takes them
        mine = {name: value for name, value in _CLIENT.items() if name not in self._url.query}
        try:
            return create_engine(self._url, connect_args=mine, hide_parameters=True, **how)
        except ModuleNotFoundError:
            raise DatabaseError(
                "the driver of PostgreSQL is not installed",
                where=self.where,
                do="install sanyuan-common[postgresql]",
            ) from None

    def _prepare(self, connection: Any, _record: object) -> None:  # noqa: ANN401  psycopg's, if it is there
        fsync, synchronous, encoding, schema = connection.execute(_ASK).fetchone()
        if fsync != "on":
            raise self._unfit("the server loses commits when its machine stops", "set fsync = on")
        if encoding != "UTF8":
            raise self._unfit(f"its encoding is {encoding}", "create it with ENCODING 'UTF8'")
        if schema is None:
            raise self._unfit("no schema of its search_path exists", "create the schema")
        if synchronous == "off":
            connection.execute("SET synchronous_commit = on")
        connection.execute(_SERVER)
        connection.commit()

    def _unfit(self, what: str, do: str) -> DatabaseError:
        return DatabaseError(what, where=self.where, do=do)


def _forbid_writing(connection: Any, _record: object) -> None:  # noqa: ANN401  as in _prepare
    connection.read_only = True
