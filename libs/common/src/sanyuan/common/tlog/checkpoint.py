"""Checkpoints by C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint): origin, size, root.

Ours have exactly these three lines: extension lines are not auditable and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sanyuan.common.notes import (
    Note,
    NoteError,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
)
from sanyuan.common.tlog.merkle import EMPTY_ROOT, HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3


class CheckpointError(NoteError):
    """The note is no checkpoint of three lines, or one of another log."""


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: the log's origin, the number of leaves and the root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __bytes__(self) -> bytes:
        """The text of the note, with its final newline."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """Parse a note's text, strictly; raises CheckpointError."""
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError as error:
            raise CheckpointError("a checkpoint is not UTF-8") from error
        if len(lines) != _LINES + 1 or lines[-1]:
            raise CheckpointError("a checkpoint has three lines: origin, size, root")
        origin, size, root = lines[:_LINES]
        if not origin:
            raise CheckpointError("a checkpoint's origin is empty")
        if not _SIZE.fullmatch(size):
            raise CheckpointError("a checkpoint's size is a decimal without leading zeroes")
        parsed = cls(origin, int(size), decode_base64(root))
        if len(parsed.root) != HASH_BYTES or (parsed.size == 0 and parsed.root != EMPTY_ROOT):
            raise CheckpointError("a checkpoint's root is no SHA-256 tree head")
        return parsed

    def sign(self, keys: Iterable[SigningKey]) -> bytes:
        """Return the signed note. The caller answers for never signing two that disagree."""
        text = bytes(self)
        return bytes(Note(text, tuple(key.sign(text) for key in keys)))

    @classmethod
    def open(cls, raw: bytes, *, origin: str, keys: Iterable[VerifierKey]) -> Checkpoint:
        """Parse and verify a signed checkpoint of the log `origin`.

        Raises NoteError: not a note, no or a failing signature by `keys`, no checkpoint, or one of
        another origin.
        """
        note = Note.parse(raw)
        note.verify(keys)
        checkpoint = cls.parse(note.text)
        if checkpoint.origin != origin:
            raise CheckpointError(f"the checkpoint is of {checkpoint.origin!r}, not of {origin!r}")
        return checkpoint
