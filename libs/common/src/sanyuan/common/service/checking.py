"""The first half of a batch, pure: which raw records are authentic (design §3).

A run is a series of records of one source and key in which each names its predecessor by hash. The
signature of a run's last record authenticates all of it; only when that fails is each one checked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sanyuan.common.directory import Directory
from sanyuan.common.record import Record, Rejection, find_key, verify


@dataclass(frozen=True, slots=True)
class Checked:
    """The authentic records in their order, and the others with their reasons."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]


def check(read_records: Sequence[Record | Rejection], directory: Directory) -> Checked:
    """Keep what is authentic under the directory."""
    rejections = [item for item in read_records if isinstance(item, Rejection)]
    records = [item for item in read_records if isinstance(item, Record)]
    failed: dict[int, Rejection] = {}
    for run in _runs(records):
        failed.update(_check_run(records, run, directory))
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


def _check_run(
    records: Sequence[Record], run: Sequence[int], directory: Directory
) -> dict[int, Rejection]:
    last = records[run[-1]]
    key = find_key(last, directory)
    if isinstance(key, Rejection):
        return {index: Rejection(records[index].raw, key.reason, key.detail) for index in run}
    if verify(last, key) is None:
        return {}
    found = {index: verify(records[index], key) for index in run}
    return {index: rejection for index, rejection in found.items() if rejection is not None}
