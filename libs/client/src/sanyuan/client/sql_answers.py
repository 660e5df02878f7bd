"""A SQLite database as a provider: one SELECT with named parameters answers a resource's calls.

Its columns are the resource's items, its parameters the resource's parameters. The database is
opened to be read only; a query that outlasts its call is stopped.
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from sanyuan.client.calls.answering import CannotAnswerError
from sanyuan.common.contracts.catalog import CallAdmitted, Resource
from sanyuan.common.errors import SanyuanError

STEPS: Final = 20_000
"""Instructions of SQLite's machine between two looks at the clock: about a millisecond."""
BUSY_SECONDS: Final = 1.0


class SqlAnswerError(SanyuanError):
    """A file, a database or a query cannot answer calls, or not those of this resource."""


class SqlAnswers:
    """Open with `open`; `answer` is what `serve_resource` takes; close with `close`."""

    def __init__(self, connection: sqlite3.Connection, sql: str, place: str) -> None:
        self._connection = connection
        self._sql = sql
        self._place = place
        self._until = 0.0
        self._required: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql-answers")
        connection.set_progress_handler(self._is_over, STEPS)
        self.parameters = self._find_parameters()
        self.columns = self._find_columns()

    @classmethod
    def open(cls, database: Path, query: Path) -> Self:
        """Open the database and understand the query; raises SqlAnswerError."""
        sql = _read_query(query)
        connection = _connect(database)
        try:
            return cls(connection, sql, str(query))
        except SqlAnswerError:
            connection.close()
            raise

    def close(self) -> None:
        """Stop what runs and give the database back."""
        self._until = 0.0
        self._thread.shutdown(wait=True)
        self._connection.close()

    def fit(self, resource: Resource) -> None:
        """Check that the query answers this resource; raises SqlAnswerError."""
        items = {item.name: item.required for item in resource.items}
        parameters = {item.name: item.required for item in resource.parameters}
        missing = [name for name, required in items.items() if required]
        self._complain("columns that are no items", set(self.columns) - items.keys())
        self._complain("required items without a column", set(missing) - set(self.columns))
        self._complain("parameters that are none", set(self.parameters) - parameters.keys())
        self._known = frozenset(parameters)
        self._required = frozenset(name for name, required in parameters.items() if required)

    async def answer(
        self, parameters: Mapping[str, Any], admitted: CallAdmitted
    ) -> Mapping[str, Any] | None:
        """The one row under these parameters; None without any. Raises CannotAnswerError."""
        values = self._check(parameters)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._select, values, admitted.answer_by)

    def _check(self, parameters: Mapping[str, Any]) -> dict[str, object]:
        if self._required - parameters.keys():
            missing = ", ".join(sorted(self._required - parameters.keys()))
            raise CannotAnswerError("malformed-parameters", f"required, but not said: {missing}")
        if parameters.keys() - self._known:
            raise CannotAnswerError(
                "malformed-parameters", "something is said that is no parameter of the resource"
            )
        for name, value in parameters.items():
            if not isinstance(value, str | int | float | None):
                raise CannotAnswerError("malformed-parameters", f"{name} is no text and no number")
        return dict.fromkeys(self.parameters) | dict(parameters)

    def _select(self, values: Mapping[str, object], until: datetime) -> Mapping[str, Any] | None:
        self._until = time.monotonic() + (until - datetime.now(UTC)).total_seconds()
        try:
            rows = self._connection.execute(self._sql, values).fetchmany(2)
        except (sqlite3.OperationalError, OverflowError) as error:
            late = time.monotonic() > self._until
            reason = "it took too long" if late else type(error).__name__
            raise CannotAnswerError(
                "unavailable", f"the database did not answer: {reason}"
            ) from None
        if len(rows) > 1:
            raise CannotAnswerError("other", "there is more than one entry under these parameters")
        return dict(zip(self.columns, rows[0], strict=True)) if rows else None

    def _is_over(self) -> bool:
        return time.monotonic() > self._until

    def _find_parameters(self) -> tuple[str, ...]:
        """As SQLite itself understands the query: it asks for each by its name."""
        asked = _Asked()
        self._until = time.monotonic() + BUSY_SECONDS
        try:
            self._connection.execute(f"EXPLAIN {self._sql}", asked)
        except sqlite3.Error as error:
            raise self._error(f"the query is not understood: {error}") from None
        return tuple(dict.fromkeys(asked.names))

    def _find_columns(self) -> tuple[str, ...]:
        """Of a SELECT, and of nothing else: no other statement can stand in a FROM.

        SQLite numbers columns of one name there, so that they fit no item.
        """
        nothing = dict.fromkeys(self.parameters)
        try:
            whole = f"SELECT * FROM (\n{self._sql}\n) LIMIT 0"  # noqa: S608  the provider's own
            found = self._connection.execute(whole, nothing)
        except sqlite3.Error as error:
            raise self._error(f"the query is no single SELECT: {error}") from None
        return tuple(str(column[0]) for column in found.description)

    def _complain(self, what: str, names: set[str]) -> None:
        if names:
            raise self._error(f"{what} of the resource: {', '.join(sorted(names))}")

    def _error(self, what: str) -> SqlAnswerError:
        return SqlAnswerError(
            what,
            where=self._place,
            do="write one SELECT whose columns are the resource's items, with :named parameters",
        )


class _Asked(dict[str, None]):
    """Notes which names are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, name: str) -> None:
        self.names.append(name)


def _connect(database: Path) -> sqlite3.Connection:
    if not database.is_file():
        raise SqlAnswerError(
            "there is no such database", where=str(database), do="name a SQLite file"
        )
    connection = sqlite3.connect(
        f"{database.resolve().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise SqlAnswerError(
            f"the file is no readable SQLite database: {error}", where=str(database)
        ) from None
    return connection


def _read_query(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SqlAnswerError(
            f"the query cannot be read: {type(error).__name__}", where=str(path)
        ) from None
    while text.endswith(";"):
        text = text[:-1].rstrip()
    if not text:
        raise SqlAnswerError("the query is empty", where=str(path))
    return text
