"""One transaction for all who come together; whoever fails, fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sanyuan.client.connector.committing import Commits
from sanyuan.client.connector.desk import MODELS
from sanyuan.common.database import Database, read_counter, write_counter
from sanyuan.common.errors import SanyuanError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

pytestmark = pytest.mark.asyncio


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'client.db'}", MODELS)
    yield opened
    opened.close()


@asynccontextmanager
async def running(commits: Commits) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(commits.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def add(name: str) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        value = read_counter(connection, name) + 1
        write_counter(connection, name, value)
        return value

    return work


def fail(connection: Connection) -> None:
    add("a")(connection)
    raise SanyuanError("no")


def count(database: Database, name: str) -> int:
    return database.run(lambda connection: read_counter(connection, name))


async def test_whoever_comes_together_shares_a_transaction_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions: list[None] = []
    whole = database._run

    def counted(work: Callable[[Connection], object]) -> object:
        transactions.append(None)
        return whole(work)

    monkeypatch.setattr(database, "_run", counted)
    commits = Commits(database, lambda: None)
    async with running(commits):
        results = await asyncio.gather(*(commits.commit(add("a")) for _ in range(20)))
    assert results == list(range(1, 21))
    assert len(transactions) == 1


async def test_what_cannot_be_done_fails_alone(database: Database) -> None:
    rolled_back: list[None] = []
    commits = Commits(database, lambda: rolled_back.append(None))
    async with running(commits):
        works = [commits.commit(work) for work in (add("a"), fail, add("b"), add("a"))]
        results = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(results[1], SanyuanError)
    assert [results[0], results[2], results[3]] == [1, 1, 2]
    assert (count(database, "a"), count(database, "b")) == (2, 1)
    assert len(rolled_back) == 2


async def test_a_broken_database_ends_everybodys_waiting(database: Database) -> None:
    commits = Commits(database, lambda: None)

    def broken(_connection: Connection) -> None:
        raise OSError("no space left")

    async with running(commits) as task:
        works = [commits.commit(work) for work in (add("a"), broken)]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert [type(result) for result in results] == [OSError, OSError]
        with pytest.raises(OSError, match="no space"):
            await task
        waiting = asyncio.ensure_future(commits.commit(add("a")))
        await asyncio.sleep(0)
        commits.end(OSError("ended"))
        with pytest.raises(OSError, match="ended"):
            await waiting
    assert count(database, "a") == 0
