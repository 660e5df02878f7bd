"""A log that signs two histories is convicted by its own signatures; an honest one never is."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import Node, leaf_hash
from sanyuan.common.tlog.misbehaviour import Misbehaviour, MisbehaviourError, compare

LOG = SigningKey.from_seed("cn/log/2026", bytes(32))
KEYS = [LOG.verifier]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def leaves(size: int, fork: int | None = None) -> list[bytes]:
    return [leaf_hash(b"%d%s" % (at, b"f" if fork == at else b"")) for at in range(size)]


def note(tree: list[bytes], *, origin: str = LOG.name, key: SigningKey = LOG) -> bytes:
    return Checkpoint(origin, len(tree), mth(tree)).sign([key])


def node_of(tree: list[bytes]) -> Node:
    return lambda level, index: mth(tree[index << level : (index + 1) << level])


@given(st.integers(1, 70), st.integers(0, 70), st.data())
@settings(deadline=None)
def test_any_fork_convicts_from_the_tiles_of_the_larger_tree(
    size: int, more: int, data: st.DataObject
) -> None:
    fork = data.draw(st.integers(0, size - 1))
    small, large = leaves(size), leaves(size + more, fork)
    evidence = compare(note(large), note(small), node_of(large))
    assert evidence is not None
    convicted = Misbehaviour.parse(bytes(evidence)).verify(KEYS)
    assert (convicted.smaller.size, convicted.larger.size) == (size, size + more)
    assert {convicted.smaller.root, convicted.prefix} == {mth(small), mth(large[:size])}


@given(st.integers(0, 70), st.integers(0, 70))
@settings(deadline=None)
def test_an_honest_log_is_never_convicted(size: int, more: int) -> None:
    large = leaves(size + more)
    smaller, larger = note(large[:size]), note(large)
    assert compare(smaller, larger, node_of(large)) is None
    for path in ((), (mth(large[:size]),), (bytes(32), bytes(32))):
        with pytest.raises(MisbehaviourError):
            Misbehaviour(smaller, larger, path).verify(KEYS)


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.binary(min_size=32, max_size=32)))
@settings(deadline=None)
def test_no_invented_path_convicts_an_honest_log(size: int, more: int, path: list[bytes]) -> None:
    large = leaves(size + more)
    with pytest.raises(MisbehaviourError):
        Misbehaviour(note(large[:size]), note(large), tuple(path)).verify(KEYS)


def test_sizes_alone_say_nothing_without_the_tree() -> None:
    assert compare(note(leaves(3)), note(leaves(5, fork=1))) is None
    assert compare(note([]), note(leaves(5, fork=1)), node_of(leaves(5, fork=1))) is None


FORKED = Misbehaviour(note(leaves(3)), note(leaves(3, fork=1)))


def test_another_key_another_log_or_two_logs_convict_nobody() -> None:
    other = SigningKey.from_seed("cn/log/2027", bytes(31) + b"1")
    with pytest.raises(MisbehaviourError):
        FORKED.verify([other.verifier])
    mixed = note(leaves(3, fork=1), origin=other.name, key=other)
    with pytest.raises(MisbehaviourError, match="two logs"):
        Misbehaviour(FORKED.smaller, mixed).verify([LOG.verifier, other.verifier])
    with pytest.raises(MisbehaviourError, match="agree"):
        Misbehaviour(FORKED.smaller, FORKED.smaller).verify(KEYS)


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda at: bytes(FORKED)[at:]))
def test_what_is_no_evidence_is_refused(raw: bytes) -> None:
    try:
        parsed = Misbehaviour.parse(raw)
    except MisbehaviourError:
        return
    assert bytes(parsed) == raw


@given(st.integers(0, len(bytes(FORKED)) - 1), st.integers(1, 255))
def test_no_edit_of_evidence_convicts_of_something_else(at: int, change: int) -> None:
    raw = bytearray(bytes(FORKED))
    raw[at] ^= change
    try:
        convicted = Misbehaviour.parse(bytes(raw)).verify(KEYS)
    except MisbehaviourError:
        return
    assert convicted == FORKED.verify(KEYS)
