"""The count after faults: every command decided once, every decision in the log once.

What was asked is the outbox head of the client; what was decided is what the log holds, read and
verified as anybody would; what was handed out is the client's own journal.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from sanyuan.client.follow import Follower
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import VerifierKey
from sanyuan.sandbox.faults.steady import DATABASE, HANDED_OUT

TOPIC: Final = "identity-commands"
Place = tuple[str, int]
"""(source, sequence) of a command."""


@dataclass(frozen=True, slots=True)
class Tally:
    """All zero but `asked` and `decided`, which are equal, when nothing was lost or doubled."""

    asked: int
    decided: int
    lost: int
    """Commands without a decision."""
    doubled: int
    """Commands with more than one decision, and decisions of commands that nobody sent."""
    misnumbered: int
    """Decision numbers that are missing or were given twice."""
    unheard: int
    """Decisions that the client was never handed out."""
    contradicted: int
    """Commands for which it was handed out different decisions."""

    @property
    def faults(self) -> int:
        """Everything that must not be."""
        return self.lost + self.doubled + self.misnumbered + self.unheard + self.contradicted


async def count(log: str, size: int, agency: VerifierKey, key: VerifierKey, folder: Path) -> Tally:
    """Count over the log's first `size` leaves and the client's `folder`; raises ForgedLogError."""
    asked = set(places_asked(folder))
    decided: Counter[Place] = Counter()
    numbers: Counter[int] = Counter()
    with open_source(log) as source:
        async for logged in Follower(source, agency, key).records():
            data = logged.leaf.envelope.data
            if logged.leaf.envelope.type.startswith("identity.") and "decision" in data:
                command = data["command"]
                decided[command["source"], int(command["sequence"])] += 1
                numbers[data["decision"]] += 1
            if logged.index >= size - 1:
                break
    journal = Journal(folder)
    journal.heard()
    told = journal.told
    expected = range(1, max(numbers, default=0) + 1)
    return Tally(
        asked=len(asked),
        decided=len(decided),
        lost=len(asked - decided.keys()),
        doubled=sum(1 for place, times in decided.items() if times > 1 or place not in asked),
        misnumbered=sum(1 for number in expected if numbers[number] != 1),
        unheard=len(decided.keys() - told.keys()),
        contradicted=sum(1 for each in told.values() if len(each) > 1),
    )


def places_asked(folder: Path) -> Iterator[Place]:
    """Every command that the client has ever made durable."""
    heads = "SELECT source, sequence FROM outbox_head WHERE topic = ?"
    for source, last in _rows(folder / DATABASE, heads, TOPIC):
        yield from ((source, sequence) for sequence in range(1, last + 1))


def asked(folder: Path) -> int:
    """How many commands the client has made durable."""
    lasts = "SELECT sequence FROM outbox_head WHERE topic = ?"
    return sum(last for (last,) in _rows(folder / DATABASE, lasts, TOPIC))


class Journal:
    """What the client was handed out; each look reads only what is new."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / HANDED_OUT
        self._read = 0
        self.told: dict[Place, set[int]] = {}
        """Command → numbers of its decisions: one each, or something is wrong."""

    def heard(self) -> int:
        """How many commands the client knows the decision of, as of now."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if line.endswith(b"\n"):  # else it is being written
                        self._read += len(line)
                        self._take(orjson.loads(line))
        return len(self.told)

    def _take(self, row: dict[str, Any]) -> None:
        self.told.setdefault((row["source"], row["sequence"]), set()).add(row["decision"])


def unsealed(database: Path) -> int:
    """How many rows of an outbox the log has not confirmed."""
    return sum(rows for (rows,) in _rows(database, "SELECT count(*) FROM outbox_row"))


def _rows(database: Path, query: str, *values: str) -> Iterable[tuple[Any, ...]]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as reader:
        try:
            return list(reader.execute(query, values))
        except sqlite3.OperationalError:  # not made yet
            return []
