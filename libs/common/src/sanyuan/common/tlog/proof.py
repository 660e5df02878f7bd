"""Proof bundles by C2SP tlog-proof (https://c2sp.org/tlog-proof), verifiable offline."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import MalformedNoteError, VerifierKey, decode_base64, encode_base64
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import HASH_BYTES, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 64
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class ProofBundleError(SanyuanError):
    """The text is no tlog-proof."""


@dataclass(frozen=True)
class ProofBundle:
    """The place of one entry in a log: `checkpoint` is the signed note, verbatim.

    `extra` is not authenticated by anything: nothing may be concluded from it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(encode_base64, self.hashes)
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> ProofBundle:
        """Parse a bundle, strictly; raises ProofBundleError. Nothing is verified yet."""
        head, blank, checkpoint = raw.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise ProofBundleError("the proof's head is not ASCII") from error
        if not blank or lines.pop(0) != HEADER or not lines:
            raise ProofBundleError(f"a proof starts with {HEADER} and ends with a checkpoint")
        try:
            extra = _parse_extra(lines)
            if not (lines and (index := _INDEX.fullmatch(lines.pop(0)))):
                raise ProofBundleError("a proof has an index without leading zeroes")
            hashes = tuple(map(decode_base64, lines))
        except MalformedNoteError as error:
            raise ProofBundleError("the proof's base64 is malformed") from error
        if len(hashes) > MAX_HASHES or any(len(each) != HASH_BYTES for each in hashes):
            raise ProofBundleError("a proof has at most 64 hashes of 32 bytes")
        return cls(int(index[1]), hashes, checkpoint, extra)

    def verify(self, leaf: bytes, *, origin: str, keys: Iterable[VerifierKey]) -> Checkpoint:
        """Check that the leaf hash is in the log `origin`, signed by `keys`; return the head.

        Raises NoteError (the checkpoint) or ProofError (the path).
        """
        head = Checkpoint.open(self.checkpoint, origin=origin, keys=keys)
        verify_inclusion(leaf, self.index, head.size, self.hashes, head.root)
        return head


def _parse_extra(lines: list[str]) -> bytes | None:
    if not lines[0].startswith("extra "):
        return None
    return decode_base64(lines.pop(0).removeprefix("extra "))
