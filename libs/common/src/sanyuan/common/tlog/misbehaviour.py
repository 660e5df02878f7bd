"""Proof that a log signed two histories: it convicts by the log's own signatures, offline.

The text is ours, for lack of a published one:

    sanyuan/tlog-misbehaviour@v1
    <hashes in base64, one a line: only when the sizes differ>

    <signed checkpoint of the smaller tree>

    <signed checkpoint of the larger tree>

Two checkpoints of one size convict by different roots. With different sizes the hashes are the path
of RFC 9162 section 2.1.4.2, with the node of the first leaves in front where the smaller size is a
power of two: it makes the larger root, and with it the only root that the first leaves of the
larger tree can have; the smaller checkpoint has another. No witness needs to be believed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import (
    MalformedNoteError,
    VerifierKey,
    decode_base64,
    encode_base64,
)
from sanyuan.common.rules import RuleError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import (
    HASH_BYTES,
    Node,
    ProofError,
    consistency_proof,
    consistency_roots,
    tree_head,
)

HEADER: Final = b"sanyuan/tlog-misbehaviour@v1"
MAX_HASHES: Final = 64
MAX_EVIDENCE_BYTES: Final = 2_100_000
_PARTS: Final = 5
"""The head, and text and signatures of two notes: no checkpoint has an empty line in its text."""


class MisbehaviourError(SanyuanError):
    """The text proves no misbehaviour of that log."""


@dataclass(frozen=True)
class Convicted:
    """What was proven: the log signed both; `prefix` is the root of `larger`'s first leaves."""

    smaller: Checkpoint
    larger: Checkpoint
    prefix: bytes


@dataclass(frozen=True)
class Misbehaviour:
    """Evidence: two signed notes, verbatim, and the path (empty for equal sizes)."""

    smaller: bytes
    larger: bytes
    path: tuple[bytes, ...] = ()

    def __bytes__(self) -> bytes:
        lines = "".join(f"{encode_base64(each)}\n" for each in self.path).encode()
        return b"%s\n%s\n%s\n%s" % (HEADER, lines, self.smaller, self.larger)

    @classmethod
    def parse(cls, raw: bytes) -> Misbehaviour:
        """Parse evidence, strictly; raises MisbehaviourError. Nothing is verified yet."""
        parts = raw.split(b"\n\n")
        lines = parts[0].split(b"\n")
        if len(raw) > MAX_EVIDENCE_BYTES or len(parts) != _PARTS or lines.pop(0) != HEADER:
            raise MisbehaviourError(f"evidence is {HEADER.decode()}, hashes and two checkpoints")
        try:
            path = tuple(map(decode_base64, lines))
        except MalformedNoteError as error:
            raise MisbehaviourError(error.what) from None
        if len(path) > MAX_HASHES or any(len(each) != HASH_BYTES for each in path):
            raise MisbehaviourError("the path is at most 64 hashes of 32 bytes")
        return cls(b"%s\n\n%s\n" % (parts[1], parts[2]), b"%s\n\n%s" % (parts[3], parts[4]), path)

    def verify(self, keys: Collection[VerifierKey]) -> Convicted:
        """Check that one log signed both under `keys` and that they contradict each other.

        Raises MisbehaviourError.
        """
        try:
            smaller, larger = (Checkpoint.open(n, keys=keys) for n in (self.smaller, self.larger))
        except RuleError as error:
            raise MisbehaviourError(error.what, where=error.where) from None
        if smaller.origin != larger.origin:
            raise MisbehaviourError("the checkpoints are of two logs", where=larger.origin)
        prefix = _prefix(smaller, larger, self.path)
        if prefix == smaller.root:
            raise MisbehaviourError("the checkpoints agree: the larger tree extends the smaller")
        return Convicted(smaller, larger, prefix)


def _prefix(smaller: Checkpoint, larger: Checkpoint, path: tuple[bytes, ...]) -> bytes:
    """The root of the first leaves of the larger tree; raises MisbehaviourError."""
    if smaller.size == larger.size and not path:
        return larger.root
    if not 0 < smaller.size < larger.size:
        raise MisbehaviourError("the sizes and the path do not belong together")
    try:
        prefix, root = consistency_roots(smaller.size, larger.size, path)
    except ProofError as error:
        raise MisbehaviourError(error.what) from None
    if root != larger.root:
        raise MisbehaviourError("the path does not make the larger root: it shows nothing")
    return prefix


def compare(one: bytes, other: bytes, node: Node | None = None) -> Misbehaviour | None:
    """Return evidence when two signed notes of a log contradict each other, else None.

    `node` knows the nodes of the larger tree; without it, only equal sizes can be compared. The
    signatures are the caller's to check: see `Misbehaviour.verify`.
    """
    (low, smaller), (high, larger) = sorted(
        ((Checkpoint.open_unverified(note), note) for note in (one, other)),
        key=lambda each: each[0].size,
    )
    if low.size == high.size:
        return Misbehaviour(smaller, larger) if low.root != high.root else None
    if node is None or low.size == 0:
        return None
    if (prefix := tree_head(low.size, node)) == low.root:
        return None
    proof = consistency_proof(low.size, high.size, node)
    return Misbehaviour(smaller, larger, complete_path(low.size, prefix, proof))


def complete_path(size: int, prefix: bytes, proof: Collection[bytes]) -> tuple[bytes, ...]:
    """Return a consistency proof with the smaller root in front where the proof leaves it out."""
    return (prefix, *proof) if size & (size - 1) == 0 else tuple(proof)
