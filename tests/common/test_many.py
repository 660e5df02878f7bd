"""Bulk statements mean the same as SQLAlchemy's own, in both stores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import JSON, bindparam, delete, insert, select, update
from sqlmodel import Column, Field, SQLModel

from sanyuan.common.database import (
    Database,
    erase_many,
    insert_many,
    insert_new,
    run_many,
    table_of,
    upsert,
)


class Thing(SQLModel, table=True):
    """A row of every kind that services keep."""

    __tablename__ = "many_thing"
    name: str = Field(primary_key=True)
    number: int
    share: float | None = None
    is_open: bool | None = None
    raw: bytes = b""


class Document(SQLModel, table=True):
    """A row whose value SQLAlchemy has to convert."""

    __tablename__ = "many_document"
    name: str = Field(primary_key=True)
    text: object = Field(sa_column=Column(JSON))


THINGS = table_of(Thing)
ROWS = [
    {"name": "商务局", "number": 2**60, "share": 0.5, "is_open": True, "raw": b"\x00\xff"},
    {"name": "tax", "number": -1, "share": None, "is_open": None, "raw": b""},
]
MOVE = (
    update(THINGS)
    .where(THINGS.c.name == bindparam("of"), THINGS.c.number == bindparam("expected"))
    .values(number=bindparam("to"), is_open=False)
)


@pytest.fixture
def things(address: str) -> Iterator[Database]:
    opened = Database.open(address, [Thing, Document])
    yield opened
    opened.close()


def everything(database: Database) -> list[dict[str, object]]:
    found = database.run(lambda c: c.execute(select(THINGS).order_by(THINGS.c.number)).all())
    return [dict(row._mapping) for row in reversed(found)]


def test_rows_come_back_as_they_were_given(things: Database) -> None:
    things.run(lambda c: insert_many(c, THINGS, ROWS))
    assert everything(things) == ROWS


def test_no_rows_are_no_statement(things: Database) -> None:
    assert things.run(lambda c: run_many(c, MOVE, [])) == 0


def test_an_update_says_how_many_rows_it_has_changed(things: Database) -> None:
    things.run(lambda c: insert_many(c, THINGS, ROWS))
    moves = [
        {"of": "tax", "expected": -1, "to": 7},
        {"of": "商务局", "expected": 5, "to": 6},
        {"of": "nobody", "expected": 1, "to": 2},
    ]
    assert things.run(lambda c: run_many(c, MOVE, moves)) == 1
    kept, moved = everything(things)
    assert (moved["number"], moved["is_open"]) == (7, False)
    assert kept == ROWS[0]


def test_a_statement_of_one_value_is_carried_out_for_each(things: Database) -> None:
    things.run(lambda c: insert_many(c, THINGS, ROWS))
    gone = delete(THINGS).where(THINGS.c.name == bindparam("of"))
    assert things.run(lambda c: run_many(c, gone, [{"of": "tax"}, {"of": "nobody"}])) == 1
    assert everything(things) == ROWS[:1]


def test_upsert_replaces_and_insert_new_does_not(things: Database) -> None:
    things.run(lambda c: insert_many(c, THINGS, ROWS))
    other = [{**ROWS[1], "number": 3}]
    things.run(lambda c: insert_new(c, THINGS, other))
    assert everything(things) == ROWS
    things.run(lambda c: upsert(c, THINGS, other))
    assert everything(things) == [ROWS[0], *other]


def test_rows_of_other_names_are_another_statement(things: Database) -> None:
    things.run(lambda c: insert_many(c, THINGS, ROWS[:1]))
    few = [{"number": 1, "name": "a", "raw": b"x"}]
    things.run(lambda c: insert_many(c, THINGS, few))
    assert everything(things)[1] == {"share": None, "is_open": None, **few[0]}


def test_a_column_that_needs_more_is_refused(things: Database) -> None:
    documents = table_of(Document)
    with pytest.raises(TypeError, match="the values of text"):
        things.run(lambda c: run_many(c, insert(documents), [{"name": "a", "text": {}}]))


@pytest.mark.parametrize(("how", "stays"), [(erase_many, False), (run_many, True)])
def test_what_is_erased_is_overwritten_in_the_file_also_where_whole_pages_become_free(
    tmp_path: Path, how: Callable[..., object], *, stays: bool
) -> None:
    file = tmp_path / "things.db"
    rows = [
        {"name": f"{at}", "number": at, "share": None, "is_open": None, "raw": b"secret %04d" % at}
        for at in range(1000)
    ]
    forget = delete(THINGS).where(THINGS.c.name == bindparam("of"))
    things = Database.open(f"sqlite:///{file}", [Thing])
    things.run(lambda c: insert_many(c, THINGS, rows))
    things.run(lambda c: how(c, forget, [{"of": row["name"]} for row in rows]))
    things.close()
    assert (b"secret" in file.read_bytes()) == stays
