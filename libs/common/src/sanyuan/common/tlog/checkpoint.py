"""Checkpoints by C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint): origin, size, root.

Our log signs exactly these three lines. The extension lines of other logs are kept, because
cosignatures cover them, and never looked at: nobody can audit them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sanyuan.common.notes import (
    Note,
    NoteError,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
)
from sanyuan.common.rules import Rule
from sanyuan.common.tlog.merkle import EMPTY_ROOT, HASH_BYTES

MAX_SIZE: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES: Final = 3


class CheckpointError(NoteError):
    """The note is no checkpoint, or one of another log."""


def parse_size(text: str) -> int | None:
    """Return a decimal without leading zeroes and below 2^63; None when it is none."""
    size = int(text) if _DECIMAL.fullmatch(text) else None
    return size if size is not None and size <= MAX_SIZE else None


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: the log's origin, the number of leaves and the root (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Opaque lines after the root."""

    def __bytes__(self) -> bytes:
        """The text of the note, with its final newline."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """Parse a note's text, strictly; raises NoteError."""
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError:
            raise CheckpointError(Rule.NOTE_UTF8) from None
        if lines.pop() or len(lines) < _LINES or not all(lines):
            raise CheckpointError(Rule.CHECKPOINT_LINES)
        origin, number, root = lines[:_LINES]
        if (size := parse_size(number)) is None:
            raise CheckpointError(Rule.CHECKPOINT_SIZE)
        parsed = cls(origin, size, decode_base64(root), tuple(lines[_LINES:]))
        if len(parsed.root) != HASH_BYTES:
            raise CheckpointError(Rule.CHECKPOINT_ROOT)
        return parsed

    def check_empty(self) -> None:
        """Raise CheckpointError when the tree is empty and the root is not its root."""
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError(Rule.CHECKPOINT_EMPTY, where=self.origin)

    def agrees_with(self, other: Checkpoint) -> bool:
        """Whether both are of the same tree: extension lines say nothing about it."""
        return (self.origin, self.size, self.root) == (other.origin, other.size, other.root)

    def sign(self, keys: Iterable[SigningKey]) -> bytes:
        """Return the signed note. The caller answers for never signing two that disagree."""
        text = bytes(self)
        return bytes(Note(text, tuple(key.sign(text) for key in keys)))

    @classmethod
    def open_unverified(cls, raw: bytes) -> Checkpoint:
        """Parse a signed checkpoint without looking at its signatures; raises NoteError."""
        return cls.parse(Note.parse(raw).text)

    @classmethod
    def open(
        cls, raw: bytes, *, keys: Iterable[VerifierKey], origin: str | None = None
    ) -> Checkpoint:
        """Parse and verify a signed checkpoint, of the log `origin` when that is given.

        Raises NoteError: not a note, no or a failing signature by `keys`, no checkpoint, or one of
        another origin.
        """
        note = Note.parse(raw)
        note.verify(keys)
        checkpoint = cls.parse(note.text)
        if origin not in (None, checkpoint.origin):
            raise CheckpointError(
                Rule.CHECKPOINT_ORIGIN, f"{checkpoint.origin!r}, not {origin!r}", where=origin
            )
        checkpoint.check_empty()
        return checkpoint
