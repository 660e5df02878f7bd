"""One database, one writer: a lock, a fencing number, transactions that are whole or nothing.

In both stores; what only a server can do to its writer is in test_postgresql.py.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError
from tests.common.conftest import MODELS

from sanyuan.common.database import (
    WRITER,
    Database,
    DatabaseError,
    exists,
    read_address,
    read_counter,
    reader,
    write_counter,
    write_counters,
)
from sanyuan.common.environment import SettingError
from sanyuan.common.positions import TAKEN

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


def test_a_database_has_one_writer(database: Database, address: str) -> None:
    with pytest.raises(DatabaseError, match="another process"):
        Database.open(address, MODELS)


def test_the_next_writer_raises_the_fence(address: str) -> None:
    fences = []
    for _ in range(3):
        opened = Database.open(address, MODELS)
        fences.append(opened.run(lambda c: c.scalar(select(WRITER.c.fence))))
        opened.close()
    assert fences == [1, 2, 3]


def test_a_writer_that_lost_its_fence_cannot_commit(database: Database) -> None:
    def lose(connection: Connection) -> None:
        connection.execute(update(WRITER).values(fence=99))

    database.run(lose)
    with pytest.raises(DatabaseError, match="another writer"):
        database.run(lambda c: write_counter(c, "n", 1))


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        write_counter(connection, "n", 1)
        raise KeyError

    with pytest.raises(KeyError):
        database.run(fail)
    assert database.run(lambda c: read_counter(c, "n")) == 0


def test_a_full_disk_is_told_and_leaves_what_was_committed(tmp_path: Path) -> None:
    """As SQLite finds it; PostgreSQL's error is of the same class of the driver's."""

    def fill(connection: Connection) -> None:
        write_counter(connection, "n", 2)
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # no smaller than it is
        write_counters(connection, {f"{n:0500}": n for n in range(1000)})

    database = Database.open(f"sqlite:///{tmp_path / 'full.db'}", [])
    database.run(lambda c: write_counter(c, "n", 1))
    with pytest.raises(DatabaseError, match=r"database or disk is full .*free space"):
        database.run(fill)
    assert database.run(lambda c: read_counter(c, "n")) == 1
    database.close()


def test_counters_are_set_and_set_again(database: Database) -> None:
    database.run(lambda c: write_counters(c, {"a": 1, "b": 2}))
    database.run(lambda c: write_counter(c, "a", 3))
    found = database.run(lambda c: [read_counter(c, name) for name in ("a", "b", "c")])
    assert found == [3, 2, 0]


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_commits_are_durable(database: Database) -> None:
    """SQLite's WAL with synchronous=FULL (2): a commit is on the disk before it returns."""
    mode = database.run(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar())
    synchronous = database.run(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
    assert (mode, synchronous) == ("wal", 2)


@pytest.mark.asyncio
async def test_transactions_run_one_after_another(database: Database) -> None:
    def add(connection: Connection) -> None:
        write_counter(connection, "n", read_counter(connection, "n") + 1)

    await asyncio.gather(*(database.transaction(add) for _ in range(50)))
    assert await database.transaction(lambda c: read_counter(c, "n")) == 50


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is no database, not even a small one" * 100)
    with pytest.raises(DatabaseError, match="backup"):
        Database.open(f"sqlite:///{path}", MODELS)


def test_a_database_of_another_release_is_not_opened(address: str) -> None:
    made = Database.open(address, [])
    made.run(lambda c: c.exec_driver_sql("ALTER TABLE writer RENAME COLUMN fence TO guard"))
    made.close()
    with pytest.raises(DatabaseError, match="another release: writer has no fence"):
        Database.open(address, [])


def test_a_database_is_there_once_a_writer_was(address: str) -> None:
    assert not exists(address)
    Database.open(address, []).close()
    assert exists(address)


def test_whole_numbers_have_64_bits_and_bytes_are_bytes(database: Database) -> None:
    """A log outgrows 32 bits, and instants in microseconds have from the start."""
    largest = 2**63 - 1
    row = {"source": "//cn/x", "topic": "log", "first": largest, "hashes": bytes(range(256))}
    database.run(lambda c: write_counter(c, "n", largest))
    database.run(lambda c: c.execute(insert(TAKEN), [row | {"taken": 0.1}]))
    assert database.run(lambda c: read_counter(c, "n")) == largest
    [found] = database.run(lambda c: c.execute(select(TAKEN)).all())
    assert (found.first, found.hashes, found.taken) == (largest, bytes(range(256)), 0.1)


def test_a_reader_sees_what_is_committed_and_cannot_write(address: str) -> None:
    reading = reader(address)
    with pytest.raises(DBAPIError), reading.connect() as connection:
        read_counter(connection, "n")  # nothing is there yet
    made = Database.open(address, [])
    made.run(lambda c: write_counter(c, "n", 1))
    with reading.connect() as connection:
        assert read_counter(connection, "n") == 1
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), reading.connect() as connection:
        write_counter(connection, "n", 2)
    reading.dispose()
    made.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audit.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://user:hunter2@host/name",
        "postgresql://user:hunter2@host",
        "postgresql://user:hunter2@hunter2@host/name",
        "postgresql://user:hunter2@host:hunter2/name",
    ],
)
def test_what_is_no_address_is_refused_by_its_name_and_never_quoted(text: str) -> None:
    with pytest.raises(SettingError, match="SANYUAN_X_DATABASE") as caught:
        read_address({"SANYUAN_X_DATABASE": text}, "SANYUAN_X_DATABASE")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert read_address({}, "SANYUAN_X_DATABASE") is None
