"""The synthetic registers as SQLite files: made once from the seed, cached, copied where needed."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from sanyuan.sandbox.synthetic.cached import SyntheticDataError, drafted, explained, place
from sanyuan.sandbox.synthetic.organisations import Organisation, generate_organisations
from sanyuan.sandbox.synthetic.people import Person, generate_people

PEOPLE: Final = 100_000
ORGANISATIONS: Final = 20_000
VERSION: Final = "1"
MEGABYTES: Final = 50
"""What two copies need."""
_SEED: Final = "sanyuan"
_POPULATION: Final = "population.db"
_LEGAL_ENTITY: Final = "legal-entity.db"

Report = Callable[[int, int], None]
"""Called with what is done and what there is to do, in rows."""


@dataclass(frozen=True, slots=True)
class Registers:
    """Where the two registers lie."""

    folder: Path

    @property
    def population(self) -> Path:
        """Table ``person`` (number, name, mobile)."""
        return self.folder / _POPULATION

    @property
    def legal_entity(self) -> Path:
        """Table ``organisation`` (code, name, representative_name, representative_number)."""
        return self.folder / _LEGAL_ENTITY

    def count_people(self) -> int:
        """Rows of the population register."""
        return _count(self.population, "person")

    def count_organisations(self) -> int:
        """Rows of the legal-entity register."""
        return _count(self.legal_entity, "organisation")

    @property
    def complete(self) -> bool:
        """Whether both files are there."""
        return self.population.is_file() and self.legal_entity.is_file()


def make_registers(
    folder: Path, cache: Path, report: Report = lambda _done, _all: None
) -> Registers:
    """The registers in ``folder``, made or copied when they are not there yet (2 s the first time).

    ``cache`` is what all installations of this machine share; ours is one folder in it.

    Raises SyntheticDataError, for example when the disk is full.
    """
    wanted = Registers(folder)
    if wanted.complete:
        return wanted
    with explained("the synthetic registers", folder, MEGABYTES):
        kept = _make_cached(cache / f"registers-{VERSION}", report)
        for path in (kept.legal_entity, kept.population):
            place(path, folder / path.name)
    return wanted


def sample_people(registers: Registers, count: int, seed: str) -> list[Person]:
    """``count`` different people whom a demo's citizens are played by, the same for a seed."""
    rows = _sample(registers.population, "person", "number, name, mobile", count, seed)
    return [Person(*row) for row in rows]


def all_organisations(registers: Registers) -> list[Organisation]:
    """All in the order of their codes, with their representatives (without their mobiles).

    Raises SyntheticDataError.
    """
    statement = """
        SELECT code, name, representative_number, representative_name
        FROM organisation ORDER BY code
    """
    path = registers.legal_entity
    try:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as database:
            rows = database.execute(statement).fetchall()
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None
    return [Organisation(code, name, Person(number, head, "")) for code, name, number, head in rows]


def _make_cached(cache: Path, report: Report) -> Registers:
    kept = Registers(cache)
    if kept.complete:
        return kept
    cache.mkdir(parents=True, exist_ok=True)  # so that it fails before the work is done
    total = 2 * (PEOPLE + ORGANISATIONS)
    done = 0

    def progress(rows: int) -> None:
        nonlocal done
        done += rows
        report(done, total)

    people = generate_people(PEOPLE, _SEED, progress)
    _write_population(kept.population, people)
    progress(PEOPLE)
    organisations = generate_organisations(ORGANISATIONS, people, _SEED, progress)
    _write_legal_entities(kept.legal_entity, organisations)
    progress(ORGANISATIONS)
    return kept


def _write_population(path: Path, people: Iterable[Person]) -> None:
    rows = sorted((person.number, person.name, person.mobile) for person in people)
    _write(path, "person(number TEXT PRIMARY KEY, name TEXT NOT NULL, mobile TEXT)", rows)


def _write_legal_entities(path: Path, organisations: Iterable[Organisation]) -> None:
    rows = sorted(
        (each.code, each.name, each.representative.name, each.representative.number)
        for each in organisations
    )
    columns = "representative_name TEXT, representative_number TEXT"
    _write(path, f"organisation(code TEXT PRIMARY KEY, name TEXT NOT NULL, {columns})", rows)


def _write(path: Path, table: str, rows: Sequence[tuple[str, ...]]) -> None:
    name = table.split("(", 1)[0]
    places = ", ".join("?" * len(rows[0]))
    with drafted(path) as draft, closing(sqlite3.connect(draft)) as database:
        database.execute("PRAGMA synchronous=OFF")
        with database:
            database.execute(f"CREATE TABLE {table} WITHOUT ROWID")
            database.executemany(f"INSERT INTO {name} VALUES ({places})", rows)  # noqa: S608  our own names


def _count(path: Path, table: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as database:
            statement = f"SELECT count(*) FROM {table}"  # noqa: S608  our own names
            return int(database.execute(statement).fetchone()[0])
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


def _sample(path: Path, table: str, columns: str, count: int, seed: str) -> list[tuple[str, ...]]:
    try:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as database:
            key = columns.split(",", 1)[0]
            keys = [row[0] for row in database.execute(f"SELECT {key} FROM {table}")]  # noqa: S608
            chosen = Random(f"sample {seed}").sample(sorted(keys), count)  # noqa: S311  no secrets
            statement = f"SELECT {columns} FROM {table} WHERE {key} = ?"  # noqa: S608  our own names
            return [database.execute(statement, (each,)).fetchone() for each in chosen]
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: sqlite3.Error) -> SyntheticDataError:
    return SyntheticDataError(
        f"a synthetic register cannot be read: {error}",
        where=str(path),
        do="remove the file and run make up",
    )
