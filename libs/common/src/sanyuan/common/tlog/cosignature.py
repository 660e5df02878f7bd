"""Cosignatures by C2SP tlog-cosignature (https://c2sp.org/tlog-cosignature), Ed25519.

A cosignature says: at this time, the consistent tree with the largest size that I have seen of this
log has this root. Its key has signature type 0x04, so that it can never be taken for a log's. Those
of type 0x06 (ML-DSA-44) are ignored, as signatures of unknown keys are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

from sanyuan.common import ed25519
from sanyuan.common.ed25519 import SIGNATURE_BYTES
from sanyuan.common.notes import (
    DASH,
    KEY_BYTES,
    BadSignatureError,
    MalformedNoteError,
    Note,
    check_key_name,
    encode_base64,
    encode_vkey,
    key_id,
    parse_signature,
    parse_vkey,
)
from sanyuan.common.rules import Rule

COSIGNATURE: Final = b"\x04"
MAX_TIME: Final = 2**63 - 1
TIME_BYTES: Final = 8


def cosigned_message(text: bytes, timestamp: int) -> bytes:
    """Return what a cosigner signs of a checkpoint's text (with its final newline)."""
    return b"cosignature/v1\ntime %d\n%s" % (timestamp, text)


@dataclass(frozen=True)
class CosignerKey:
    """The public key of a witness."""

    name: str
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public_key) != KEY_BYTES:
            raise MalformedNoteError(Rule.KEY_BYTES, f"{len(self.public_key)}", where=self.name)

    @classmethod
    def parse(cls, encoded: str) -> Self:
        """Parse a C2SP verifier key of type 0x04; raises MalformedNoteError."""
        return cls(*parse_vkey(encoded, COSIGNATURE))

    def __str__(self) -> str:
        return encode_vkey(self.name, self.public_key, COSIGNATURE)

    @cached_property
    def key_id(self) -> bytes:
        """Four bytes; see `notes.key_id`."""
        return key_id(self.name, self.public_key, COSIGNATURE)

    def verify(self, text: bytes, signature: bytes) -> int:
        """Check a decoded signature without its key id; return its time, seconds since 1970.

        Raises MalformedNoteError or BadSignatureError.
        """
        if len(signature) != TIME_BYTES + SIGNATURE_BYTES:
            raise MalformedNoteError(Rule.COSIGNATURE_BYTES, where=self.name)
        timestamp = int.from_bytes(signature[:TIME_BYTES], "big")
        if not 0 < timestamp <= MAX_TIME:
            raise MalformedNoteError(Rule.COSIGNATURE_TIME, where=self.name)
        message = cosigned_message(text, timestamp)
        if not ed25519.holds(self.public_key, message, signature[TIME_BYTES:]):
            raise BadSignatureError(Rule.SIGNATURE_HOLDS, where=self.name)
        return timestamp


@dataclass(frozen=True)
class Cosigner:
    """A witness's private key; never printed."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.seed) != KEY_BYTES:
            raise MalformedNoteError(Rule.KEY_BYTES, f"{len(self.seed)}", where=self.name)

    @cached_property
    def key(self) -> CosignerKey:
        """The public half."""
        return CosignerKey(self.name, ed25519.public_key_of(self.seed))

    def cosign(self, text: bytes, timestamp: int) -> str:
        """Return the signature line, without newline, over a checkpoint's text.

        `timestamp` is in seconds since 1970. The caller answers for what it says.
        """
        message = cosigned_message(text, timestamp)
        signature = ed25519.sign(self.seed, self.key.public_key, message)
        blob = self.key.key_id + timestamp.to_bytes(TIME_BYTES, "big") + signature
        return f"{DASH}{self.name} {encode_base64(blob)}"


def verify_cosignatures(note: Note, keys: Iterable[CosignerKey]) -> dict[CosignerKey, int]:
    """Return the witnesses that cosigned the note, with the newest time of each.

    Signatures of unknown keys are ignored; a failing one of a known key refuses the whole note.
    """
    known = {(key.name, key.key_id): key for key in keys}
    seen: dict[CosignerKey, int] = {}
    for line in note.signatures:
        name, identity, signature = parse_signature(line)
        if key := known.get((name, identity)):
            seen[key] = max(key.verify(note.text, signature), seen.get(key, 0))
    return seen


def with_signatures(note: bytes, lines: Iterable[str]) -> bytes:
    """Return the signed note with further signature lines (without newlines)."""
    return note + "".join(f"{line}\n" for line in lines).encode()


def is_cosignature_of(line: str, key: CosignerKey) -> bool:
    """Whether name and id of a signature line are the witness's; raises MalformedNoteError."""
    name, identity, _ = parse_signature(line)
    return (name, identity) == (key.name, key.key_id)
