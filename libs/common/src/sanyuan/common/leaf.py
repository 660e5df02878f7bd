r"""One entry of the log: the signed note of a record, verbatim (design §3, "Exact bytes").

`value ‖ \n\n ‖ signature header ‖ \n`. The value has no byte below 0x20, so it splits in one way
only. Pure; a leaf that parses is well formed, and authentic once its signature was checked.
"""

from __future__ import annotations

from typing import NamedTuple

from sanyuan.common.envelope import Envelope, EnvelopeError, decode, hash_value
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import NoteError, VerifierKey, parse_signature
from sanyuan.common.sources import key_name


class LeafError(SanyuanError):
    """The entry is not the signed note of a record, or not by the source that it names."""


class Leaf(NamedTuple):
    """A well-formed entry."""

    value: bytes
    envelope: Envelope
    hash: str
    """Hex SHA-256 of the value."""
    key_id: bytes
    blob: bytes
    """The decoded signature: key id ‖ 64 bytes."""

    @property
    def stream(self) -> tuple[str, str]:
        """(source, signed topic)."""
        return self.envelope.source, self.envelope.topic

    def verify(self, key: VerifierKey) -> None:
        """Check the signature; raises NoteError."""
        key.verify_signature(self.value + b"\n", self.blob)


def encode_leaf(value: bytes, signature: bytes) -> bytes:
    """Return the entry of a record; `signature` is its header, without newline."""
    return b"%s\n\n%s\n" % (value, signature)


def parse_leaf(entry: bytes) -> Leaf:
    """Parse an entry; raises LeafError. Its signature is not checked: see `Leaf.verify`."""
    value, blank, rest = entry.partition(b"\n\n")
    if not blank or rest[-1:] != b"\n":
        raise LeafError("the entry is not a signed note")
    try:
        name, key_id, signature = parse_signature(rest[:-1])
        envelope = decode(value)
    except (NoteError, EnvelopeError) as error:
        raise LeafError(f"the entry is not a signed record: {error}") from None
    if name != key_name(envelope.source):
        raise LeafError("the entry is not signed by the source that it names", where=name)
    return Leaf(value, envelope, hash_value(value), key_id, key_id + signature)
