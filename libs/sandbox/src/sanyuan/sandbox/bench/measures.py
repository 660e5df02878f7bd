"""Rows of ``var/bench.json``: a value and what it was compared with in the same run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from sanyuan.sandbox.language import Words


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure; ``ratio`` is ``value`` over the value of the measure ``compared_with``."""

    name: str
    value: float
    unit: str
    compared_with: str | None = None
    ratio: float | None = None


def compare(name: str, value: float, unit: str, other: Measure) -> Measure:
    """A measure beside another one of the same run."""
    return Measure(name, value, unit, other.name, value / other.value if other.value else None)


def save(path: Path, measures: Sequence[Measure]) -> None:
    """Write the rows as JSON."""
    rows = [asdict(measure) for measure in measures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def as_table(measures: Sequence[Measure], words: Words) -> Table:
    """The rows for people."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(words("测量", "measure"))
    table.add_column(words("值", "value"), justify="right")
    table.add_column(words("单位", "unit"))
    table.add_column(words("对比", "compared with"))
    table.add_column(words("比值", "ratio"), justify="right")
    for measure in measures:
        ratio = "" if measure.ratio is None else f"{measure.ratio:.2f}"
        value = f"{measure.value:,.0f}" if measure.value >= 100 else f"{measure.value:.2f}"  # noqa: PLR2004  readable
        table.add_row(measure.name, value, measure.unit, measure.compared_with or "", ratio)
    return table
