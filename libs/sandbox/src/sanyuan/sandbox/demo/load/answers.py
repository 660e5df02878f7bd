"""A department answers shared calls from its own database, and from nothing else."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_LONGEST_KEY: Final = 18


class MalformedParametersError(Exception):
    """A call says something else than its resource's one parameter."""


class Relation(NamedTuple):
    """Where a resource is."""

    name: str
    key: str


class ProviderDatabase:
    """One department's database, read only."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)
        self._relations = {
            code: Relation(name, key)
            for code, name, key in self._database.execute(
                "SELECT code, relation, key FROM resource"
            )
        }
        self._statements: dict[tuple[str, tuple[str, ...]], str] = {}

    @property
    def codes(self) -> tuple[str, ...]:
        """The resources that it answers for."""
        return tuple(self._relations)

    def close(self) -> None:
        """Answer no more."""
        self._database.close()

    def answer(
        self, code: str, parameters: Mapping[str, object], fields: tuple[str, ...]
    ) -> dict[str, object] | None:
        """The fields of whom the parameters name; None when nothing is known of them.

        Raises MalformedParametersError.
        """
        relation = self._relations[code]
        subject = parameters.get(relation.key)
        if not isinstance(subject, str) or len(subject) > _LONGEST_KEY or len(parameters) != 1:
            raise MalformedParametersError(relation.key)
        row = self._database.execute(self._statement(code, fields), (subject,)).fetchone()
        return None if row is None else dict(zip(fields, row, strict=True))

    def _statement(self, code: str, fields: tuple[str, ...]) -> str:
        """Fields are names of items that the catalog has granted: they are identifiers."""
        wanted = code, fields
        if wanted not in self._statements:
            relation = self._relations[code]
            # Brackets: a name in double quotes is a text to SQLite when there is no such column.
            columns = ", ".join(f"[{field}]" for field in fields)
            self._statements[wanted] = (
                f"SELECT {columns} FROM [{relation.name}] WHERE [{relation.key}] = ?"  # noqa: S608  identifiers
            )
        return self._statements[wanted]
