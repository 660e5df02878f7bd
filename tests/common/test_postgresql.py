"""What a server can do to its writer: away, restarted, another's, silent in the middle of a commit.

Whatever happens, a transaction is committed once or not at all, and one clear error says so.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import Connection, select
from tests.common.conftest import FOOD, MODELS
from tests.common.test_outbox import TOPIC, draft
from tests.wires import Loss, Wire

from sanyuan.common.database import (
    Database,
    DatabaseError,
    DatabaseLockedError,
    LostConnectionError,
    read_counter,
    write_counter,
    writing,
)
from sanyuan.common.outbox import HEADS, Outbox, load_from, unconfirmed

if TYPE_CHECKING:
    from tests.postgresql import Server


@pytest.fixture
def schema(postgresql: Server) -> str:
    return postgresql.fresh()


@pytest.fixture
def database(postgresql: Server, schema: str) -> Iterator[Database]:
    opened = Database.open(postgresql.address(schema=schema), MODELS)
    yield opened
    opened.close()


@pytest.fixture
def wire(postgresql: Server) -> Iterator[Wire]:
    with Wire(postgresql.port) as made:
        yield made


def open_when_free(address: str) -> Database:
    """As `wait_for_lock` does: the server needs a moment to see that a session has ended."""
    while True:
        try:
            return Database.open(address, MODELS)
        except DatabaseLockedError:
            time.sleep(0.02)


def count(connection: Connection) -> int:
    """One more transaction."""
    write_counter(connection, "n", (n := read_counter(connection, "n") + 1))
    return n


@pytest.mark.parametrize(
    ("replaced", "by", "says"),
    [
        ("@127.0.0.1:{port}", "@127.0.0.1:1", "refused"),
        ("{password}", "hunter2", "password authentication failed"),
        ("sanyuan:", "nobody:", "password authentication failed"),
        ("/postgres", "/elsewhere", '"elsewhere" does not exist'),
        ("search_path%3D{schema}", "search_path%3Dnowhere", "no schema of its search_path"),
        ("?options", "?optionz", 'invalid connection option "optionz"'),
    ],
)
def test_a_wrong_address_is_one_clear_error_without_the_password(
    postgresql: Server, schema: str, replaced: str, by: str, says: str
) -> None:
    facts = {"port": postgresql.port, "password": postgresql.password, "schema": schema}
    url = postgresql.address(schema=schema)
    wrong = url.replace(replaced.format(**facts), by)
    assert wrong != url
    with pytest.raises(DatabaseError, match=says) as caught:
        Database.open(wrong, MODELS)
    assert caught.value.where
    assert caught.value.do
    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told
    assert postgresql.password not in told


def test_a_server_that_cannot_keep_a_commit_is_refused(postgresql: Server, schema: str) -> None:
    postgresql.configure("fsync", "off")
    try:
        with pytest.raises(DatabaseError, match="loses commits when its machine stops"):
            Database.open(postgresql.address(schema=schema), MODELS)
    finally:
        postgresql.configure("fsync", "on")


def test_a_server_that_only_reads_is_refused(postgresql: Server, schema: str) -> None:
    postgresql.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        with pytest.raises(DatabaseError, match="read-only transaction"):
            Database.open(postgresql.address(schema=schema), MODELS)
    finally:
        postgresql.execute(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )


def test_commits_are_durable_whatever_others_prefer(postgresql: Server, schema: str) -> None:
    postgresql.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        opened = Database.open(postgresql.address(schema=schema), MODELS)
    finally:
        postgresql.execute("ALTER DATABASE postgres RESET synchronous_commit")
    asked = opened.run(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar())
    opened.close()
    assert asked == "on"


def test_two_services_share_a_database_by_schemas(database: Database, postgresql: Server) -> None:
    other = Database.open(postgresql.address(schema=postgresql.fresh()), MODELS)
    assert [other.run(count), database.run(count), other.run(count)] == [1, 1, 2]
    other.close()


def test_the_fence_is_never_raised_within_a_transaction(
    database: Database, postgresql: Server, schema: str
) -> None:
    """A pooler may let somebody in whose lock is worth nothing: the row of the fence decides."""
    inside, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> int:
        inside.set()
        assert go_on.wait(60)
        return count(connection)

    running = database._thread.submit(database._run, work)
    assert inside.wait(60)
    raise_it = f"UPDATE {schema}.writer SET fence = fence + 1"  # noqa: S608  a name of our own
    with pytest.raises(psycopg.errors.LockNotAvailable):
        postgresql.execute("SET lock_timeout = 100", raise_it)
    go_on.set()
    assert running.result() == 1
    postgresql.execute(raise_it)
    with pytest.raises(DatabaseError, match="another writer has taken over"):
        database.run(count)
    assert database._connection is not None
    assert not database._connection.in_transaction()


def test_a_session_that_ended_between_two_transactions_is_made_again(
    database: Database, postgresql: Server, schema: str
) -> None:
    database.run(count)
    postgresql.end_sessions()
    assert database.run(count) == 2
    with pytest.raises(DatabaseLockedError):  # the lock was taken again with it
        Database.open(postgresql.address(schema=schema), MODELS)


def test_a_server_that_starts_again_is_waited_for(database: Database, postgresql: Server) -> None:
    database.run(count)
    postgresql.stop()
    running = database._thread.submit(database._run, count)
    postgresql.start()
    assert running.result() == 2


def test_a_server_that_stays_away_is_one_clear_error(
    postgresql: Server, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 0.3)
    with Wire(postgresql.port) as wire:
        database = Database.open(postgresql.address(schema=schema, port=wire.port), MODELS)
        database.run(count)
    with pytest.raises(DatabaseError, match="refused") as caught:
        database.run(count)
    assert postgresql.password not in "".join(traceback.format_exception(caught.value))
    database.close()


def test_a_writer_whose_session_was_taken_over_commits_nothing(
    database: Database, postgresql: Server, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 0.3)
    database.run(count)
    postgresql.end_sessions()
    other = open_when_free(postgresql.address(schema=schema))
    with pytest.raises(DatabaseLockedError, match="another process is the writer"):
        database.run(count)
    assert other.run(count) == 2
    other.close()
    with pytest.raises(DatabaseError, match=r"another writer has taken over \(fence 2, ours 1\)"):
        database.run(count)


@pytest.mark.parametrize(
    ("word", "loss", "committed"),
    [
        (b"INSERT", "question", False),
        (b"COMMIT\0", "question", False),
        (b"COMMIT\0", "answer", True),
    ],
)
def test_a_connection_lost_within_a_transaction_ends_the_writer(
    postgresql: Server, schema: str, wire: Wire, word: bytes, loss: Loss, *, committed: bool
) -> None:
    """Only the next start can know what was committed; records in the outbox are sent by it."""
    outbox = Outbox()
    database = Database.open(postgresql.address(schema=schema, port=wire.port), MODELS)
    database.run(lambda c: outbox.append(c, [draft()]))
    wire.arm(word, loss)
    for _ in range(2):
        with pytest.raises(LostConnectionError, match="start the process again"):
            database.run(lambda c: outbox.append(c, [draft()]))
    assert wire.breaks == 1
    database.close()
    again = open_when_free(postgresql.address(schema=schema))
    stream = (FOOD, TOPIC)
    rows = again.run(lambda c: load_from(c, stream, 1, 10))
    assert [row.sequence for row in rows] == ([1, 2] if committed else [1])
    assert again.run(unconfirmed) == {stream: 1}
    [next_row] = again.run(lambda c: Outbox().append(c, [draft()]))
    assert next_row.sequence == len(rows) + 1
    assert again.run(lambda c: c.execute(select(HEADS.c.sequence)).scalar()) == len(rows) + 1
    again.close()
