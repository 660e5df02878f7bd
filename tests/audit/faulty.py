"""Faults at the durable writes of the log: each fails, or the process dies, at any moment of it.

Death is what is left at that moment: the lab goes on with a copy of its folder that was made then,
whatever the dying process still does to the original while its exceptions unwind. When the power
fails, names in folders that were never synced are not even left, and files have the names and
contents that were there before.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from sqlalchemy import Connection
from tests.audit.conftest import Broker, CrashError, Headers, Lab
from tests.stores import File

from sanyuan.audit import folder
from sanyuan.audit.folder import CHECKPOINT, COSIGNED
from sanyuan.common.database import Database
from sanyuan.common.tlog.tiles import Tile

T = TypeVar("T")
C = TypeVar("C", Database, IO[bytes])


class Fault(Enum):
    """What happens to one write."""

    FAILS = "fails, nothing persisted"
    FAILS_HALF = "fails, half written"
    FULL = "fails half written: no space left on the disk"
    FAILS_LATE = "fails, though persisted"
    DIES = "the process dies before"
    DIES_HALF = "the process dies, half written"
    DIES_LATE = "the process dies after"
    POWER = "the power fails after"


BEFORE = (Fault.FAILS, Fault.DIES)
HALF = (Fault.FAILS_HALF, Fault.FULL, Fault.DIES_HALF)
DEADLY = (Fault.DIES, Fault.DIES_HALF, Fault.DIES_LATE, Fault.POWER)


@dataclass
class Faults:
    """One armed fault at a time; every write of the lab's service goes through `perform`."""

    lab: Lab
    write: str = ""
    fault: Fault = Fault.FAILS
    left: int = 0
    struck: bool = False
    corpse: Path | None = None
    """What a dead process left."""
    seen: set[str] = field(default_factory=set)
    unsynced: dict[Path, bytes | None] = field(default_factory=lambda: {Path("audit/log"): None})
    """Names that a power cut takes back, below `var`, and the contents that they had before."""
    _lives: int = 0
    _one: threading.RLock = field(default_factory=threading.RLock)
    """Writes happen one at a time, so that a corpse is of one moment."""

    def arm(self, write: str, fault: Fault, hits: int) -> None:
        """Strike when `write` is done for the n-th time from now on."""
        self.write, self.fault, self.left, self.struck = write, fault, hits, False

    def perform(self, write: str, do: Callable[[], T], half: Callable[[], object]) -> T:
        """Do a write, unless its fault is due; `half` does it by half."""
        with self._one:
            self.seen.add(write)
            if self.struck and self.corpse is not None:
                raise CrashError("dead")
            if write != self.write or self.struck:
                return do()
            self.left -= 1
            if self.left:
                return do()
            self.struck = True
            if self.fault in HALF:
                half()
            elif self.fault not in BEFORE:
                do()
            raise self._failure(write)

    def _failure(self, write: str) -> Exception:
        if self.fault in DEADLY:
            self._lives += 1
            self.corpse = self.lab.var.with_name(f"life-{self._lives}")
            shutil.copytree(self.lab.var, self.corpse)
            if self.fault is Fault.POWER:
                self._forget(self.corpse)
            return CrashError(write)
        number = errno.ENOSPC if self.fault is Fault.FULL else errno.EIO
        return OSError(number, f"{write}: {self.fault.value}")

    def _forget(self, corpse: Path) -> None:
        for name, former in self.unsynced.items():
            if (corpse / name).is_dir():
                shutil.rmtree(corpse / name)
            elif former is None:
                (corpse / name).unlink(missing_ok=True)
            elif (corpse / name).parent.is_dir():
                (corpse / name).write_bytes(former)
        self.unsynced.clear()

    def named(self, path: Path) -> None:
        """A file or folder is about to get a name."""
        name = path.relative_to(self.lab.var)
        self.unsynced.setdefault(name, path.read_bytes() if path.is_file() else None)

    def synced(self, folder: Path) -> None:
        """The names in a folder are durable."""
        inside = folder.relative_to(self.lab.var)
        self.unsynced = {
            name: former for name, former in self.unsynced.items() if name.parent != inside
        }

    def bury(self) -> None:
        """Let the next life begin on what the dead process left."""
        if self.corpse is not None:
            shutil.rmtree(self.lab.var)
            self.lab.var, self.corpse = self.corpse, None
            self.lab.home = File(self.lab.var)
        self.write = ""


def file_written(path: Path) -> str:
    """The kind of a file of the log."""
    if path.name in (CHECKPOINT, COSIGNED):
        return path.name
    tile = Tile.parse(str(path)[str(path).rindex("tile/") :])
    width = "full" if tile.full else "partial"
    return f"{width} {'bundle' if tile.level < 0 else 'hashes'}"


TRANSACTIONS = {
    "AuditLog.append.<locals>.<lambda>": "append",
    "AuditLog._take_seal.<locals>.<lambda>": "seal",
    "AuditLog.forget.<locals>.<lambda>": "forget",
    "Lab.start.<locals>.begin": "recovery",
    "Lab.start.<locals>.choose": None,
    "load_parts": None,
}
"""Whose work a transaction does; None: it only reads here."""


def open_under(faults: Faults, write: str, do: Callable[[], C], half: Callable[[], object]) -> C:
    """Perform a write that opens something; what it has opened is closed when it fails."""
    opened: list[C] = []

    def remember() -> C:
        opened.append(do())
        return opened[0]

    try:
        return faults.perform(write, remember, half)
    except (CrashError, OSError):
        for each in opened:
            each.close()
        raise


def install(faults: Faults, patch: pytest.MonkeyPatch) -> None:
    """Lead every durable write of the lab's service through `faults`."""
    install_database(faults, patch)
    install_folder(faults, patch)
    faults.lab.broker = FaultyBroker(faults.lab.broker.sent, faults)


def install_database(faults: Faults, patch: pytest.MonkeyPatch) -> None:
    real_run, real_open = Database._run, Database.open

    def run(self: Database, work: Callable[[Connection], T]) -> T:
        name = TRANSACTIONS[work.__qualname__]
        if name is None:
            return real_run(self, work)

        def half(connection: Connection) -> None:
            work(connection)
            if faults.fault is Fault.FULL:
                fill(connection)
            raise faults._failure(name)

        return faults.perform(name, lambda: real_run(self, work), lambda: real_run(self, half))

    def open_database(*given: Any, **how: Any) -> Database:  # noqa: ANN401
        return open_under(faults, "opening", lambda: real_open(*given, **how), never)

    patch.setattr(Database, "_run", run)
    patch.setattr(Database, "open", open_database)


def install_folder(faults: Faults, patch: pytest.MonkeyPatch) -> None:
    real_sync, real_make = folder._sync_folder, folder._make_folders

    def sync(path: Path) -> None:
        def do() -> None:
            real_sync(path)
            faults.synced(path)

        faults.perform("folder synced", do, never)

    def make(path: Path) -> set[Path]:
        missing = [each for each in (path, *path.parents) if not each.exists()]

        def do() -> set[Path]:
            for each in missing:
                faults.named(each)
            return real_make(path)

        return faults.perform("folder made", do, missing[-1].mkdir) if missing else set()

    install_files(faults, patch)
    patch.setattr(folder, "_sync_folder", sync)
    patch.setattr(folder, "_make_folders", make)
    patch.setattr(shutil, "rmtree", removing(faults))


def install_files(faults: Faults, patch: pytest.MonkeyPatch) -> None:
    real_draft, real_name, real_sync = folder._draft, folder._name, os.fsync
    drafts: dict[int, Path] = {}
    durable: set[Path] = set()

    def draft(path: Path, raw: bytes) -> IO[bytes]:
        def half() -> None:
            real_draft(path, raw[: len(raw) // 2]).close()

        kind = file_written(path)
        opened = open_under(faults, kind, lambda: real_draft(path, raw), half)
        drafts[opened.fileno()] = path
        return opened

    def sync(descriptor: int) -> None:
        real_sync(descriptor)
        if (path := drafts.pop(descriptor, None)) is not None:
            durable.add(path)

    def name(path: Path) -> None:
        def do() -> None:
            durable.remove(path)  # its contents are there, whatever happens to its name
            faults.named(path)
            real_name(path)

        faults.perform(f"{file_written(path)} named", do, never)

    patch.setattr(folder, "_draft", draft)
    patch.setattr(folder, "_name", name)
    patch.setattr(os, "fsync", sync)


def removing(faults: Faults) -> Callable[..., None]:
    real_remove = shutil.rmtree

    def remove(path: Path, **how: Any) -> None:  # noqa: ANN401
        def half() -> None:
            next(path.iterdir()).unlink()

        if path.name.endswith(".p") and path.exists():
            faults.perform("partials dropped", lambda: real_remove(path, **how), half)
        else:
            real_remove(path, **how)

    return remove


def fill(connection: Connection) -> None:
    """Make SQLite itself find its disk full, in the middle of a transaction."""
    connection.exec_driver_sql("PRAGMA max_page_count=1")  # it takes the present size for that
    connection.exec_driver_sql("CREATE TABLE too_much AS SELECT zeroblob(10000000)")


def never() -> None:
    raise AssertionError("this write has no half")


@dataclass
class FaultyBroker(Broker):
    """Takes nothing, a part, or all of what is sent, and then fails."""

    faults: Faults | None = None

    async def send(self, topic: str, key: bytes, values: Sequence[tuple[bytes, Headers]]) -> None:
        assert self.faults is not None
        self.faults.perform(
            f"{topic} sent",
            lambda: self.keep(topic, key, values),
            lambda: self.keep(topic, key, values[: len(values) // 2]),
        )
