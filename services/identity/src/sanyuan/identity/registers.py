"""The authoritative registers, as ports, and their synthetic default in SQL.

A register answers from one moment and never from memory; whoever is not in the answer is not in the
register. Entries are normalised here, so that the domain compares like with like.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    create_engine,
    select,
)
from sqlalchemy.exc import DBAPIError

from sanyuan.common.errors import SanyuanError
from sanyuan.common.identifiers import normalise_name, normalise_number
from sanyuan.identity.domain.subjects import RegisteredOrganisation, RegisteredPerson

_CHUNK: Final = 500


class RegisterUnavailableError(SanyuanError):
    """A register cannot be asked; the batch waits and is decided later."""


class PopulationRegister(Protocol):
    """Natural persons by citizen number."""

    def find(self, numbers: Collection[str]) -> Mapping[str, RegisteredPerson]:
        """Those that exist, by number of 18 characters; raises RegisterUnavailableError."""
        ...


class LegalEntityRegister(Protocol):
    """Organisations by unified social credit code."""

    def find(self, codes: Collection[str]) -> Mapping[str, RegisteredOrganisation]:
        """Those that exist, by credit code; raises RegisterUnavailableError."""
        ...


_METADATA: Final = MetaData()
_PERSON: Final = Table(
    "person",
    _METADATA,
    Column("number", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mobile", Text),
)
_ORGANISATION: Final = Table(
    "organisation",
    _METADATA,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("representative_name", Text),
    Column("representative_number", Text),
)


def _among(table: Table, key: str) -> Select[Any]:
    return select(table).where(table.c[key].in_(bindparam("keys", expanding=True)))


class SqlPopulationRegister:
    """Table ``person`` (number, name, mobile) of a SQL database that others write."""

    _STATEMENT: Final = _among(_PERSON, "number")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, numbers: Collection[str]) -> Mapping[str, RegisteredPerson]:
        """See the port."""
        return {
            number: RegisteredPerson(normalise_name(name), mobile or "")
            for number, name, mobile in _ask(self._engine, self._STATEMENT, numbers)
        }

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()


class SqlLegalEntityRegister:
    """Table ``organisation`` (code, name, representative_name, representative_number)."""

    _STATEMENT: Final = _among(_ORGANISATION, "code")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, codes: Collection[str]) -> Mapping[str, RegisteredOrganisation]:
        """See the port."""
        return {
            code: RegisteredOrganisation(
                normalise_name(name), normalise_name(head or ""), normalise_number(number or "")
            )
            for code, name, head, number in _ask(self._engine, self._STATEMENT, codes)
        }

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()


def open_register(path: Path) -> Engine:
    """A register's file, for reading only; raises RegisterUnavailableError when it is missing."""
    if not path.is_file():
        raise RegisterUnavailableError(
            "the register is not there",
            where=str(path),
            do="run: make up (it makes the synthetic one)",
        )
    return create_engine(f"sqlite:///file:{path.resolve()}?mode=ro&uri=true")


def _ask(engine: Engine, statement: Select[Any], keys: Collection[str]) -> Iterator[Any]:
    if not keys:
        return
    remaining = iter(keys)
    try:
        with engine.connect() as connection:
            while chunk := list(islice(remaining, _CHUNK)):
                yield from connection.execute(statement, {"keys": chunk})
    except DBAPIError as error:
        raise RegisterUnavailableError(
            f"the register does not answer: {type(error.orig).__name__}",
            where=engine.url.database,
            do="the batch waits; look at the register",
        ) from None
