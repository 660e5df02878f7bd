"""Where a test's database lies, in either store, and what can happen to it there."""

import shutil
from pathlib import Path
from typing import Protocol

from tests.postgresql import Server


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
    """A schema of a PostgreSQL server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.fresh()
        self._copy = f"{self.name}_copy"
        self.address = server.address(schema=self.name)

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
