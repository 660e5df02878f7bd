"""One database, one writer: a lock, a fencing number, transactions that are whole or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from tests.common.conftest import MODELS

from sanyuan.common.database import (
    WRITER,
    Database,
    DatabaseError,
    read_counter,
    write_counter,
    write_counters,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


def test_a_database_has_one_writer(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="another process"):
        Database.open(f"sqlite:///{tmp_path / 'service.db'}", MODELS)


def test_the_next_writer_raises_the_fence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x' / 'service.db'}"
    fences = []
    for _ in range(3):
        opened = Database.open(url, MODELS)
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


def test_counters_are_set_and_set_again(database: Database) -> None:
    database.run(lambda c: write_counters(c, {"a": 1, "b": 2}))
    database.run(lambda c: write_counter(c, "a", 3))
    found = database.run(lambda c: [read_counter(c, name) for name in ("a", "b", "c")])
    assert found == [3, 2, 0]


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


def test_a_database_of_another_release_is_not_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    Database.open(url, []).close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("ALTER TABLE writer RENAME COLUMN fence TO guard")
    with pytest.raises(DatabaseError, match="another release: writer has no fence"):
        Database.open(url, [])
