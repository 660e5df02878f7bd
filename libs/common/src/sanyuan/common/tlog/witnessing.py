"""The texts of C2SP tlog-witness (https://c2sp.org/tlog-witness): what log and witness exchange."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sanyuan.common.notes import MalformedNoteError, decode_base64, encode_base64
from sanyuan.common.rules import Rule, RuleError
from sanyuan.common.tlog.checkpoint import parse_size
from sanyuan.common.tlog.merkle import HASH_BYTES

MAX_HASHES: Final = 63
MAX_REQUEST_BYTES: Final = 1_010_000
"""63 lines of 45 bytes and the largest note."""
SIZE_TYPE: Final = "text/x.tlog.size"
_OLD: Final = "old "


class WitnessRequestError(RuleError):
    """The text is no request or answer of the protocol."""


@dataclass(frozen=True)
class AddCheckpoint:
    """A request: the size that the witness is thought to know, a proof from it, a signed note."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        lines = [f"{_OLD}{self.old}", *map(encode_base64, self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> AddCheckpoint:
        """Parse a request's body, strictly; raises WitnessRequestError. Nothing is verified."""
        head, _, checkpoint = raw.partition(b"\n\n")
        lines = head.decode("latin-1").split("\n")  # reads any bytes; see proof.py
        first = lines.pop(0)
        old = parse_size(first.removeprefix(_OLD)) if first.startswith(_OLD) else None
        if old is None:
            raise WitnessRequestError(Rule.WITNESS_OLD)
        try:
            proof = tuple(map(decode_base64, lines))
        except MalformedNoteError:
            raise WitnessRequestError(Rule.WITNESS_PROOF) from None
        if len(proof) > MAX_HASHES or any(len(each) != HASH_BYTES for each in proof):
            raise WitnessRequestError(Rule.WITNESS_PROOF)
        if not checkpoint:
            raise WitnessRequestError(Rule.WITNESS_CHECKPOINT)
        return cls(old, proof, checkpoint)


def check_older(old: int, size: int) -> None:
    """Raise WitnessRequestError unless the request goes forward."""
    if old > size:
        raise WitnessRequestError(Rule.WITNESS_SMALLER, f"{old} and {size}")


def parse_answer(raw: bytes) -> tuple[str, ...]:
    """Return the signature lines of a 200 answer; raises WitnessRequestError."""
    try:
        lines = raw.decode().split("\n")
    except UnicodeDecodeError:
        raise WitnessRequestError(Rule.WITNESS_ANSWER) from None
    if lines.pop() or not lines or not all(lines):
        raise WitnessRequestError(Rule.WITNESS_ANSWER)
    return tuple(lines)


def origin_hash(origin: str) -> str:
    """Return the path element below which a witness serves its checkpoint of a log."""
    return hashlib.sha256(origin.encode()).hexdigest()
