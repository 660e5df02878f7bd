"""One database, one writer, two stores: SQLite's file or PostgreSQL's server (design §1, §4)."""

from sanyuan.common.database.addresses import parse_address, read_address
from sanyuan.common.database.errors import (
    DatabaseError,
    DatabaseLockedError,
    LostConnectionError,
)
from sanyuan.common.database.many import erase_many, run_many
from sanyuan.common.database.tables import (
    COUNTER,
    WRITER,
    Counter,
    Writer,
    insert_many,
    insert_new,
    read_counter,
    table_of,
    upsert,
    write_counter,
    write_counters,
)
from sanyuan.common.database.writing import Database, exists, reader

__all__ = [
    "COUNTER",
    "WRITER",
    "Counter",
    "Database",
    "DatabaseError",
    "DatabaseLockedError",
    "LostConnectionError",
    "Writer",
    "erase_many",
    "exists",
    "insert_many",
    "insert_new",
    "parse_address",
    "read_address",
    "read_counter",
    "reader",
    "run_many",
    "table_of",
    "upsert",
    "write_counter",
    "write_counters",
]
