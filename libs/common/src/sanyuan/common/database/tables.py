"""The tables that every database has, and statements that read the same for both stores."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import BigInteger, Connection, Insert, Integer, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel

from sanyuan.common.database.many import run_many

# SQLite's have 64 bits anyway, and only a key called INTEGER is the row's own number there.
_WHOLE: Final = Integer().with_variant(BigInteger(), "postgresql")


class Writer(SQLModel, table=True):
    """The fencing number: raised by every process that becomes the writer."""

    __tablename__ = "writer"
    id: int = Field(primary_key=True)
    fence: int


class Counter(SQLModel, table=True):
    """A named number of the writer, such as its last decision."""

    __tablename__ = "counter"
    name: str = Field(primary_key=True)
    value: int


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model: what the bulk statements of the hot path are written with.

    Its whole numbers have 64 bits in both stores, and none is ever made up by the database.
    """
    table = cast("Table", model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass
    for column in table.columns:
        if type(column.type) is Integer:
            column.type = _WHOLE
        column.autoincrement = False
    return table


WRITER: Final = table_of(Writer)
COUNTER: Final = table_of(Counter)
_OF_COUNTER: Final = select(COUNTER.c.value).where(COUNTER.c.name == bindparam("of"))


def read_counter(connection: Connection, name: str) -> int:
    """A counter's value; 0 before it was ever written."""
    return int(connection.scalar(_OF_COUNTER, {"of": name}) or 0)


def write_counter(connection: Connection, name: str, value: int) -> None:
    """Set a counter."""
    write_counters(connection, {name: value})


def write_counters(connection: Connection, counters: Mapping[str, int]) -> None:
    """Set several counters."""
    rows = [{"name": name, "value": value} for name, value in counters.items()]
    upsert(connection, COUNTER, rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each replacing what stands under its primary key; one statement for all."""
    run_many(connection, _upsert_statement(table, connection.dialect.name), rows)


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, none of which is there yet."""
    run_many(connection, _insert_statement(table, connection.dialect.name), rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; what stands under a primary key already stays as it is."""
    run_many(connection, _insert_new_statement(table, connection.dialect.name), rows)


@cache
def _upsert_statement(table: Table, dialect: str) -> Insert:
    statement = _insert_statement(table, dialect)
    changed = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
    replaced: Insert = statement.on_conflict_do_update(
        index_elements=table.primary_key, set_=changed
    )
    return replaced


@cache
def _insert_new_statement(table: Table, dialect: str) -> Insert:
    statement: Insert = _insert_statement(table, dialect).on_conflict_do_nothing()
    return statement


@cache
def _insert_statement(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
