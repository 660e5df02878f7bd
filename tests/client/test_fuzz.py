"""A fuzz run of every parser of what others send: it returns, or raises an error of ours.

Each input is a valid one with one to four edits; the same ones in every run. `SANYUAN_FUZZ=100`
makes it a hundred times as long and starts it elsewhere. The laws of the log's own formats (one
spelling for each) are in `tests/common/tlog/test_parsers.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from sanyuan.client.heads.keeping import Notes, Posted
from sanyuan.client.heads.note import Head, Heads, SignedHeads
from sanyuan.client.proving.bundle import RecordProof
from sanyuan.client.proving.finding import parse_wanted
from sanyuan.client.verify.bundle import Task, check_bundles
from sanyuan.client.verify.state import VERSION, load_state, write_saved
from sanyuan.common.access import make_token, read_token
from sanyuan.common.contracts.registry import CONTRACTS, parse_data
from sanyuan.common.directory import Directory, Founding, System
from sanyuan.common.envelope import decode
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import encode_leaf, parse_leaf
from sanyuan.common.license_identifiers import LicenseIdentifier, parse_identifier
from sanyuan.common.notes import (
    Note,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_signature,
)
from sanyuan.common.record import RawRecord, read
from sanyuan.common.sdjwt import jws, keys, statuslist
from sanyuan.common.sdjwt.disclosures import make_disclosure, read_disclosure
from sanyuan.common.sdjwt.json import decode_part, parse_object
from sanyuan.common.sealing import SealingKey
from sanyuan.common.sources import key_name, parse_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.telemetry import parse_traceparent
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, CosignerKey
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.misbehaviour import Misbehaviour
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.tlog.proof import ProofBundle
from sanyuan.common.tlog.tiles import Tile, decode_bundle, decode_hashes, encode_bundle
from sanyuan.common.tlog.witnessing import AddCheckpoint, parse_answer

ROUNDS = 150
LONGER = int(os.environ.get("SANYUAN_FUZZ", "1"))
SEED = "parsers" if LONGER == 1 else os.urandom(8).hex()

GOLDEN = [
    json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "golden").glob("*.v1.json"))
]
VALUES = [row["value"].encode() for row in GOLDEN]
KEY = SigningKey.from_seed("cn/log/2026", bytes(32))
HEAD = Checkpoint(KEY.name, 2, leaf_hash(b"a"))
SIGNED = HEAD.sign([KEY])
WITNESS = Cosigner("witness.example/w1", bytes(31) + b"w")
SENDER = SigningKey.from_seed(key_name(decode(VALUES[0]).source), bytes(32))
LEAF = encode_leaf(VALUES[0], SENDER.sign(VALUES[0] + b"\n").encode())
BUNDLE = encode_bundle([LEAF, b"a"])
PROOF = bytes(ProofBundle(0, (leaf_hash(b"b"),), SIGNED, b'{"entry":"x","keys":[]}'))
JWK = keys.SigningJwk(bytes(32))
TOKEN = jws.sign({"iss": "//cn/services/identity", "exp": 1.5}, typ="x+jwt", key=JWK)
OPENS = SealingKey.generate()
READER = SigningKey.from_seed("cn/supervisors/11110000000012345X/desk", bytes(32))
READERS = Directory(
    KEY.verifier,
    founding=Founding("cn", "//cn/agency/11100000000013338W/agency", KEY.name, KEY.verifier),
    systems={
        f"//{READER.name}": System(
            f"//{READER.name}",
            "desk",
            "supervisor",
            None,
            None,
            "desk",
            None,
            "",
            "",
            {READER.key_id: READER.verifier},
        )
    },
)
HEADS = Heads.of(
    f"//{READER.name}", "2026-11-23T02:17:00.000000Z", [Head("cn/calls", 3, "a" * 64)]
).sign(READER)
PIECES = [
    *(b"\n", b"\n\n", b" ", b"0", b"-1", b"=", b"\x00", b"\xff", b"\xed\xa0\x80", b"+", b"\\"),
    *(b'"', b"{", b"[", b"null", b"true", b"1e400", b"NaN", b"\\ud800", b".", b"~"),
    *(b"9" * 5000, b"[" * 2000, "— ".encode(), "é".encode(), "\u2028".encode(), b"\xe3\x80\x80"),
]


def text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def mutate(valid: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(valid))
        end = min(len(valid), start + random.choice((0, 1, 1, 4, 40)))
        piece = random.choice(
            (random.choice(PIECES), random.randbytes(random.randint(0, 4)), valid[start:end] * 2)
        )
        valid = valid[:start] + piece + valid[end:]
    return valid


def parse_golden(raw: bytes) -> object:
    envelope = decode(raw)
    topic = CONTRACTS[envelope.type].TOPICS[0] if envelope.type in CONTRACTS else "log"
    return parse_data(envelope.type, topic, envelope.data)


def read_record(raw: bytes) -> object:
    name, _, line = raw.partition(b"|")
    headers = [(text(name), line), ("traceparent", raw), ("sealed-a", raw)]
    return read(RawRecord("calls", 1, 0, 0, raw, VALUES[0], headers), domain="cn", partitions=12)


def walk(raw: bytes) -> object:
    at = len(raw) * 2 // 3
    return check_bundles([Task(0, 2, raw[:at], raw[at:])], {})


def open_sealed(raw: bytes) -> bytes:
    return OPENS.open(raw, source="//cn/a", topic="cn/b", name="c")


def read_access(raw: bytes) -> System:
    return read_token(text(raw), READERS, "audit", 0.0)


Parser = Callable[[bytes], object]
PARSERS: dict[str, tuple[Parser, list[bytes]]] = {
    "contracts": (parse_golden, VALUES),
    "record headers": (read_record, [b"signature|" + KEY.sign(b"a\n").encode()]),
    "leaf": (parse_leaf, [LEAF]),
    "bundle": (decode_bundle, [BUNDLE]),
    "hash tile": (lambda raw: decode_hashes(raw, 2), [bytes(64)]),
    "bundle and tile": (walk, [BUNDLE + leaf_hash(LEAF) + leaf_hash(b"a")]),
    "note": (Note.parse, [SIGNED]),
    "signature": (lambda raw: parse_signature(text(raw)), [KEY.sign(b"a\n").encode()]),
    "verifier key": (lambda raw: VerifierKey.parse(text(raw)), [str(KEY.verifier).encode()]),
    "base64": (decode_base64, [encode_base64(bytes(range(40))).encode()]),
    "base64url": (decode_part, [b"AAECAwQ"]),
    "checkpoint": (lambda raw: Checkpoint.open(raw, keys=[KEY.verifier]), [SIGNED]),
    "cosigner key": (lambda raw: CosignerKey.parse(text(raw)), [str(WITNESS.key).encode()]),
    "tile path": (lambda raw: Tile.parse(text(raw)), [b"tile/3/x001/x234/067.p/8"]),
    "policy": (Policy.parse, [f"log {KEY.verifier}\nwitness w {WITNESS.key}\nquorum w\n".encode()]),
    "proof": (ProofBundle.parse, [PROOF]),
    "record proof": (RecordProof.parse, [PROOF]),
    "misbehaviour": (Misbehaviour.parse, [bytes(Misbehaviour(SIGNED, SIGNED, ()))]),
    "add-checkpoint": (AddCheckpoint.parse, [bytes(AddCheckpoint(1, (bytes(32),), SIGNED))]),
    "witness's answer": (
        parse_answer,
        [WITNESS.cosign(bytes(HEAD), 1_800_000_000).encode() + b"\n"],
    ),
    "signed heads": (SignedHeads.parse, [HEADS]),
    "kept heads": (
        lambda raw: Notes.read(raw, "a file"),
        [Notes.of([Posted(1, SignedHeads.parse(HEADS))]).model_dump_json().encode()],
    ),
    "token to read": (read_access, [make_token(READER, "//cn/services/audit", 0.0).encode()]),
    "wanted record": (
        lambda raw: parse_wanted(text(raw)),
        [b"17", b"01a20631-3ddb-74ad-8c5f-093363ed5b21", b"//cn/services/audit/log/17"],
    ),
    "source": (
        lambda raw: parse_source(text(raw)),
        [b"//cn/departments/11110000000012345X/food-permits~2", b"//cn/services/audit"],
    ),
    "licence identifier": (
        lambda raw: parse_identifier(text(raw)),
        [str(LicenseIdentifier("11100000000013338W032", "11220000013544541J", "A1", 1)).encode()],
    ),
    "traceparent": (
        lambda raw: parse_traceparent(text(raw)),
        [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ),
    "JSON of a token": (parse_object, [b'{"a":[1,{"b":null}],"c":"d"}']),
    "token": (lambda raw: jws.read(text(raw)), [TOKEN.encode()]),
    "disclosure": (
        lambda raw: read_disclosure(text(raw)),
        [make_disclosure("salt", "name", [1]).encode()],
    ),
    "issuer's keys": (
        lambda raw: keys.read_metadata(raw, "https://a.example"),
        [orjson.dumps(keys.metadata("https://a.example", [JWK.x]))],
    ),
    "status list": (
        lambda raw: statuslist.decode_list({"bits": 2, "lst": text(raw)}),
        [statuslist.encode_list(bytes(50))["lst"].encode()],
    ),
    "sealed attachment": (
        open_sealed,
        [OPENS.public.seal(b"secret", source="//cn/a", topic="cn/b", name="c")],
    ),
}


@pytest.mark.parametrize("name", PARSERS)
def test_whatever_comes_a_parser_returns_or_raises_an_error_of_ours(name: str) -> None:
    parse, valid = PARSERS[name]
    for each in valid:
        parse(each)
    random = Random(f"{SEED} {name}")  # noqa: S311  inputs, no secrets
    for _ in range(ROUNDS * LONGER):
        raw = mutate(random.choice(valid), random)
        try:
            parse(raw)
        except SanyuanError:
            pass
        except Exception as error:
            raise AssertionError(f"{SEED=} {raw[:2000]!r}") from error


def test_whatever_lies_in_a_file_of_ours_it_is_read_or_refused(tmp_path: Path) -> None:
    random = Random(f"{SEED} files")  # noqa: S311  as above
    system, state = tmp_path / "system.json", tmp_path / "state"
    SystemFile.create("//cn/services/audit").save(system)
    saved: dict[str, Any] = {"checkpoint": bytes(HEAD).decode(), "fingerprint": None, "history": {}}
    write_saved(state, VERSION, saved)
    files: list[tuple[Path, Callable[[Path], object]]] = [
        (system, SystemFile.load),
        (state, load_state),
    ]
    for path, load in files:
        valid = path.read_bytes()
        assert load(path) is not None
        for _ in range(ROUNDS * LONGER):
            path.write_bytes(mutate(valid, random))
            with contextlib.suppress(SanyuanError):
                load(path)
