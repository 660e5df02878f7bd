"""Whatever bytes come: a parser returns what writes itself back, or raises a RuleError.

Two kinds of input: noise, and valid texts with one edit (a cut, a doubled, changed or foreign
piece), because noise never gets past a header.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanyuan.common.leaf import LeafError, encode_leaf, parse_leaf
from sanyuan.common.notes import Note, SigningKey, VerifierKey, encode_base64, parse_signature
from sanyuan.common.rules import RuleError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, CosignerKey, verify_cosignatures
from sanyuan.common.tlog.merkle import leaf_hash, node_hash
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.tlog.proof import ProofBundle
from sanyuan.common.tlog.tiles import Tile, decode_bundle, encode_bundle
from sanyuan.common.tlog.witnessing import AddCheckpoint, parse_answer

KEY = SigningKey.from_seed("cn/log/2026", bytes(32))
KEYS = [KEY.verifier]
A, B = leaf_hash(b"a"), leaf_hash(b"b")
HEAD = Checkpoint(KEY.name, 2, node_hash(A, B))
SIGNED = HEAD.sign([KEY])
PROOF = bytes(ProofBundle(0, (B,), SIGNED, b"a"))
WITNESS = Cosigner("witness.example/w1", bytes(31) + b"w")
COSIGNED = SIGNED + WITNESS.cosign(bytes(HEAD), 1_800_000_000).encode() + b"\n"
POLICY = (
    f"log {KEY.verifier}\nwitness w {WITNESS.key} https://witness.example\n"
    "group g 1 w\n# all\nquorum g\n"
).encode()
PIECES = (b"\n", b"\n\n", b" ", b"0", b"-1", b"=", b"\x00", b"\xff", "— ".encode(), b"+", b"99999")


@st.composite
def edited(draw: st.DrawFn, valid: bytes) -> bytes:
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, min(len(valid), start + 40)))
    piece = draw(st.sampled_from([*PIECES, valid[start:end] * 2]) | st.binary(max_size=4))
    return valid[:start] + piece + valid[end:]


def noise(valid: bytes) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) | edited(valid)


def text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def write_tile(tile: Tile) -> bytes:
    return tile.path.encode()


PARSERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (SIGNED, lambda raw: bytes(Note.parse(raw))),
    (bytes(HEAD), lambda raw: bytes(Checkpoint.parse(raw))),
    (PROOF, lambda raw: bytes(ProofBundle.parse(raw))),
    (str(KEY.verifier).encode(), lambda raw: str(VerifierKey.parse(text(raw))).encode()),
    (b"tile/3/x001/x234/067.p/8", lambda raw: write_tile(Tile.parse(text(raw)))),
    (str(WITNESS.key).encode(), lambda raw: str(CosignerKey.parse(text(raw))).encode()),
    (bytes(AddCheckpoint(1, (B,), SIGNED)), lambda raw: bytes(AddCheckpoint.parse(raw))),
    (b"one\ntwo\n", lambda raw: "".join(f"{each}\n" for each in parse_answer(raw)).encode()),
    (encode_bundle([b"a", b"bc"]), lambda raw: encode_bundle(decode_bundle(raw))),
]


@pytest.mark.parametrize(("valid", "again"), PARSERS)
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_a_parser_takes_has_one_spelling_and_the_rest_breaks_a_rule(
    valid: bytes, again: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    assert again(valid) == valid
    raw = data.draw(noise(valid))
    try:
        written = again(raw)
    except RuleError:
        return
    assert written == raw


@given(noise(KEY.sign(b"text\n").encode()))
def test_a_signature_line_has_one_spelling(raw: bytes) -> None:
    line = text(raw)
    try:
        name, identity, signature = parse_signature(line)
    except RuleError:
        return
    assert f"— {name} {encode_base64(identity + signature)}" == line


@given(noise(SIGNED))
@settings(max_examples=300)
def test_no_edit_of_a_signed_checkpoint_opens_as_another_tree(raw: bytes) -> None:
    try:
        opened = Checkpoint.open(raw, origin=HEAD.origin, keys=KEYS)
    except RuleError:
        return
    assert opened == HEAD


@given(noise(COSIGNED))
@settings(max_examples=300)
def test_no_edit_of_a_cosigned_checkpoint_is_cosigned_at_another_time(raw: bytes) -> None:
    try:
        note = Note.parse(raw)
        seen = verify_cosignatures(note, [WITNESS.key])
    except RuleError:
        return
    assert seen == {} or (note.text, seen) == (bytes(HEAD), {WITNESS.key: 1_800_000_000})


@given(noise(POLICY))
@settings(max_examples=500)
def test_an_edited_policy_is_a_policy_or_breaks_a_rule(raw: bytes) -> None:
    try:
        policy = Policy.parse(raw)
    except RuleError:
        return
    assert policy.satisfied(policy.keys)  # thresholds can always be reached


@given(noise(PROOF))
@settings(max_examples=300)
def test_no_edit_of_a_proof_proves_another_leaf(raw: bytes) -> None:
    try:
        bundle = ProofBundle.parse(raw)
        head = bundle.verify(A, origin=HEAD.origin, keys=KEYS)
    except RuleError:
        return
    assert (head, bundle.index, bundle.hashes) == (HEAD, 0, (B,))


@given(noise(encode_leaf(b'{"specversion":"1.0"}', KEY.sign(b"x\n").encode())))
@settings(max_examples=300)
def test_an_entry_is_a_leaf_or_no_leaf(raw: bytes) -> None:
    try:
        parse_leaf(raw)
    except LeafError:
        return
    pytest.fail("noise became a record")
