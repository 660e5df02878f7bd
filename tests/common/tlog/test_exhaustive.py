"""Every tree of up to 40 leaves: every proof, and every proof with one thing wrong.

The other side is a verifier that knows the leaves and recomputes everything from the definitions,
so that two implementations must agree on each acceptance and each refusal.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest

from sanyuan.common.tlog.merkle import (
    ProofError,
    consistency_proof,
    consistency_roots,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)

LIMIT = 40
LEAVES = [sha256(b"\x00" + bytes([at])).digest() for at in range(LIMIT)]


@cache
def mth(start: int, end: int) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if end == start:
        return sha256(b"").digest()
    if end - start == 1:
        return LEAVES[start]
    k = max(2**n for n in range(7) if 2**n < end - start)
    return sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def node(level: int, index: int) -> bytes:
    return mth(index << level, (index + 1) << level)


def wrong_ones(proof: list[bytes]) -> list[list[bytes]]:
    """Each with one hash dropped, doubled, changed or swapped; never the proof itself."""
    found = [[*proof, bytes(32)], [bytes(32), *proof]]
    for at, each in enumerate(proof):
        found += [
            proof[:at] + proof[at + 1 :],
            [*proof[:at], each, *proof[at:]],
            [*proof[:at], bytes(32), *proof[at + 1 :]],
        ]
    found += [
        [*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]] for at in range(len(proof) - 1)
    ]
    return [each for each in found if each != proof]


@pytest.mark.parametrize("size", range(1, LIMIT + 1))
def test_a_path_proves_its_leaf_at_its_index_and_nothing_else(size: int) -> None:
    root = mth(0, size)
    for index in range(size):
        proof = inclusion_proof(index, size, node)
        for other in range(size):
            if other == index:
                verify_inclusion(LEAVES[index], other, size, proof, root)
                continue
            with pytest.raises(ProofError):
                verify_inclusion(LEAVES[index], other, size, proof, root)
            with pytest.raises(ProofError):
                verify_inclusion(LEAVES[other], index, size, proof, root)
        for wrong in wrong_ones(proof):
            with pytest.raises(ProofError):
                verify_inclusion(LEAVES[index], index, size, wrong, root)


@pytest.mark.parametrize("new", range(1, LIMIT + 1))
def test_a_consistency_proof_proves_one_prefix_of_one_tree(new: int) -> None:
    for old in range(1, new):
        proof = consistency_proof(old, new, node)
        for size in range(1, new + 1):
            if size == old:
                verify_consistency(size, mth(0, size), new, mth(0, new), proof)
                continue
            with pytest.raises(ProofError):
                verify_consistency(old, mth(0, size), new, mth(0, new), proof)
            if size < new:
                with pytest.raises(ProofError):
                    verify_consistency(size, mth(0, size), new, mth(0, new), proof)
        for wrong in wrong_ones(proof):
            with pytest.raises(ProofError):
                verify_consistency(old, mth(0, old), new, mth(0, new), wrong)


@pytest.mark.parametrize("new", range(2, LIMIT + 1))
def test_a_path_makes_both_roots(new: int) -> None:
    for old in range(1, new):
        proof = consistency_proof(old, new, node)
        path = [mth(0, old), *proof] if old & (old - 1) == 0 else proof
        assert consistency_roots(old, new, path) == (mth(0, old), mth(0, new))
