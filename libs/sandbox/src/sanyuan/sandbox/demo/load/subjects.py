"""Everybody by rank, as callers name them and as they check what they are told."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sanyuan.sandbox.demo.load.drawing import Sizes
from sanyuan.sandbox.synthetic.providers.known import in_rank
from sanyuan.sandbox.synthetic.registers import Registers


class Subject(NamedTuple):
    """A person or an organisation: number or credit code, and name."""

    key: str
    name: str


class Subjects:
    """Both registers in memory, 20 MB; never printed."""

    def __init__(self, people: Sequence[Subject], organisations: Sequence[Subject]) -> None:
        self.people = in_rank(people)
        self.organisations = in_rank(organisations)

    @property
    def sizes(self) -> Sizes:
        """How many there are."""
        return Sizes(len(self.people), len(self.organisations))

    def __repr__(self) -> str:
        return f"Subjects({self.sizes})"


def load_subjects(registers: Registers) -> Subjects:
    """Read both registers in the order of their keys."""
    return Subjects(
        _rows(registers.population, "SELECT number, name FROM person ORDER BY number"),
        _rows(registers.legal_entity, "SELECT code, name FROM organisation ORDER BY code"),
    )


def _rows(path: Path, statement: str) -> list[Subject]:
    with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as database:
        return [Subject(*row) for row in database.execute(statement)]
