"""Cosignatures and the policies that count them."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from sanyuan.common.notes import DASH, BadSignatureError, Note, SigningKey, parse_signature
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import (
    Cosigner,
    CosignerKey,
    cosigned_message,
    verify_cosignatures,
    with_signatures,
)
from sanyuan.common.tlog.merkle import EMPTY_ROOT
from sanyuan.common.tlog.policy import Policy

LOG = SigningKey.from_seed("example.com/log", bytes(32))
HEAD = Checkpoint(LOG.name, 0, EMPTY_ROOT)
SIGNED = HEAD.sign([LOG])
WITNESSES = [Cosigner(f"witness.example/{name}", name.encode() * 16) for name in ("X1", "X2", "Y1")]
KEYS = [witness.key for witness in WITNESSES]

# https://c2sp.org/tlog-cosignature, the example at its beginning, and "Ed25519 signed message"
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcy"
    "v2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
    "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()


def test_the_example_of_the_specification_reads_as_it_says() -> None:
    note = Note.parse(EXAMPLE)
    _, _, signature = parse_signature(note.signatures[1])
    timestamp = int.from_bytes(signature[:8], "big")
    assert timestamp == 1679315147
    assert cosigned_message(note.text, timestamp).startswith(
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
    )


def test_a_cosignature_says_when_and_is_never_a_logs_signature() -> None:
    line = WITNESSES[0].cosign(bytes(HEAD), 1_800_000_000)
    note = Note.parse(with_signatures(SIGNED, [line]))
    assert verify_cosignatures(note, KEYS) == {KEYS[0]: 1_800_000_000}
    assert note.verify([LOG.verifier]) == (LOG.verifier,)
    same_key = SigningKey.from_seed(WITNESSES[0].name, WITNESSES[0].seed)
    assert same_key.key_id != KEYS[0].key_id
    assert CosignerKey.parse(str(KEYS[0])) == KEYS[0]


def test_of_two_cosignatures_the_newest_counts_and_strangers_do_not() -> None:
    stranger = Cosigner("witness.example/Z", bytes(32))
    lines = [WITNESSES[0].cosign(bytes(HEAD), at) for at in (7, 9, 8)]
    future = f"{DASH}{KEYS[0].name} AAAAAAA="
    note = Note.parse(with_signatures(SIGNED, [*lines, stranger.cosign(bytes(HEAD), 1), future]))
    assert verify_cosignatures(note, KEYS) == {KEYS[0]: 9}


def test_one_failing_cosignature_refuses_the_whole_note() -> None:
    lines = [WITNESSES[0].cosign(bytes(HEAD), 7), WITNESSES[1].cosign(b"else\n", 7)]
    with pytest.raises(BadSignatureError):
        verify_cosignatures(Note.parse(with_signatures(SIGNED, lines)), KEYS)


POLICY = f"""
# two of X, and Y1
log {LOG.verifier}\thttps://log.example
witness X1 {KEYS[0]} https://witness.example/X1
witness X2 {KEYS[1]}
 witness Y1  {KEYS[2]}
group X-witnesses 1 X1 X2
group Y-witnesses any Y1
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_a_quorum_is_what_the_groups_say() -> None:
    policy = Policy.parse(POLICY.encode())
    assert policy.logs == (LOG.verifier,)
    assert policy.keys == tuple(KEYS)
    assert [each.url for each in policy.witnesses.values()] == [
        "https://witness.example/X1", None, None,
    ]  # fmt: skip
    for seen in chain.from_iterable(combinations(KEYS, count) for count in range(4)):
        assert policy.satisfied(seen) == (KEYS[2] in seen and len(seen) >= 2)


def test_no_quorum_is_always_reached_and_names_are_octets() -> None:
    assert Policy.parse(b"quorum none").satisfied([])
    name = b"\xe2\x84\xaa\xff"
    policy = Policy.parse(b"witness %s %s\nquorum %s\n" % (name, str(KEYS[0]).encode(), name))
    assert not policy.satisfied([KEYS[1]])
    assert policy.satisfied([KEYS[0]])
