"""Many rows by one statement, compiled once and given to the driver as it is.

SQLAlchemy prepares each row of a bulk statement anew; on tables of plain columns that is half the
cost of a row, and more of a statement for few (docs/performance.md).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Boolean, Connection, Dialect, Float, LargeBinary
from sqlalchemy.sql.dml import UpdateBase

STATEMENTS: Final = 512
_PASSED_ON: Final = (Boolean, Float, LargeBinary)
"""Types whose values every driver takes as they are, although SQLAlchemy would wrap them."""

Shape = Callable[[Mapping[str, Any]], Any]


def run_many(
    connection: Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]
) -> int:
    """Carry out an INSERT, UPDATE or DELETE for each row; returns how many rows it has changed.

    ``statement`` is one that lasts: what was compiled is kept for it. Every row has the same names.
    Raises TypeError when there is a column whose values the driver does not take as they are.
    """
    if not rows:
        return 0
    sql, shape = _compiled(statement, connection.dialect, tuple(rows[0]))
    return connection.exec_driver_sql(sql, [shape(row) for row in rows]).rowcount


def erase_many(
    connection: Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]
) -> None:
    """`run_many` of a DELETE of secrets: in SQLite's file they are overwritten where they lay.

    Other statements leave what is on a page that becomes free as it was (``secure_delete=FAST``).
    A server keeps deleted rows until it vacuums.
    """
    if not rows:
        return
    of_sqlite = connection.dialect.name == "sqlite"
    if of_sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        run_many(connection, statement, rows)
    finally:
        if of_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=FAST")


@lru_cache(STATEMENTS)
def _compiled(statement: UpdateBase, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, Shape]:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    for name, bound in compiled.binds.items():
        kind = bound.type.dialect_impl(dialect)
        if kind.bind_processor(dialect) is not None and not isinstance(bound.type, _PASSED_ON):
            raise TypeError(f"the values of {name} need more than to be passed on")
    fixed = {name: value for name, value in compiled.params.items() if name not in names}
    return str(compiled), _shape(compiled.positiontup, fixed)


def _shape(places: Sequence[str] | None, fixed: Mapping[str, Any]) -> Shape:
    """What makes of a row what the driver takes: by name, or in the order of the statement.

    ``fixed`` are values of the statement itself.
    """
    if places is None:
        return lambda row: {**fixed, **row}
    if len(places) == 1:
        return lambda row: (row[places[0]],)
    chosen = itemgetter(*places)
    return (lambda row: chosen({**fixed, **row})) if fixed else chosen
