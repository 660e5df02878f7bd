"""What has ended, a few bytes an operation, written before the next answer is asked for.

The SDK hands an answer out again after a crash until the next one was asked for, and never later.
So what is written first is counted exactly once, whenever the process is killed: an answer that
comes again is found here.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple, Self

from sanyuan.sandbox.demo.load.mix import KINDS
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.schedule import Step

_ENTRY: Final = Struct("<BBBII")
_PREFIX: Final = "journal-"


class Ended(NamedTuple):
    """An operation that has ended, so many milliseconds after it was due."""

    step: Step
    outcome: Outcome
    milliseconds: int


class Journal:
    """The journal of one plan; a new plan's journal removes the old ones."""

    def __init__(self, file: int, entries: dict[Step, Ended]) -> None:
        self._file = file
        self._entries = entries

    @classmethod
    def open(cls, folder: Path, plan: str) -> Self:
        """Read what there is and go on behind it; an entry that was cut off never was."""
        path = folder / f"{_PREFIX}{plan}.bin"
        for other in folder.glob(f"{_PREFIX}*.bin"):
            if other != path:
                other.unlink()
        whole = path.read_bytes() if path.exists() else b""
        whole = whole[: len(whole) - len(whole) % _ENTRY.size]
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.truncate(file, len(whole))
        os.lseek(file, 0, os.SEEK_END)
        return cls(file, {ended.step: ended for ended in _read(whole)})

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)

    def __contains__(self, step: Step) -> bool:
        return step in self._entries

    def __iter__(self) -> Iterator[Ended]:
        return iter(self._entries.values())

    def write(self, ended: Ended) -> None:
        """Know it, also when we are killed right after this."""
        step = ended.step
        entry = (ended.outcome, KINDS.index(step.kind), step.department, step.index)
        os.write(self._file, _ENTRY.pack(*entry, min(ended.milliseconds, 0xFFFFFFFF)))
        self._entries[step] = ended


class JournalReader:
    """Reads along in a plan's journal: every entry once, as soon as it is whole."""

    def __init__(self, folder: Path, plan: str) -> None:
        self._path = folder / f"{_PREFIX}{plan}.bin"
        self._at = 0

    def new(self) -> list[Ended]:
        """What has ended since the last time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                whole = file.read()
        except FileNotFoundError:
            return []
        whole = whole[: len(whole) - len(whole) % _ENTRY.size]
        self._at += len(whole)
        return list(_read(whole))


def _read(whole: bytes) -> Iterator[Ended]:
    for outcome, kind, department, index, milliseconds in _ENTRY.iter_unpack(whole):
        yield Ended(Step(KINDS[kind], department, index), Outcome(outcome), milliseconds)
