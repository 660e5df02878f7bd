"""Files that are made once for all installations of this machine, and copied where needed.

A file in the cache is complete: it gets its name only when it is whole. The cache lies outside the
clone (XDG), in folders named by a version that changes with anything that changes the data.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sanyuan.common.errors import SanyuanError


class SyntheticDataError(SanyuanError):
    """Synthetic data cannot be written or read."""


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yields where to write; what was written gets its name, durably, when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    try:
        yield draft
        _sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def place(source: Path, target: Path) -> None:
    """Copy whole or not at all; no link, so that nothing done to a copy changes the cache."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        shutil.copyfile(source, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def explained(what: str, where: Path, megabytes: int) -> Iterator[None]:
    """Raises what a disk or SQLite raises as SyntheticDataError, with what to do about it."""
    try:
        yield
    except OSError as error:
        raise SyntheticDataError(
            f"{what} cannot be written: {error.strerror}",
            where=error.filename or str(where),
            do=f"free {megabytes} MB on that disk, or set XDG_CACHE_HOME to another",
        ) from None
    except sqlite3.Error as error:
        raise SyntheticDataError(
            f"{what} cannot be written: {error}",
            where=str(where),
            do=f"free {megabytes} MB on that disk",
        ) from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
