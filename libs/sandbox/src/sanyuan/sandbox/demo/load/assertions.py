"""Assertions between the verification that gave them and the exchange that shows them.

A line each, written before the next decision is asked for, so that a kill loses none. They are good
for one use by their own department (ADR 0016), and their file is nobody else's to read.
"""

from pathlib import Path
from typing import Final, Self

import orjson

from sanyuan.sandbox.demo.load.ledger import read_whole

_PREFIX: Final = "assertions-"


class Assertions:
    """Those of one plan, by department and the index of their exchange."""

    def __init__(self, path: Path) -> None:
        whole = read_whole(path)
        self._held: dict[tuple[int, int], str] = {}
        for line in whole.splitlines():
            department, exchange, text = orjson.loads(line)
            self._held[department, exchange] = text
        path.touch(mode=0o600)
        self._file = path.open("r+b", buffering=0)
        self._file.truncate(len(whole))
        self._file.seek(len(whole))

    @classmethod
    def open(cls, folder: Path, plan: str) -> Self:
        """Those of a plan; what an older plan has left is removed."""
        path = folder / f"{_PREFIX}{plan}.jsonl"
        for other in folder.glob(f"{_PREFIX}*.jsonl"):
            if other != path:
                other.unlink()
        return cls(path)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def put(self, department: int, exchange: int, text: str) -> None:
        """Keep one, also when we are killed right after this; empty when identity gave none."""
        self._file.write(orjson.dumps([department, exchange, text]) + b"\n")
        self._held[department, exchange] = text

    def take(self, department: int, exchange: int) -> str | None:
        """The one for an exchange, which then has it; None when it is not here yet."""
        return self._held.pop((department, exchange), None)
