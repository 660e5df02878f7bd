"""The log's folder by tlog-tiles: files that are written whole, durably, once (design §10).

Durable once a method returns, by whatever process a file was written. A file that exists with the
same bytes is left alone, so that doing a publication again changes nothing. One process at a time
holds the folder (`hold`), whatever database it has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from sanyuan.audit.growth import Files
from sanyuan.audit.heads import FoundNote
from sanyuan.common.errors import SanyuanError
from sanyuan.common.logkeys import year_of
from sanyuan.common.tlog.merkle import HASH_BYTES, leaf_hash
from sanyuan.common.tlog.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    TileError,
    blank_entry,
    decode_bundle,
    decode_hashes,
    encode_bundle,
)

CHECKPOINT: Final = "checkpoint"
COSIGNED: Final = "checkpoint.cosigned"
"""The newest checkpoint that a quorum cosigned: that of `checkpoint`, or an older one."""
TOGETHER: Final = 64
"""Files that are open at once while they are written."""


class LogFolderError(SanyuanError):
    """The folder lacks a file that the log needs, or cannot be written."""


class LogFolderHeldError(LogFolderError):
    """Another process writes this log."""


class LogFolder:
    """One log's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._settled = False
        """Whether folders were made durable that a process before may have left otherwise."""
        path.mkdir(parents=True, exist_ok=True)

    def hold(self) -> IO[str]:
        """Keep every other process from writing until the returned file is closed.

        Raises LogFolderHeldError. The database's lock keeps out a second writer of the same
        database; this one a writer that has a copy of it.
        """
        path = self.path.with_name(f"{self.path.name}.lock")
        file = path.open("w", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise LogFolderHeldError(
                "another process writes this log",
                where=str(path),
                do="see which one it is, and with which database: one log has one writer",
            ) from None
        return file

    def read(self, tile: Tile) -> bytes:
        """Return a tile; raises LogFolderError when it is not there, or cannot be read."""
        try:
            return (self.path / tile.path).read_bytes()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise LogFolderError(
                "the log lacks a file that its checkpoint needs"
                if missing
                else f"a file of the log cannot be read: {error.strerror or error}",
                where=str(self.path / tile.path),
                do="restore the log's folder: nothing else can replace it",
            ) from None

    def read_grown(self, tile: Tile) -> bytes:
        """Return a tile, cut from the full one when that has replaced it; raises as `read`."""
        try:
            return self.read(tile)
        except LogFolderError:
            if tile.full or not (self.path / tile.whole.path).exists():
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
        fresh: list[tuple[Path, bytes]] = []
        with _told(self.path):
            for tile, raw in files:
                path = self.path / tile.path
                if not self._settled:
                    folders |= {*path.parents} - {*self.path.parent.parents}
                if not _holds(path, raw):
                    folders |= _make_folders(path.parent)
                    folders.add(path.parent)
                    fresh.append((path, raw))
            for at in range(0, len(fresh), TOGETHER):
                _write(fresh[at : at + TOGETHER])
            for folder in folders:
                _sync_folder(folder)
        self._settled = True

    def write_checkpoint(self, note: bytes) -> None:
        """Replace the checkpoint."""
        self._put(CHECKPOINT, note)

    def write_cosigned(self, note: bytes) -> None:
        """Replace the newest cosigned checkpoint."""
        self._put(COSIGNED, note)

    def _put(self, name: str, note: bytes) -> None:
        with _told(self.path):
            _write([(self.path / name, note)])
            _sync_folder(self.path)

    def notes(self) -> list[FoundNote]:
        """Return the published checkpoints that are there."""
        paths = (self.path / CHECKPOINT, self.path / COSIGNED)
        return [FoundNote(str(path), path.read_bytes()) for path in paths if path.exists()]

    def leaf_hashes_beyond(self, size: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield (index of the first, leaf hashes) of each tile with leaves from `size` on.

        A file that ends too early is left out: it was never whole, or will be found to be damaged
        by whoever needs it.
        """
        for level in (0, ENTRIES):
            index = size // WIDTH
            while tiles := self._tiles_at(Tile(level, index)):
                for tile in tiles:
                    if index * WIDTH + tile.width > size:
                        with contextlib.suppress(TileError):
                            yield index * WIDTH, _leaf_hashes(tile, self.read(tile))
                index += 1

    def _tiles_at(self, whole: Tile) -> list[Tile]:
        """Return a tile's forms that are there."""
        widths = [WIDTH] if (self.path / whole.path).exists() else []
        partial = self.path / f"{whole.path}.p"
        if partial.is_dir():
            widths += sorted(int(each.name) for each in partial.iterdir() if each.name.isdecimal())
        return [Tile(whole.level, whole.index, width) for width in widths]

    def blank(self, index: int) -> None:
        """Take the bytes of an entry out of every bundle that is there; hash tiles stay."""
        with _told(self.path):
            bundle, at = divmod(index, WIDTH)
            whole = self.path / Tile(ENTRIES, bundle).path
            partials = whole.with_name(f"{whole.name}.p")
            for path in (whole, *sorted(partials.glob("*"))):
                if path.name.startswith("."):
                    path.unlink()  # a draft that a crash left
                elif path.exists() and (path is whole or at < int(path.name)):
                    raw = path.read_bytes()
                    if (blanked := blank_entry(raw, at)) != raw:
                        _write([(path, blanked)])
            _draft_of(whole).unlink(missing_ok=True)
            for folder in (whole.parent, partials):
                if folder.exists():
                    _sync_folder(folder)

    def year(self, year: int) -> LogFolder:
        """Return the folder of an earlier year's log: it lies below the current one."""
        return LogFolder(self.path / str(year))

    def earlier(self, origin: str) -> LogFolder:
        """Return the folder of the log `origin` of an earlier year; raises LogFolderError."""
        path = self.path / str(year_of(origin))
        if not (path / CHECKPOINT).exists():
            raise LogFolderError("an earlier year's log is not here", where=str(path))
        return LogFolder(path)

    def put_away(self, year: int) -> None:
        """Move the log that is here below, unless it is that of `year`; again, when interrupted.

        The checkpoint goes last: it says that something is still to be moved.
        """
        note = self.checkpoint() or b""
        found = year_of(note.partition(b"\n")[0].decode("utf-8", "replace"))
        if found is None or found >= year:
            return
        away = self.year(found).path
        with _told(self.path):
            for name in ("tile", COSIGNED, CHECKPOINT):
                if (self.path / name).exists():
                    (self.path / name).rename(away / name)
                    _sync_folder(away)
                    _sync_folder(self.path)

    def drop_partials(self, full: Iterable[Tile]) -> None:
        """Remove the partial forms of tiles that are full now (tlog-tiles, "Partial Tiles")."""
        for tile in full:
            shutil.rmtree(self.path / f"{tile.whole.path}.p", ignore_errors=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tell a full or broken disk as such; raises LogFolderError."""
    try:
        yield
    except OSError as error:
        raise LogFolderError(
            f"the log's folder cannot be written: {error.strerror or error}",
            where=str(folder),
            do="free space on its disk, or mend it: the log goes on from here at the next start",
        ) from error


def _leaf_hashes(tile: Tile, raw: bytes) -> list[bytes]:
    if tile.level == ENTRIES:
        return [leaf_hash(entry) for entry in decode_bundle(raw, tile.width)]
    return decode_hashes(raw, tile.width)


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


def _write(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files, each whole or not at all: the contents of all are durable before any is named.

    One after the other each would wait for the disk alone, which costs the processor half as much
    again.
    """
    with contextlib.ExitStack() as drafts:
        written = [drafts.enter_context(_draft(path, raw)) for path, raw in files]
        for file in written:
            os.fsync(file.fileno())
    for path, _ in files:
        _name(path)


def _draft(path: Path, raw: bytes) -> IO[bytes]:
    file = _draft_of(path).open("wb")
    try:
        file.write(raw)
        file.flush()
    except OSError:
        file.close()
        raise
    return file


def _name(path: Path) -> None:
    _draft_of(path).replace(path)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
