"""Moves a closed log's entries into cold storage; hashes and checkpoint stay (ADR 0033).

Invariants: nothing is removed here before the whole of it lies in the archive, durably, and was
proven there, bundle by bundle, against the log's own final checkpoint. What an interrupted run left
is done by the next one. The archive is a whole tlog-tiles log of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from sanyuan.client.verify.source import CHECKPOINT, COSIGNED, FolderSource, SourceError, read_tile
from sanyuan.common.contracts.log import Closed, Sealed
from sanyuan.common.envelope import Envelope
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import verifier_for, year_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH

BUNDLES: Final = "tile/entries"

Progress = Callable[[int, int], None]
"""(bundles proven, bundles in all) -> None."""


class ArchivingError(SanyuanError):
    """The log cannot be moved into cold storage; nothing was removed."""


def archive_log(log: Path, archive: Path, log_key: VerifierKey, progress: Progress) -> Path:
    """Move the entries of the log in folder `log` below `archive`; return where they are.

    Raises ArchivingError, SourceError, ForgedLogError; then every entry is still where it was.
    """
    head = _head(log, log_key)
    target = archive / str(year_of(head.origin))
    source = FolderSource(log, archive)
    _check_closed(AuthenticTiles(partial(read_tile, source), head, source.name))
    if target.resolve() == log.resolve():
        raise ArchivingError("the archive is the log's own folder", where=str(log))
    _copy(log, target)
    copy = FolderSource(target)
    tiles = AuthenticTiles(partial(read_tile, copy), head, copy.name)
    bundles = -(-head.size // WIDTH)
    for bundle in range(bundles):
        tiles.entries(bundle)
        progress(bundle + 1, bundles)
    if (log / BUNDLES).exists():
        shutil.rmtree(log / BUNDLES)
        _sync(log / "tile")
    return target


def _head(log: Path, log_key: VerifierKey) -> Checkpoint:
    note = FolderSource(log).read(CHECKPOINT)
    if note is None:
        raise SourceError("the log has no checkpoint", where=str(log))
    try:
        return Checkpoint.open(note, keys=[verifier_for(log_key, note)])
    except NoteError as error:
        raise ForgedLogError(str(error), where=str(log)) from None


def _check_closed(tiles: AuthenticTiles) -> None:
    """Raise ArchivingError unless the leaf before the last seal closes the log."""
    size = tiles.head.size
    last = _envelope(tiles, size - 1)
    parts = last.data.get("parts") if last is not None and last.type == Sealed.TYPE else None
    closing = None
    if isinstance(parts, int) and 0 < parts < size:
        closing = _envelope(tiles, size - 1 - parts)
    if closing is None or closing.type != Closed.TYPE:
        raise ArchivingError(
            f"{tiles.head.origin} is not closed",
            do="only the log of an earlier year goes into cold storage",
        )


def _envelope(tiles: AuthenticTiles, index: int) -> Envelope | None:
    if index < 0:
        return None
    entry = tiles.entries(index // WIDTH)[index % WIDTH]
    return None if entry == BLANK else parse_leaf(entry).envelope


def _copy(log: Path, target: Path) -> None:
    """Copy every file of the log that is not there yet in full; durable once this returns."""
    for name in (CHECKPOINT, COSIGNED, "tile"):
        for path in sorted([log / name, *(log / name).rglob("*")]):
            if path.is_file():
                _copy_file(path, target / path.relative_to(log))


def _copy_file(path: Path, target: Path) -> None:
    if target.exists() and target.read_bytes() == path.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    with draft.open("wb") as file:
        file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
