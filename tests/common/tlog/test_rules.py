"""Every rule of the formats is broken once, and the error that comes back names that very rule.

The table must hold all rules: a rule that nobody can break by a text is no rule of a reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sanyuan.common.notes import (
    DASH,
    Note,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
    key_id,
    parse_signature,
)
from sanyuan.common.rules import Rule, RuleError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, CosignerKey, verify_cosignatures
from sanyuan.common.tlog.merkle import (
    EMPTY_ROOT,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.tlog.proof import HEADER, ProofBundle
from sanyuan.common.tlog.tiles import Tile, decode_bundle, decode_hashes, encode_bundle
from sanyuan.common.tlog.witnessing import AddCheckpoint, check_older, parse_answer

DOCS = Path(__file__).parents[3] / "docs" / "formats.md"
KEY = SigningKey.from_seed("cn/log/2026", bytes(32))
OTHER = SigningKey.from_seed("somebody", bytes(31) + b"1")
TEXT = b"text\n"
LINE = KEY.sign(TEXT)
A, B = leaf_hash(b"a"), leaf_hash(b"b")
ROOT = node_hash(A, B)
ROOT64 = encode_base64(ROOT)
HEAD = Checkpoint(KEY.name, 2, ROOT).sign([KEY])
ZERO = bytes(32)
WITNESS = Cosigner("witness.example/w1", bytes(31) + b"w")
W1 = str(WITNESS.key)
W2 = str(CosignerKey("witness.example/w2", bytes(31) + b"2"))


def note(*lines: str) -> Note:
    return Note(TEXT, lines)


def signature(name: str, blob: bytes) -> str:
    return f"{DASH}{name} {encode_base64(blob)}"


def vkey(name: str, kind: bytes, key: bytes, identity: bytes | None = None) -> str:
    identity = key_id(name, key, kind) if identity is None else identity
    return f"{name}+{identity.hex()}+{encode_base64(kind + key)}"


def colliding() -> list[VerifierKey]:
    """Two keys of one name and id: nobody will find such, so the id is set by hand."""
    first, second = VerifierKey("n", ZERO), VerifierKey("n", bytes(31) + b"1")
    second.__dict__["key_id"] = first.key_id
    return [first, second]


def cosigned(blob: bytes) -> Callable[[], object]:
    made = note(signature(WITNESS.name, WITNESS.key.key_id + blob))
    return lambda: verify_cosignatures(made, [WITNESS.key])


def policy(*lines: str) -> Callable[[], object]:
    return lambda: Policy.parse("\n".join(lines).encode())


def proof(*lines: str) -> Callable[[], object]:
    raw = "\n".join(lines).encode() + b"\n\n" + HEAD
    return lambda: ProofBundle.parse(raw)


BROKEN: list[tuple[Rule, Callable[[], object]]] = [
    (Rule.BASE64, lambda: decode_base64("YR==")),
    (Rule.BASE64, lambda: decode_base64("YQ")),
    (Rule.BASE64, lambda: decode_base64("YQ==\n")),
    (Rule.BASE64, lambda: decode_base64("-_-_")),
    (Rule.BASE64, lambda: decode_base64("\ud800")),
    (Rule.NOTE_TEXT, lambda: Note.parse(b"")),
    (Rule.NOTE_TEXT, lambda: Note.parse(TEXT + LINE.encode() + b"\n")),
    (Rule.NOTE_TEXT, lambda: Note.parse(bytes(note(LINE))[:-1])),
    (Rule.NOTE_UTF8, lambda: Note.parse(b"\xff" + bytes(note(LINE)))),
    (Rule.NOTE_UTF8, lambda: Note.parse(bytes(note(LINE)).replace(b"cn/", b"c\xc3/"))),
    (Rule.NOTE_UTF8, lambda: Checkpoint.parse(b"\xff\n1\n")),
    (Rule.NOTE_CONTROL, lambda: Note.parse(b"\t" + bytes(note(LINE)))),
    (Rule.NOTE_CONTROL, lambda: Note.parse(bytes(note(LINE)).replace(b"text", b"te\rxt"))),
    (Rule.NOTE_LIMIT, lambda: Note.parse(bytes(1_000_001))),
    (Rule.NOTE_LIMIT, lambda: Note.parse(bytes(note(*[LINE] * 101)))),
    (Rule.KEY_NAME, lambda: SigningKey.generate("")),
    (Rule.KEY_NAME, lambda: SigningKey.generate("a b")),
    (Rule.KEY_NAME, lambda: SigningKey.generate("a\u3000b")),
    (Rule.KEY_NAME, lambda: SigningKey.generate("a+b")),
    (Rule.KEY_NAME, lambda: VerifierKey.parse("\ud800+00000000+AQ==")),
    (Rule.KEY_NAME, lambda: parse_signature(f"{DASH} AAAAAAA=")),
    (Rule.KEY_NAME, lambda: parse_signature(DASH.encode() + b"\xff AAAAAAA=")),
    (Rule.KEY_NAME, lambda: parse_signature(f"{DASH}\ud800 AAAAAAA=")),
    (Rule.SIGNATURE_LINE, lambda: parse_signature("-- name AAAAAAA=")),
    (Rule.SIGNATURE_LINE, lambda: parse_signature(f"{DASH}name")),
    (Rule.SIGNATURE_LINE, lambda: Note.parse(TEXT + b"\n\n")),
    (Rule.SIGNATURE_ID, lambda: parse_signature(signature("name", bytes(4)))),
    (
        Rule.SIGNATURE_BYTES,
        lambda: note(signature(KEY.name, KEY.key_id + bytes(63))).verify([KEY.verifier]),
    ),
    (Rule.SIGNATURE_KEY, lambda: OTHER.verifier.verify(TEXT, LINE)),
    (Rule.SIGNATURE_KEY, lambda: KEY.verifier.verify_signature(TEXT, bytes(68))),
    (Rule.SIGNATURE_HOLDS, lambda: Note(b"else\n", (LINE,)).verify([KEY.verifier])),
    (
        Rule.SIGNATURE_HOLDS,
        lambda: note(OTHER.sign(TEXT), KEY.sign(b"else\n")).verify([OTHER.verifier, KEY.verifier]),
    ),
    (Rule.SIGNATURE_KNOWN, lambda: note(OTHER.sign(TEXT)).verify([KEY.verifier])),
    (Rule.KEY_COLLISION, lambda: note(LINE).verify(colliding())),
    (Rule.VKEY_PARTS, lambda: VerifierKey.parse("name+00000000")),
    (Rule.VKEY_TYPE, lambda: VerifierKey.parse(vkey("name", b"\x02", ZERO))),
    (Rule.VKEY_TYPE, lambda: VerifierKey.parse(vkey("name", b"\x01", bytes(31)))),
    (Rule.VKEY_ID, lambda: VerifierKey.parse(vkey("name", b"\x01", ZERO, bytes(4)))),
    (Rule.VKEY_ID, lambda: VerifierKey.parse(vkey("name", b"\x01", ZERO).replace("c", "C", 1))),
    (Rule.KEY_BYTES, lambda: VerifierKey("name", bytes(31))),
    (Rule.KEY_BYTES, lambda: SigningKey("name", bytes(33))),
    (Rule.CHECKPOINT_LINES, lambda: Checkpoint.parse(b"o\n1\n")),
    (Rule.CHECKPOINT_LINES, lambda: Checkpoint.parse(f"\n1\n{ROOT64}\n".encode())),
    (Rule.CHECKPOINT_LINES, lambda: Checkpoint.parse(f"o\n1\n{ROOT64}".encode())),
    (Rule.CHECKPOINT_LINES, lambda: Checkpoint.parse(f"o\n1\n{ROOT64}\n\nx\n".encode())),
    (Rule.CHECKPOINT_SIZE, lambda: Checkpoint.parse(f"o\n01\n{ROOT64}\n".encode())),
    (Rule.CHECKPOINT_SIZE, lambda: Checkpoint.parse(f"o\n-1\n{ROOT64}\n".encode())),
    (Rule.CHECKPOINT_SIZE, lambda: Checkpoint.parse(f"o\n1 \n{ROOT64}\n".encode())),
    (Rule.CHECKPOINT_SIZE, lambda: Checkpoint.parse(f"o\n{2**63}\n{ROOT64}\n".encode())),
    (Rule.CHECKPOINT_ROOT, lambda: Checkpoint.parse(b"o\n1\nAAAA\n")),
    (Rule.CHECKPOINT_EMPTY, lambda: Checkpoint("o", 0, ROOT).check_empty()),
    (
        Rule.CHECKPOINT_EMPTY,
        lambda: Checkpoint.open(Checkpoint("o", 0, ROOT).sign([KEY]), keys=[KEY.verifier]),
    ),
    (Rule.CHECKPOINT_EMPTY, lambda: verify_consistency(0, ROOT, 2, ROOT, [])),
    (Rule.CHECKPOINT_ORIGIN, lambda: Checkpoint.open(HEAD, origin="o", keys=[KEY.verifier])),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/64/000")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/00/000")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/0/1234")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/0/000.p/256")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/0/000.p/0")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/0/000.p/09")),
    (Rule.TILE_PATH, lambda: Tile.parse("tile/0/" + "x999/" * 2000 + "999")),
    (Rule.TILE_BYTES, lambda: decode_hashes(bytes(8193), 256)),
    (Rule.TILE_BYTES, lambda: decode_hashes(b"", 1)),
    (Rule.BUNDLE_CUT, lambda: decode_bundle(b"\x00\x02a")),
    (Rule.BUNDLE_WIDTH, lambda: decode_bundle(b"\x00\x01a", 2)),
    (Rule.ENTRY_BYTES, lambda: encode_bundle([bytes(65536)])),
    (Rule.LEAF_OUTSIDE, lambda: verify_inclusion(A, 2, 2, [B], ROOT)),
    (Rule.LEAF_OUTSIDE, lambda: inclusion_proof(-1, 2, lambda _l, _i: ZERO)),
    (Rule.INCLUSION, lambda: verify_inclusion(A, 1, 2, [B], ROOT)),
    (Rule.INCLUSION, lambda: verify_inclusion(A, 0, 2, [B, ZERO], ROOT)),
    (Rule.INCLUSION, lambda: verify_inclusion(A, 0, 2, [], A)),
    (Rule.OLDER_TREE, lambda: verify_consistency(3, ZERO, 2, ROOT, [])),
    (Rule.CONSISTENCY, lambda: verify_consistency(1, A, 2, ROOT, [A])),
    (Rule.CONSISTENCY, lambda: verify_consistency(1, A, 2, ROOT, [B, ZERO])),
    (Rule.CONSISTENCY, lambda: verify_consistency(3, ROOT, 5, ROOT, [])),
    (Rule.CONSISTENCY, lambda: verify_consistency(1, A, 2, ROOT, [])),
    (Rule.EQUAL_TREES, lambda: verify_consistency(2, ZERO, 2, ROOT, [])),
    (Rule.EQUAL_TREES, lambda: verify_consistency(2, ROOT, 2, ROOT, [A])),
    (Rule.EQUAL_TREES, lambda: verify_consistency(0, EMPTY_ROOT, 2, ROOT, [A])),
    (Rule.EQUAL_TREES, lambda: verify_consistency(0, EMPTY_ROOT, 0, ROOT, [])),
    (Rule.HASH_BYTES, lambda: verify_inclusion(A, 0, 2, [B + B], ROOT)),
    (Rule.HASH_BYTES, lambda: verify_consistency(1, A, 2, ROOT, [b""])),
    (Rule.PROOF_HEADER, proof("c2sp.org/tlog-proof@v2", "index 0", encode_base64(B))),
    (Rule.PROOF_HEADER, proof(HEADER + " ", "index 0")),
    (Rule.PROOF_EXTRA, proof(HEADER, "extra YR==", "index 0")),
    (Rule.PROOF_INDEX, proof(HEADER)),
    (Rule.PROOF_INDEX, proof(HEADER, "index 01")),
    (Rule.PROOF_INDEX, proof(HEADER, "extra ", "extra ", "index 0")),
    (Rule.PROOF_INDEX, proof(HEADER, "index 0 ")),
    (Rule.PROOF_HASHES, proof(HEADER, "index 0", "AAAA")),
    (Rule.PROOF_HASHES, proof(HEADER, "index 0", "???")),
    (Rule.PROOF_HASHES, proof(HEADER, "index 0", *[ROOT64] * 64)),
    (Rule.PROOF_CHECKPOINT, lambda: ProofBundle.parse(f"{HEADER}\nindex 0\n\n".encode())),
    (Rule.PROOF_CHECKPOINT, lambda: ProofBundle.parse(f"{HEADER}\nindex 0".encode())),
    (Rule.KEY_BYTES, lambda: CosignerKey("name", bytes(31))),
    (Rule.KEY_BYTES, lambda: Cosigner("name", bytes(31))),
    (Rule.VKEY_TYPE, lambda: CosignerKey.parse(str(KEY.verifier))),
    (Rule.VKEY_TYPE, lambda: VerifierKey.parse(W1)),
    (Rule.COSIGNATURE_BYTES, cosigned(bytes(7) + b"\x01" + bytes(63))),
    (Rule.COSIGNATURE_TIME, cosigned(bytes(72))),
    (Rule.COSIGNATURE_TIME, cosigned(b"\x80" + bytes(71))),
    (Rule.SIGNATURE_HOLDS, cosigned(bytes(7) + b"\x01" + bytes(64))),
    (
        Rule.SIGNATURE_HOLDS,
        lambda: verify_cosignatures(note(WITNESS.cosign(b"else\n", 1)), [WITNESS.key]),
    ),
    (Rule.POLICY_CHARACTERS, policy("quorum none\r")),
    (Rule.POLICY_CHARACTERS, policy("# \x7f", "quorum none")),
    (Rule.POLICY_LINE, policy("quorum none none")),
    (Rule.POLICY_LINE, policy("quorum")),
    (Rule.POLICY_LINE, policy("witness w1", "quorum none")),
    (Rule.POLICY_LINE, policy("witnesses w1", "quorum none")),
    (Rule.POLICY_LINE, policy("group g any", "quorum none")),
    (Rule.POLICY_LINE, policy("quorum\u00a0none")),
    (Rule.POLICY_NAME, policy(f"witness w {W1}", f"witness w {W2}", "quorum w")),
    (Rule.POLICY_NAME, policy(f"witness none {W1}", "quorum none")),
    (Rule.POLICY_NAME, policy(f"witness w {W1}", "group w any w", "quorum w")),
    (Rule.POLICY_KEY, policy(f"log {KEY.verifier}", f"log {KEY.verifier}", "quorum none")),
    (Rule.POLICY_KEY, policy(f"witness a {W1}", f"witness b {W1} http://x", "quorum a")),
    (Rule.POLICY_DEFINED, policy("quorum w")),
    (Rule.POLICY_DEFINED, policy("quorum w", f"witness w {W1}")),
    (Rule.POLICY_DEFINED, policy("group g any none", "quorum g")),
    (Rule.POLICY_DEFINED, policy("group g any g", "quorum g")),
    (Rule.POLICY_MEMBER, policy(f"witness w {W1}", "group g any w w", "quorum g")),
    (Rule.POLICY_MEMBER, policy(f"witness w {W1}", "group g any w", "group h 1 w", "quorum h")),
    (Rule.POLICY_THRESHOLD, policy(f"witness w {W1}", "group g 0 w", "quorum g")),
    (Rule.POLICY_THRESHOLD, policy(f"witness w {W1}", "group g 2 w", "quorum g")),
    (Rule.POLICY_THRESHOLD, policy(f"witness w {W1}", "group g 01 w", "quorum g")),
    (Rule.POLICY_THRESHOLD, policy(f"witness w {W1}", f"group g {'9' * 5000} w", "quorum g")),
    (Rule.POLICY_QUORUM, policy(f"witness w {W1}")),
    (Rule.POLICY_QUORUM, policy("quorum none", "quorum none")),
    (Rule.WITNESS_OLD, lambda: AddCheckpoint.parse(b"old 01\n\n" + HEAD)),
    (Rule.WITNESS_OLD, lambda: AddCheckpoint.parse(b"old -1\n\n" + HEAD)),
    (Rule.WITNESS_OLD, lambda: AddCheckpoint.parse(HEAD)),
    (Rule.WITNESS_PROOF, lambda: AddCheckpoint.parse(b"old 1\nAAAA\n\n" + HEAD)),
    (Rule.WITNESS_PROOF, lambda: AddCheckpoint.parse(b"old 1\n?\n\n" + HEAD)),
    (
        Rule.WITNESS_PROOF,
        lambda: AddCheckpoint.parse(b"old 1\n" + f"{ROOT64}\n".encode() * 64 + b"\n" + HEAD),
    ),
    (Rule.WITNESS_CHECKPOINT, lambda: AddCheckpoint.parse(b"old 0\n\n")),
    (Rule.WITNESS_SMALLER, lambda: check_older(3, 2)),
    (Rule.WITNESS_ANSWER, lambda: parse_answer(b"")),
    (Rule.WITNESS_ANSWER, lambda: parse_answer(WITNESS.cosign(TEXT, 1).encode())),
    (Rule.WITNESS_ANSWER, lambda: parse_answer(b"\xff\n")),
]


@pytest.mark.parametrize(("rule", "attempt"), BROKEN)
def test_what_breaks_a_rule_is_refused_by_its_name(
    rule: Rule, attempt: Callable[[], object]
) -> None:
    with pytest.raises(RuleError) as refused:
        attempt()
    assert refused.value.rule is rule
    assert str(rule) in str(refused.value)


def test_every_rule_is_broken_here_and_listed_in_the_documentation() -> None:
    assert {rule for rule, _ in BROKEN} == set(Rule)
    listed = re.findall(r"^\| `([A-Z0-9_]+)` \|", DOCS.read_text("utf-8"), re.MULTILINE)
    assert listed == [rule.name for rule in Rule]


def test_the_tests_that_the_documentation_names_exist() -> None:
    root = DOCS.parents[1] / "tests"
    named = re.findall(r"`(test_[a-z_]+\.py)(?:::(\w+))?`", DOCS.read_text("utf-8"))
    assert named
    for file, name in named:
        found = [path.read_text("utf-8") for path in root.rglob(file)]
        assert any(f"def {name}" in text for text in found), (file, name)


def test_a_rule_names_its_specification() -> None:
    assert {rule.partition(",")[0].partition(":")[0] for rule in Rule} == {
        "signed-note",
        "tlog-checkpoint",
        "tlog-tiles",
        "tlog-proof",
        "tlog-cosignature",
        "tlog-policy",
        "tlog-witness",
        "RFC 6962",
        "RFC 9162",
    }
