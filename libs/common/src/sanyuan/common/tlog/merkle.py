"""Merkle tree hashing and proofs by RFC 6962 section 2.1 (the same tree as RFC 9162 section 2.1).

Everything here is pure. A *node* is named by (level, index): the hash of the perfect subtree over
the leaves [index · 2^level, (index + 1) · 2^level). Proofs are made from a function that knows
nodes, so that tiles, a database or a list of leaves can stand behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from sanyuan.common.rules import Rule, RuleError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
_LEAF = sha256(b"\x00")

Node = Callable[[int, int], bytes]
"""(level, index) -> hash of that perfect subtree."""


class ProofError(RuleError):
    """A Merkle proof does not show what it is said to show."""


def leaf_hash(entry: bytes) -> bytes:
    """Return MTH({entry}) (RFC 6962, section 2.1)."""
    hashed = _LEAF.copy()  # no copy of the entry behind the prefix
    hashed.update(entry)
    return hashed.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an interior node (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 2^n hashes of one level, n >= 0."""
    row = hashes
    while len(row) > 1:
        row = [sha256(b"\x01" + a + b).digest() for a, b in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def fold(peaks: Iterable[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling size, largest first; empty: EMPTY_ROOT."""
    root: bytes | None = None
    for peak in reversed(list(peaks)):
        root = peak if root is None else node_hash(peak, root)
    return EMPTY_ROOT if root is None else root


def peaks(size: int) -> list[tuple[int, int]]:
    """Return the nodes (level, index), largest first, that make up a tree of `size` leaves."""
    found = []
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


def tree_head(size: int, node: Node) -> bytes:
    """Return MTH(D[size])."""
    return fold(node(level, index) for level, index in peaks(size))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return PATH(index, D[size]), the leaf's sibling first (RFC 6962, section 2.1.1).

    Raises ProofError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ProofError(Rule.LEAF_OUTSIDE, f"leaf {index} of {size}")
    start, end = 0, size
    siblings: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append(_range_hash(middle, end, node))
            end = middle
        else:
            siblings.append(_range_hash(start, middle, node))
            start = middle
    return siblings[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Return PROOF(old, D[new]) (RFC 6962, section 2.1.2); empty from size 0 and for equal sizes.

    Raises ProofError unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ProofError(Rule.OLDER_TREE, f"{old} and {new}")
    if old in (0, new):
        return []
    start, end, known = 0, new, True
    hashes: list[bytes] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            hashes.append(_range_hash(middle, end, node))
            end = middle
        else:
            hashes.append(_range_hash(start, middle, node))
            start, known = middle, False
    if not known:
        hashes.append(_range_hash(start, end, node))
    return hashes[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf`, a leaf hash, is number `index` of the tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(Rule.LEAF_OUTSIDE, f"leaf {index} of {size}")
    _check_hashes([leaf, *proof, root])
    at, last, have = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(Rule.INCLUSION, "it is too long")
        if at & 1 or at == last:
            have = node_hash(sibling, have)
            at, last = _skip(at, last)
        else:
            have = node_hash(have, sibling)
        at, last = at >> 1, last >> 1
    if last or have != root:
        raise ProofError(Rule.INCLUSION, f"leaf {index} of {size}")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the first tree is a prefix of the second (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ProofError(Rule.OLDER_TREE, f"{old} and {new}")
    _check_hashes([old_root, new_root, *proof])
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofError(Rule.CHECKPOINT_EMPTY)
    if old in (0, new):
        if proof or (old == new and old_root != new_root):
            raise ProofError(Rule.EQUAL_TREES, f"{old} and {new}")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if consistency_roots(old, new, path) != (old_root, new_root):
        raise ProofError(Rule.CONSISTENCY, f"{new} does not extend {old}")


def consistency_roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees that `path` makes, 0 < old < new (RFC 9162, 2.1.4.2).

    `path` is the proof, with the old root in front where `old` is a power of two. Whoever knows a
    path to the new root knows the only root that the first `old` leaves of that tree can have.
    Raises ProofError when it is empty, too short or too long.
    """
    if not path:
        raise ProofError(Rule.CONSISTENCY, "it is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError(Rule.CONSISTENCY, "it is too long")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            at, last = _skip(at, last)
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError(Rule.CONSISTENCY, "it is too short")
    return first, second


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(Rule.HASH_BYTES)


def _skip(at: int, last: int) -> tuple[int, int]:
    """Go up while the node is a left child without a sibling (both algorithms' inner loop)."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count` (RFC 6962's k)."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, node: Node) -> bytes:
    """Return MTH(D[start:end]) of a range that the recursion of section 2.1 makes."""
    return fold(node(level, (start >> level) + index) for level, index in peaks(end - start))
