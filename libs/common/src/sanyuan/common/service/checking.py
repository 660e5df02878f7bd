"""The first half of a batch, pure: which raw records are authentic (design §3).

A run is a series of records of one source and key in which each names its predecessor by hash. The
signature of a run's last record authenticates all of it; only when that fails is each one checked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sanyuan.common.directory import Directory
from sanyuan.common.record import Record, Rejection, authenticate


@dataclass(frozen=True, slots=True)
class Checked:
    """The authentic records in their order, and the others with their reasons."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]


def check(read_records: Sequence[Record | Rejection], directory: Directory) -> Checked:
    """Keep what is authentic under the directory."""
    rejections = [item for item in read_records if isinstance(item, Rejection)]
    records = [item for item in read_records if isinstance(item, Record)]
    runs = list(_runs(records))
    ends = authenticate([records[run[-1]] for run in runs], directory)
    doubted = [
        index
        for run, end in zip(runs, ends, strict=True)
        if isinstance(end, Rejection)
        for index in run
    ]
    verdicts = authenticate([records[index] for index in doubted], directory)
    failed = {
        index: verdict
        for index, verdict in zip(doubted, verdicts, strict=True)
        if isinstance(verdict, Rejection)
    }
    kept = [record for index, record in enumerate(records) if index not in failed]
    return Checked(kept, rejections + list(failed.values()))


def _runs(records: Sequence[Record]) -> Iterable[list[int]]:
    """Indices of the records of each run."""
    open_runs: dict[tuple[str, str, bytes], list[int]] = {}
    for index, record in enumerate(records):
        name = (*record.stream, record.key_id)
        run = open_runs.get(name)
        if run is not None and records[run[-1]].hash == record.envelope.previous:
            run.append(index)
            continue
        if run is not None:
            yield run
        open_runs[name] = [index]
    yield from open_runs.values()
