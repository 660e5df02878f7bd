"""Where a test's database lies, in either store, and what can happen to it there."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine
from sqlmodel import SQLModel
from tests.postgresql import Server

from sanyuan.common.database import parse_address, table_of


class Home(Protocol):
    """A place for one database, empty at first; the database is closed whenever it is touched."""

    address: str

    def lose(self) -> None:
        """As if the disk had been lost."""

    def keep(self) -> None:
        """Make a copy."""

    def restore(self) -> None:
        """Put the copy in place of what is there."""


class File:
    """A place for a file of SQLite's."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "service" / "service.db"
        self._copy = folder / "copy.db"
        self.address = f"sqlite:///{self._path}"

    def lose(self) -> None:
        for file in self._path.parent.glob("service.db*"):
            file.unlink()

    def keep(self) -> None:
        shutil.copy(self._path, self._copy)

    def restore(self) -> None:
        self.lose()
        shutil.copy(self._copy, self._path)


class Schema:
    """A schema of a PostgreSQL server; `port` is that of something in between, if there is."""

    def __init__(self, server: Server, port: int | None = None) -> None:
        self._server = server
        self.name = server.fresh()
        self._copy = f"{self.name}_copy"
        self.address = server.address(schema=self.name, port=port)

    def lose(self) -> None:
        self._server.execute(f"DROP SCHEMA {self.name} CASCADE", f"CREATE SCHEMA {self.name}")

    def keep(self) -> None:
        self._server.execute(f"CREATE SCHEMA {self._copy}")
        for (table,) in self._server.execute(
            f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.name}'"  # noqa: S608  names of our own
        ):
            mine, copy = f"{self.name}.{table}", f"{self._copy}.{table}"
            self._server.execute(f"CREATE TABLE {copy} (LIKE {mine} INCLUDING ALL)")
            self._server.execute(f"INSERT INTO {copy} TABLE {mine}")

    def restore(self) -> None:
        self._server.execute(
            f"DROP SCHEMA {self.name} CASCADE",
            f"ALTER SCHEMA {self._copy} RENAME TO {self.name}",
        )


class Scratch(Protocol):
    """Gives a connection to tables in which nothing is; what is written is gone afterwards."""

    def __call__(
        self, models: Sequence[type[SQLModel]], /
    ) -> AbstractContextManager[Connection]: ...


@contextmanager
def in_memory(models: Sequence[type[SQLModel]]) -> Iterator[Connection]:
    """SQLite's tables, nowhere."""
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[table_of(model) for model in models])
    with engine.connect() as opened:
        yield opened
    engine.dispose()


class InSchemas:
    """PostgreSQL's tables, made once for each list of models; every use is rolled back."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._engines: dict[tuple[type[SQLModel], ...], Engine] = {}

    @contextmanager
    def __call__(self, models: Sequence[type[SQLModel]]) -> Iterator[Connection]:
        """One transaction."""
        engine = self._engines.get(tuple(models))
        if engine is None:
            address = self._server.address(schema=self._server.fresh())
            engine = self._engines[tuple(models)] = create_engine(parse_address(address, where=""))
            SQLModel.metadata.create_all(engine, tables=[table_of(model) for model in models])
        with engine.connect() as opened:
            yield opened

    def close(self) -> None:
        """Give the connections back."""
        for engine in self._engines.values():
            engine.dispose()
