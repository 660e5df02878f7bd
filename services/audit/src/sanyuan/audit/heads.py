"""Signed checkpoints and where they were found: what says how far the log is published. No IO."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import EMPTY_ROOT


class ForkError(SanyuanError):
    """Going on would sign a second history; nothing is signed."""


class FoundNote(NamedTuple):
    """A signed note, and the file, topic or witness that has it."""

    where: str
    note: bytes


class Head(NamedTuple):
    """A checkpoint of this log's key."""

    where: str
    checkpoint: Checkpoint
    note: bytes
    """The checkpoint as it was signed."""

    def __str__(self) -> str:
        return f"{told(self.checkpoint)} ({self.where})"


def told(tree: Checkpoint) -> str:
    """Return size and root as errors name them."""
    return f"{tree.size} leaves, root {tree.root.hex()}"


def open_heads(notes: Iterable[FoundNote], key: VerifierKey) -> list[Head]:
    """Verify every note; raises ForkError when one is not of this log (key and log share a name).

    Such a note is not skipped: what is unreadable now may have been the newest.
    """
    heads: list[Head] = []
    strange: list[tuple[str, str]] = []
    for where, note in notes:
        try:
            checkpoint = Checkpoint.open(note, origin=key.name, keys=[key])
            heads.append(Head(where, checkpoint, note))
        except NoteError as error:
            strange.append((where, str(error)))
    if strange:
        where, reason = strange[0]
        raise ForkError(
            f"a published checkpoint is not this log's: {reason}; the newest elsewhere has "
            f"{newest(heads, key.name)}",
            where=where,
            do="see whether the log's key and folder belong together. If they do and this note is "
            "damaged, move it away: when it was the newest, that one is found elsewhere or must be "
            "put in its place from a copy",
        )
    return heads


def newest(heads: Sequence[Head], origin: str) -> Head:
    """Return the newest, that of size 0 without any; raises ForkError at two roots of one size."""
    best = Head("nowhere", Checkpoint(origin, 0, EMPTY_ROOT), b"")
    for each in heads:
        if each.checkpoint.size == best.checkpoint.size and not each.checkpoint.agrees_with(
            best.checkpoint
        ):
            raise ForkError(
                f"two published checkpoints of one size have two roots: {best} and {each}",
                where=origin,
                do="keep both notes: they convict whoever holds the log's key",
            )
        if each.checkpoint.size > best.checkpoint.size:
            best = each
    return best
