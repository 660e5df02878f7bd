"""Which resources are in force, a code a line: written by who reviews, read by who wants grants."""

from pathlib import Path

from sanyuan.sandbox.demo.load.ledger import read_whole


class Published:
    """Grows as resources come into force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.codes: set[str] = set()
        self.look()

    def look(self) -> None:
        """Read what is new."""
        whole = read_whole(self._path, self._read)
        self._read += len(whole)
        self.codes.update(whole.decode().split())

    def write(self, codes: list[str]) -> None:
        """These are in force; only one process ever writes."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            file.write("".join(f"{code}\n" for code in codes).encode())
        self.look()
