"""Makes the departments' databases: once for this machine, cached, copied where needed."""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.synthetic.cached import drafted, explained, place
from sanyuan.sandbox.synthetic.catalogue.keeping import load_served
from sanyuan.sandbox.synthetic.departments import Organ
from sanyuan.sandbox.synthetic.licenses import business_licenses
from sanyuan.sandbox.synthetic.places import city_of
from sanyuan.sandbox.synthetic.providers.known import OTHERS, POPULAR, first_other, in_rank
from sanyuan.sandbox.synthetic.providers.values import column
from sanyuan.sandbox.synthetic.registers import Registers

VERSION: Final = "1"
"""Changes with the code that makes the databases; the catalogue has a digest of its own."""
_MEGABYTES: Final = 200
_TABLE_OF: Final = {"citizen_number": "person", "credit_code": "organisation"}
_SCRATCH: Final = """
    CREATE TABLE person(rank INTEGER PRIMARY KEY, key TEXT, name TEXT, city TEXT);
    CREATE TABLE organisation(rank INTEGER PRIMARY KEY, key TEXT, name TEXT, city TEXT,
        representative TEXT, address TEXT);
"""

Report = Callable[[int, int], None]
"""Called with how many databases are made, of how many."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the databases are made from."""

    registers: Registers
    catalogue: Path


def database_of(folder: Path, department: Organ) -> Path:
    """Where a department's database lies."""
    return folder / f"{department.slug}.db"


def relation_of(resource: Resource) -> str:
    """The name of a resource's relation in its department's database."""
    return re.sub(r"[^a-z0-9]+", "_", (resource.name_en or resource.code).lower()).strip("_")


def make_providers(
    folder: Path,
    cached: Path,
    sources: Sources,
    departments: Sequence[Organ],
    report: Report = lambda _done, _all: None,
) -> None:
    """The databases of these departments in ``folder``, made or copied where they are missing.

    ``cached`` is what all installations of this machine share. Raises SyntheticDataError.
    """
    missing = [each for each in departments if not database_of(folder, each).is_file()]
    if not missing:
        return
    with explained("the departments' databases", folder, _MEGABYTES):
        kept = cached / f"providers-{VERSION}-{_digest(sources.catalogue)}"
        _make_cached(kept, sources, missing, report)
        for each in missing:
            place(database_of(kept, each), database_of(folder, each))


def _make_cached(
    kept: Path, sources: Sources, departments: Sequence[Organ], report: Report
) -> None:
    missing = [each for each in departments if not database_of(kept, each).is_file()]
    if not missing:
        return
    kept.mkdir(parents=True, exist_ok=True)  # so that it fails before the work is done
    resources: dict[str, list[Resource]] = {}
    for resource in load_served(sources.catalogue):
        if resource.serving_system:
            resources.setdefault(resource.provider, []).append(resource)
    with _scratch(sources.registers) as workshop:
        for done, each in enumerate(missing, 1):
            with drafted(database_of(kept, each)) as draft:
                workshop.make(draft, each, resources.get(each.code, ()))
            report(done, len(missing))


@contextmanager
def _scratch(registers: Registers) -> Iterator["_Workshop"]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(_SCRATCH)
        people, organisations = _people(registers), _organisations(registers)
        database.execute("BEGIN")
        database.executemany("INSERT INTO person VALUES (?, ?, ?, ?)", people)
        database.executemany("INSERT INTO organisation VALUES (?, ?, ?, ?, ?, ?)", organisations)
        database.execute("COMMIT")
        yield _Workshop(database, {"person": len(people), "organisation": len(organisations)})


class _Workshop:
    """Everybody by rank in memory, and one department's database at a time attached to it."""

    def __init__(self, database: sqlite3.Connection, counts: dict[str, int]) -> None:
        self._database = database
        self._counts = counts

    def make(self, path: Path, department: Organ, resources: Iterable[Resource]) -> None:
        execute = self._database.execute
        execute("ATTACH ? AS provider", (str(path),))
        try:
            execute("PRAGMA provider.synchronous=OFF")
            execute("BEGIN")
            execute(
                "CREATE TABLE provider.resource(code TEXT PRIMARY KEY, relation TEXT, key TEXT)"
            )
            for resource in resources:
                self._fill(resource, department)
            execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                execute("ROLLBACK")
            raise
        finally:
            execute("DETACH provider")

    def _fill(self, resource: Resource, department: Organ) -> None:
        relation, key = relation_of(resource), resource.parameters[0].name
        subjects = _TABLE_OF[key]
        names = [item.name for item in resource.items]
        columns = ", ".join(f"{name} PRIMARY KEY" if name == key else name for name in names)
        values = ", ".join(
            column(resource, name, department.name, self._counts["organisation"]) for name in names
        )
        first = first_other(resource.code, self._counts[subjects])
        execute = self._database.execute
        row = (resource.code, relation, key)
        execute("INSERT INTO provider.resource VALUES (?, ?, ?)", row)
        execute(f"CREATE TABLE provider.{relation}({columns}) WITHOUT ROWID")
        execute(
            f"INSERT INTO provider.{relation} SELECT {values} FROM {subjects} AS s "  # noqa: S608  our own words
            "WHERE s.rank < ? OR s.rank BETWEEN ? AND ? ORDER BY s.key",
            (POPULAR, first, first + OTHERS - 1),
        )


def _people(registers: Registers) -> list[tuple[int, str, str, str]]:
    path = registers.population.resolve()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT number, name FROM person ORDER BY number").fetchall()
    return [
        (rank, number, name, city_of(number[:6]))
        for rank, (number, name) in enumerate(in_rank(rows))
    ]


def _organisations(registers: Registers) -> list[tuple[int, str, str, str, str, str]]:
    """As their business licences have them, which are in the order of their codes."""
    return [
        (
            rank,
            each.holder_code,
            each.holder_name,
            city_of(each.holder_code[2:8]),
            each.representative,
            each.address,
        )
        for rank, each in enumerate(in_rank(list(business_licenses(registers))))
    ]


def _digest(catalogue: Path) -> str:
    return hashlib.sha256(catalogue.read_bytes()).hexdigest()[:12]
