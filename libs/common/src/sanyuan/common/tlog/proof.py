"""Proof bundles by C2SP tlog-proof (https://c2sp.org/tlog-proof), verifiable offline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sanyuan.common.notes import MalformedNoteError, VerifierKey, decode_base64, encode_base64
from sanyuan.common.rules import Rule, RuleError
from sanyuan.common.tlog.checkpoint import Checkpoint, parse_size
from sanyuan.common.tlog.merkle import HASH_BYTES, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 63
"""A tree has fewer than 2^63 leaves."""
_EXTRA: Final = "extra "
_INDEX: Final = "index "


class ProofBundleError(RuleError):
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
            lines.append(_EXTRA + encode_base64(self.extra))
        lines.append(f"{_INDEX}{self.index}")
        lines += map(encode_base64, self.hashes)
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> ProofBundle:
        """Parse a bundle, strictly; raises ProofBundleError. Nothing is verified yet."""
        head, _, checkpoint = raw.partition(b"\n\n")
        # Latin-1 reads any bytes; what is not ASCII then breaks the rule of its line.
        lines = head.decode("latin-1").split("\n")
        if lines.pop(0) != HEADER:
            raise ProofBundleError(Rule.PROOF_HEADER)
        extra = _parse_extra(lines)
        index = _parse_index(lines)
        hashes = _parse_hashes(lines)
        if not checkpoint:
            raise ProofBundleError(Rule.PROOF_CHECKPOINT)
        return cls(index, hashes, checkpoint, extra)

    def verify(self, leaf: bytes, *, origin: str, keys: Iterable[VerifierKey]) -> Checkpoint:
        """Check that the leaf hash is in the log `origin`, signed by `keys`; return the head.

        Raises NoteError (the checkpoint) or ProofError (the path).
        """
        head = Checkpoint.open(self.checkpoint, origin=origin, keys=keys)
        verify_inclusion(leaf, self.index, head.size, self.hashes, head.root)
        return head


def _parse_extra(lines: list[str]) -> bytes | None:
    if not (lines and lines[0].startswith(_EXTRA)):
        return None
    try:
        return decode_base64(lines.pop(0).removeprefix(_EXTRA))
    except MalformedNoteError:
        raise ProofBundleError(Rule.PROOF_EXTRA) from None


def _parse_index(lines: list[str]) -> int:
    line = lines.pop(0) if lines else ""
    index = parse_size(line.removeprefix(_INDEX)) if line.startswith(_INDEX) else None
    if index is None:
        raise ProofBundleError(Rule.PROOF_INDEX)
    return index


def _parse_hashes(lines: list[str]) -> tuple[bytes, ...]:
    try:
        hashes = tuple(map(decode_base64, lines))
    except MalformedNoteError:
        raise ProofBundleError(Rule.PROOF_HASHES) from None
    if len(hashes) > MAX_HASHES or any(len(each) != HASH_BYTES for each in hashes):
        raise ProofBundleError(Rule.PROOF_HASHES)
    return hashes
