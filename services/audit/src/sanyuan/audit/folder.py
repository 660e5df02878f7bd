"""The log's folder by tlog-tiles: files that are written whole, durably, once (design §10).

Durable once a method returns. A file that exists with the same bytes is left alone, so that doing a
publication again changes nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sanyuan.audit.growth import Files
from sanyuan.common.errors import SanyuanError
from sanyuan.common.logkeys import year_of
from sanyuan.common.tlog.merkle import HASH_BYTES
from sanyuan.common.tlog.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    blank_entry,
    decode_bundle,
    encode_bundle,
)

CHECKPOINT: Final = "checkpoint"
COSIGNED: Final = "checkpoint.cosigned"
"""The newest checkpoint that a quorum cosigned: that of `checkpoint`, or an older one."""


class LogFolderError(SanyuanError):
    """The folder lacks a file that the log needs."""


class LogFolder:
    """One log's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def read(self, tile: Tile) -> bytes:
        """Return a tile; raises LogFolderError when it is not there."""
        try:
            return (self.path / tile.path).read_bytes()
        except FileNotFoundError:
            raise LogFolderError(
                "the log lacks a file that its checkpoint needs",
                where=str(self.path / tile.path),
                do="restore the log's folder: nothing else can replace it",
            ) from None

    def read_grown(self, tile: Tile) -> bytes:
        """Return a tile, cut from the full one when that has replaced it; raises as `read`."""
        try:
            return self.read(tile)
        except LogFolderError:
            if tile.full:
                raise
        raw = self.read(tile.whole)
        if tile.level == ENTRIES:
            return encode_bundle(decode_bundle(raw, WIDTH)[: tile.width])
        return raw[: tile.width * HASH_BYTES]

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint's note, None before the first."""
        try:
            return (self.path / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    def write_tiles(self, files: Files) -> None:
        """Write tiles; they and their folders are durable once this returns."""
        folders: set[Path] = set()
        for tile, raw in files:
            path = self.path / tile.path
            if not _holds(path, raw):
                folders |= _make_folders(path.parent)
                _write(path, raw)
                folders.add(path.parent)
        for folder in folders:
            _sync_folder(folder)

    def write_checkpoint(self, note: bytes) -> None:
        """Replace the checkpoint."""
        _write(self.path / CHECKPOINT, note)
        _sync_folder(self.path)

    def write_cosigned(self, note: bytes) -> None:
        """Replace the newest cosigned checkpoint."""
        _write(self.path / COSIGNED, note)
        _sync_folder(self.path)

    def notes(self) -> list[bytes]:
        """Return the published checkpoints that are there."""
        paths = (self.path / CHECKPOINT, self.path / COSIGNED)
        return [path.read_bytes() for path in paths if path.exists()]

    def blank(self, index: int) -> None:
        """Take the bytes of an entry out of every bundle that is there; hash tiles stay."""
        bundle, at = divmod(index, WIDTH)
        whole = self.path / Tile(ENTRIES, bundle).path
        partials = whole.with_name(f"{whole.name}.p")
        for path in (whole, *sorted(partials.glob("*"))):
            if path.name.startswith("."):
                path.unlink()  # a draft that a crash left
            elif path.exists() and (path is whole or at < int(path.name)):
                raw = path.read_bytes()
                if (blanked := blank_entry(raw, at)) != raw:
                    _write(path, blanked)
        whole.with_name(f".{whole.name}.new").unlink(missing_ok=True)
        for folder in (whole.parent, partials):
            if folder.exists():
                _sync_folder(folder)

    def year(self, year: int) -> LogFolder:
        """Return the folder of an earlier year's log: it lies below the current one."""
        return LogFolder(self.path / str(year))

    def put_away(self, year: int) -> None:
        """Move the log that is here below, unless it is that of `year`; again, when interrupted.

        The checkpoint goes last: it says that something is still to be moved.
        """
        note = self.checkpoint() or b""
        found = year_of(note.partition(b"\n")[0].decode("utf-8", "replace"))
        if found is None or found >= year:
            return
        away = self.year(found).path
        for name in ("tile", COSIGNED, CHECKPOINT):
            if (self.path / name).exists():
                (self.path / name).rename(away / name)
                _sync_folder(away)
                _sync_folder(self.path)

    def drop_partials(self, full: Iterable[Tile]) -> None:
        """Remove the partial forms of tiles that are full now (tlog-tiles, "Partial Tiles")."""
        for tile in full:
            shutil.rmtree(self.path / f"{tile.whole.path}.p", ignore_errors=True)


def _holds(path: Path, raw: bytes) -> bool:
    try:
        return path.stat().st_size == len(raw) and path.read_bytes() == raw
    except FileNotFoundError:
        return False


def _make_folders(folder: Path) -> set[Path]:
    """Make what is missing; return the folders that got a new entry."""
    touched = set()
    missing = folder
    while not missing.exists():
        missing = missing.parent
        touched.add(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return touched


def _write(path: Path, raw: bytes) -> None:
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
