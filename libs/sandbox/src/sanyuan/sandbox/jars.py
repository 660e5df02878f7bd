"""The published jars of Apache Kafka: which they are, and where they lie.

Invariants:
- A jar counts only with the SHA-256 of `kafka-4.3.1.sha256`, the one list, part of the source.
- The folder's name holds the list's digest: another list is another folder, nothing is mended.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

VERSION: Final = "4.3.1"


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list: hex SHA-256, bytes, and group:artifact:version."""

    sha256: str
    size: int
    coordinates: str

    @property
    def name(self) -> str:
        """Its file's name."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def folder(cache_folder: Path) -> Path:
    """Where the jars of this release lie, or will lie, in `cache_folder`."""
    return cache_folder / f"kafka-{VERSION}-{hashlib.sha256(_list()).hexdigest()[:12]}"


def class_path(jars: Path) -> str:
    """The class path of the broker and its tools, in an order that is always the same."""
    return ":".join(str(jars / jar.name) for jar in pinned())


def is_whole(home: Path, jars: Sequence[Jar] | None = None) -> bool:
    """Whether every jar of the list is in `home` with its digest; 0.05 s for the 56 MB."""
    try:
        return all(digest_of(home / jar.name) == jar.sha256 for jar in jars or pinned())
    except FileNotFoundError:
        return False


@cache
def pinned() -> tuple[Jar, ...]:
    """The list, in its own order."""
    lines = (line.split() for line in _list().decode().splitlines() if not line.startswith("#"))
    return tuple(Jar(sha256, int(size), coordinates) for sha256, size, coordinates in lines)


@cache
def _list() -> bytes:
    return resources.files(__package__).joinpath(f"kafka-{VERSION}.sha256").read_bytes()


def digest_of(file: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
