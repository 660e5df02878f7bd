"""Where a log is read from: a tlog-tiles folder or an HTTP base URL, in the same paths."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import httpx

from sanyuan.common.access import PARTIAL, make_token, service_source
from sanyuan.common.errors import SanyuanError
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.merkle import HASH_BYTES
from sanyuan.common.tlog.tiles import ENTRIES, WIDTH, Tile, decode_bundle, encode_bundle

CHECKPOINT = "checkpoint"
COSIGNED = "checkpoint.cosigned"
"""The newest checkpoint that a quorum of witnesses cosigned, where the log has one."""
NO_MARK = b""
MAX_RESOURCE_BYTES = 32 * 1024 * 1024
"""A bundle of 256 entries of 65,535 bytes is half of it."""


_YEAR = re.compile(r"[1-9][0-9]{3}")


class SourceError(SanyuanError):
    """The log, or a part of it that is needed, could not be read."""


class LogSource(Protocol):
    """Reads a log; every method may be called from any thread."""

    name: str
    partial: bool
    """Whether something was blank because this reader may not see it."""

    def read(self, path: str) -> bytes | None:
        """Return a resource, None when it does not exist; raises SourceError."""

    def year(self, year: int) -> LogSource | None:
        """Return the log of another year that lies where this one does; None without any."""

    def fingerprint(self, tiles: Iterable[Tile]) -> bytes | None:
        """Say cheaply whether files that an earlier run verified are still the same files.

        None when one is missing, NO_MARK when the source has no such means.
        """


def open_source(
    log: str, reader: SystemFile | None = None, archive: Path | None = None
) -> FolderSource | HttpSource:
    """Return the source for a folder's path or an `http(s)://` URL; raises SourceError.

    Over HTTP, entries are shown to `reader`: to the supervisor all, to a participant its own.
    `archive` is where entries are that a log does not have any more: see `sanyuan archive-log`.
    """
    if log.startswith(("http://", "https://")):
        return HttpSource(log, reader=reader, archive=archive)
    folder = Path(log)
    if not folder.is_dir():
        raise SourceError("there is no such folder", where=log, do="name the folder of a log")
    return FolderSource(folder, archive)


def _places(base: str, year: int) -> list[str]:
    """Where the log of a year lies: below the current one, or beside that of another year."""
    parent, _, name = base.rpartition("/")
    beside = [f"{parent}/{year}", parent] if _YEAR.fullmatch(name) else []
    return [*beside, f"{base}/{year}"]


def read_tile(source: LogSource, tile: Tile) -> bytes:
    """Return the bytes of a tile; for a partial one, the beginning of the full one will do.

    Raises SourceError when there is neither (tlog-tiles, "Partial Tiles"), TileError when the full
    bundle is malformed.
    """
    if (raw := source.read(tile.path)) is not None:
        return raw
    if not tile.full and (raw := source.read(tile.whole.path)) is not None:
        if tile.level == ENTRIES:
            return encode_bundle(decode_bundle(raw, WIDTH)[: tile.width])
        return raw[: tile.width * HASH_BYTES]
    raise SourceError("the log has no such file", where=tile.path)


ARCHIVED = "tile/entries/"
"""What moves into cold storage; hash tiles and checkpoints stay."""


def names_year(note: bytes | None, year: int) -> bool:
    """Whether a checkpoint is that of a year's log; the note is not verified."""
    return note is not None and note.partition(b"\n")[0].endswith(f"/log/{year}".encode())


def read_archived(archive: Path | None, year: str, path: str) -> bytes | None:
    """Return a bundle from cold storage, where the log of a year lies under its number."""
    if archive is None or not path.startswith(ARCHIVED):
        return None
    return _read(archive / year, path)


def _read(folder: Path, path: str) -> bytes | None:
    try:
        return (folder / path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(error.strerror or str(error), where=path) from error


class FolderSource:
    """A log as files."""

    partial = False

    def __init__(self, folder: Path, archive: Path | None = None) -> None:
        self.name = str(folder)
        self._folder = folder
        self._archive = archive

    def year(self, year: int) -> FolderSource | None:
        """See LogSource."""
        for place in _places(str(self._folder.absolute()), year):
            if names_year(_read(Path(place), CHECKPOINT), year):
                return FolderSource(Path(place), self._archive)
        return None

    def read(self, path: str) -> bytes | None:
        """See LogSource."""
        found = _read(self._folder, path)
        return read_archived(self._archive, self._folder.name, path) if found is None else found

    def _stat(self, path: str) -> os.stat_result:
        try:
            return os.stat(self._folder / path)  # noqa: PTH116 -- 24,000 files: no Path
        except FileNotFoundError:
            if self._archive is None or not path.startswith(ARCHIVED):
                raise
            return os.stat(self._archive / self._folder.name / path)  # noqa: PTH116 -- as above

    def fingerprint(self, tiles: Iterable[Tile]) -> bytes | None:
        """See LogSource. Covers inode, size and times: a copy, too, is another file."""
        digest = hashlib.sha256()
        for tile in tiles:
            try:
                stat = self._stat(tile.path)
            except OSError:
                return None
            facts = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            digest.update(repr(facts).encode())
        return digest.digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class ReadAuth(httpx.Auth):
    """Adds a fresh token to every request (design §8)."""

    def __init__(self, reader: SystemFile) -> None:
        self._key = reader.signing
        self._audience = service_source(reader.domain, "audit")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        token = make_token(self._key, self._audience, time.time())
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class HttpSource:
    """A log over HTTP, by C2SP tlog-tiles; `reader` is who asks for its entries."""

    def __init__(
        self,
        url: str,
        client: httpx.Client | None = None,
        *,
        reader: SystemFile | None = None,
        archive: Path | None = None,
    ) -> None:
        self._reader = reader
        self._archive = archive
        self.name = url
        self.partial = False
        self._base = url.rstrip("/")
        self._client = client or httpx.Client(timeout=30.0, follow_redirects=False)
        self._auth = ReadAuth(reader) if reader else None

    def year(self, year: int) -> HttpSource | None:
        """See LogSource. Uses the same connections."""
        for place in _places(self._base, year):
            found = HttpSource(place, self._client, reader=self._reader, archive=self._archive)
            if names_year(found.read(CHECKPOINT), year):
                return found
        return None

    def read(self, path: str) -> bytes | None:
        """See LogSource."""
        try:
            answer = self._client.get(f"{self._base}/{path}", auth=self._auth)
        except httpx.HTTPError as error:
            raise SourceError(
                f"the log does not answer: {type(error).__name__}", where=f"{self._base}/{path}"
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return read_archived(self._archive, self._base.rpartition("/")[2], path)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise SourceError(
                f"the log does not show its entries to this reader: {answer.text.strip()[:200]}",
                where=f"{self._base}/{path}",
                do="name the file of a system that may read them: --as var/systems/NAME.json",
            )
        if answer.status_code != httpx.codes.OK:
            raise SourceError(f"the log answers {answer.status_code}", where=f"{self._base}/{path}")
        if len(answer.content) > MAX_RESOURCE_BYTES:
            raise SourceError("the answer is longer than any tile", where=f"{self._base}/{path}")
        self.partial = self.partial or PARTIAL in answer.headers
        return answer.content

    def fingerprint(self, tiles: Iterable[Tile]) -> bytes | None:  # noqa: ARG002 -- see below
        """See LogSource: what was verified stays verified, whatever is served afterwards."""
        return NO_MARK

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
