"""What the supervisor keeps of the heads that it was sent: a file for each source, and no database.

A folder of such files can be copied to wherever the log is verified. Notes of the last minutes are
kept and the newest before them, so that a log that ends a little earlier can be judged by what was
known then; and for ever the highest head of each stream, so that nobody takes a head back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.client.heads.note import Head, Heads, HeadsError, SignedHeads

RECENT_SECONDS: Final = 300.0
SPACING_SECONDS: Final = 5.0
"""Notes that come more often replace each other."""
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Posted:
    """A note, and when the supervisor got it (seconds since 1970)."""

    received: float
    note: SignedHeads

    @property
    def heads(self) -> Heads:
        """What it says."""
        return self.note.heads


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    received: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    note: str


class Notes(BaseModel):
    """``{"notes": [{"received": …, "note": …}, …]}``: a file's content, and what is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notes: tuple[_Note, ...]

    @classmethod
    def of(cls, posted: Sequence[Posted]) -> Notes:
        """Put into words."""
        rows = (_Note(received=each.received, note=each.note.raw.decode()) for each in posted)
        return cls(notes=tuple(rows))

    @classmethod
    def read(cls, raw: bytes, where: str) -> list[Posted]:
        """Read what `of` wrote; raises HeadsError. No signature is checked."""
        try:
            found = cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]["msg"]
            raise HeadsError(f"these are no heads: {first}", where=where) from None
        return [
            Posted(each.received, SignedHeads.parse(each.note.encode())) for each in found.notes
        ]


def keep(kept: Sequence[Posted], new: Posted) -> tuple[list[Posted], Head | None]:
    """What to keep once ``new`` has come, and the head that it takes back, if it does so.

    ``kept`` are the notes of one source in the order in which they came.
    """
    highest = list(_highest(kept))
    lost = next((head for each in highest if (head := new.heads.behind(each.heads))), None)
    before = list(kept)
    if len(before) > 1 and before[-1].received - before[-2].received < SPACING_SECONDS:
        before.pop()
    recent = [each for each in before if each.received > new.received - RECENT_SECONDS]
    older = [each for each in before if each.received <= new.received - RECENT_SECONDS]
    essential = {id(each) for each in (*recent, *older[-1:], *(highest if lost else ()))}
    return [*(each for each in kept if id(each) in essential), new], lost


def _highest(kept: Sequence[Posted]) -> Iterator[Posted]:
    """The notes that no later one covers."""
    for at, each in enumerate(kept):
        if all(later.heads.behind(each.heads) for later in kept[at + 1 :]):
            yield each


def load_folder(folder: Path) -> Iterator[Posted]:
    """Every note in a folder; raises HeadsError and OSError."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        yield from Notes.read(path.read_bytes(), str(path))


def write_notes(folder: Path, source: str, posted: Sequence[Posted]) -> None:
    """Replace the file of a source; durable once this returns."""
    path = folder / (hashlib.sha256(source.encode()).hexdigest()[:32] + _SUFFIX)
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(Notes.of(posted).model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
