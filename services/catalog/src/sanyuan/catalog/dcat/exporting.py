"""The export as a file: made once for each revision of the catalogue, then only sent.

Invariants: a file with a final name is complete; its name says the revision and everything else
that it depends on, and so does its ETag. Making it takes a few seconds of one thread, which lets
others run after every resource.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Final, NamedTuple

from rdflib import URIRef

from sanyuan.catalog.dcat.describing import (
    describe,
    describe_catalogue,
    describe_classes,
    describe_provider,
)
from sanyuan.catalog.dcat.frame import Frame
from sanyuan.catalog.dcat.vocabulary import Node
from sanyuan.catalog.dcat.writing import Format, write
from sanyuan.catalog.search import Catalogue
from sanyuan.catalog.search.reading import Snapshot
from sanyuan.common.errors import SanyuanError

_MADE_BY: Final = "1"
"""Raised whenever the same catalogue would be written otherwise."""
_KEPT: Final = 2
_KEPT_SECONDS: Final = 600.0
_SUFFIXES: Final = {Format.TURTLE: ".ttl", Format.JSON_LD: ".jsonld"}


class ExportError(SanyuanError):
    """The export cannot be written."""


class Export(NamedTuple):
    """A finished export; ``etag`` as HTTP wants it."""

    path: Path
    etag: str


class Exporter:
    """Makes exports into a folder of its own; may be used from any thread."""

    def __init__(self, catalogue: Catalogue, frame: Frame, folder: Path) -> None:
        self._catalogue = catalogue
        self._frame = frame
        self._folder = folder
        said = repr((_MADE_BY, astuple(frame))).encode()
        self._digest = hashlib.sha256(said).hexdigest()[:12]
        self._making = threading.Lock()

    def etag(self, form: Format) -> str:
        """The ETag that an export made now would have; raises CatalogueUnavailableError."""
        return f'"{self._stem(self._catalogue.revision())}-{form}"'

    def export(self, form: Format) -> Export:
        """The export of the newest revision; raises CatalogueUnavailableError, ExportError."""
        with self._making, self._catalogue.snapshot() as snapshot:
            stem = self._stem(snapshot.revision)
            path = self._folder / f"{stem}{_SUFFIXES[form]}"
            if not path.exists():
                self._make(snapshot, form, path)
                self._tidy(path.suffix)
            return Export(path, f'"{stem}-{form}"')

    def _stem(self, revision: int) -> str:
        return f"{revision}-{self._digest}"

    def _make(self, snapshot: Snapshot, form: Format, path: Path) -> None:
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.writelines(write(self._nodes(snapshot), form))
            # If we end before this line, a draft is left that `_tidy` removes.
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise ExportError(
                f"the export cannot be written: {error.strerror}",
                where=str(path),
                do="free space on its disk, or let the service write there",
            ) from None

    def _nodes(self, snapshot: Snapshot) -> Iterator[Node]:
        yield from describe_catalogue(self._frame, snapshot.modified())
        for provider in snapshot.providers():
            yield describe_provider(provider, self._frame)
        told = set[URIRef]()
        for entry in snapshot.entries():
            for node in describe_classes(entry.resource, self._frame):
                if node[0] not in told:
                    told.add(node[0])
                    yield node
            yield from describe(entry, self._frame)
            time.sleep(0)  # the interpreter lock goes round: decisions wait for no export

    def _tidy(self, suffix: str) -> None:
        """Remove what nobody is being sent any more."""
        files = [(_age(path), path) for path in self._folder.iterdir() if suffix in path.suffixes]
        for age, path in sorted(files)[_KEPT:]:
            if age > _KEPT_SECONDS:
                path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0
