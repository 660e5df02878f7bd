"""Golden contracts: what was once sent must be read for ever. These files are never edited."""

import hashlib
import json
from base64 import b64decode
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from sanyuan.common.contracts.message import Attachment, Decided, ForwardedAttachment
from sanyuan.common.contracts.registry import CONTRACTS, parse_data
from sanyuan.common.directory import Directory, evolve
from sanyuan.common.envelope import ZERO_HASH, Envelope, decode, encode
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import SigningKey
from sanyuan.common.record import RawRecord, Record, read, verify
from sanyuan.common.sealing import SealingKey, digest
from sanyuan.common.sources import key_name
from sanyuan.common.topics import INBOX_PREFIX, topic_named

GOLDEN: Final = Path(__file__).parents[2] / "golden"
SUMS: Final = {
    line[66:]: line[:64] for line in (GOLDEN / "SHA256SUMS").read_text("utf-8").splitlines()
}
KEYS: Final = json.loads((GOLDEN / "keys.json").read_text("utf-8"))
EVERY_TYPE: Final = pytest.mark.parametrize("kind", sorted(CONTRACTS))


def load(kind: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / f"{kind}.json").read_text("utf-8"))
    return loaded


def raw(kind: str) -> RawRecord:
    golden = load(kind)
    headers = [
        (name, b64decode(text) if name.startswith("sealed-") else text.encode())
        for name, text in golden["headers"].items()
    ]
    return RawRecord(
        topic=golden["topic"],
        partition=golden["partition"],
        offset=0,
        timestamp_ms=0,
        key=golden["key"].encode(),
        value=golden["value"].encode(),
        headers=headers,
    )


def record(kind: str) -> Record:
    topic = topic_named(load(kind)["topic"])
    found = read(raw(kind), domain="cn", partitions=topic.partitions if topic else 1)
    assert isinstance(found, Record), found
    return found


def signing(source: str) -> SigningKey:
    return SigningKey.from_seed(key_name(source), b64decode(KEYS[source]["signing_key"]))


def in_order() -> list[Envelope]:
    envelopes = [record(kind).envelope for kind in CONTRACTS]
    return sorted(envelopes, key=lambda e: (e.source, e.topic, e.sequence))


@EVERY_TYPE
def test_every_type_has_an_example_that_was_never_edited(kind: str) -> None:
    content = (GOLDEN / f"{kind}.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SUMS[f"{kind}.json"]


def test_no_example_was_ever_removed() -> None:
    kept = {path.name for path in GOLDEN.glob("*.v[0-9]*.json")}
    assert kept == SUMS.keys()
    assert {name.removesuffix(".json") for name in kept} == CONTRACTS.keys()


@EVERY_TYPE
def test_todays_code_reads_it_as_an_authentic_record_of_its_type(kind: str) -> None:
    found = record(kind)
    assert found.envelope.type == kind
    assert verify(found, signing(found.source).verifier) is None
    assert parse_leaf(found.leaf).envelope == found.envelope
    place = "inbox" if found.raw.topic.startswith(INBOX_PREFIX) else found.raw.topic
    message = parse_data(kind, place, found.envelope.data)
    assert type(message) is CONTRACTS[kind]


@EVERY_TYPE
def test_what_we_write_today_is_what_was_written_then(kind: str) -> None:
    golden = load(kind)["value"].encode()
    assert encode(asdict(decode(golden))) == golden
    envelope = decode(golden)
    message = CONTRACTS[kind].model_validate(envelope.data)
    assert message.model_dump(mode="json", by_alias=True, exclude_unset=True) == envelope.data


def reader_of(found: Record, name: str) -> SealingKey:
    """The key of whom an attachment is for: an inbox's owner, a serving system, or a service."""
    topic = found.raw.topic
    if topic.startswith(INBOX_PREFIX):
        (owner,) = (s for s in KEYS if s.endswith("/" + topic.removeprefix(INBOX_PREFIX)))
    elif name == "parameters":
        owner = found.envelope.data["serving_system"]
    else:
        service = "catalog" if topic == "calls" else topic.removesuffix("-commands")
        owner = f"//cn/services/{service}"
    return SealingKey.from_base64(KEYS[owner]["sealing_key"])


@EVERY_TYPE
def test_its_attachments_open_with_the_key_of_whom_they_are_for(kind: str) -> None:
    found, contract = record(kind), CONTRACTS[kind]
    assert found.sealed.keys() == set(contract.SEALED)
    message = contract.model_validate(found.envelope.data)
    for name, ciphertext in found.sealed.items():
        named = getattr(message, name)
        assert isinstance(named, Attachment)
        assert named.sealed == digest(ciphertext)
        source, topic = found.source, found.envelope.topic
        if isinstance(named, ForwardedAttachment):
            source, topic = named.origin.source, named.origin.topic
            assert named.origin.attachment == name
        key = reader_of(found, name)
        assert json.loads(key.open(ciphertext, source=source, topic=topic, name=name))


def test_examples_of_one_stream_are_chained() -> None:
    heads: dict[tuple[str, str], tuple[int, str]] = {}
    hashes = {record(kind).envelope.id: record(kind).hash for kind in CONTRACTS}
    for envelope in in_order():
        last, head = heads.get((envelope.source, envelope.topic), (0, ZERO_HASH))
        assert (envelope.number, envelope.previous) == (last + 1, head)
        heads[envelope.source, envelope.topic] = envelope.number, hashes[envelope.id]


def test_the_agencys_examples_fold_into_a_directory() -> None:
    directory = Directory(signing("//cn/agency/11100000000013338W/agency").verifier)
    for envelope in in_order():
        if envelope.topic == "cn/participants":
            message = parse_data(envelope.type, "participants", envelope.data)
            directory = evolve(directory, envelope, message)  # type: ignore[arg-type]  # by topic
    source = "//cn/departments/11110000000012345X/food-permits"
    assert directory.keys_of(source).keys() > {signing(source).key_id}
    assert directory.purposes("11110000000012345X", "identity") == {"food-business-licence"}


@EVERY_TYPE
def test_unknown_fields_are_accepted(kind: str) -> None:
    data = decode(load(kind)["value"].encode()).data
    contract = CONTRACTS[kind]
    assert contract.model_validate({**data, "added": {"later": 1}}) == contract.model_validate(data)


@pytest.mark.parametrize("kind", [k for k, c in CONTRACTS.items() if issubclass(c, Decided)])
def test_a_decision_names_its_command(kind: str) -> None:
    decided = CONTRACTS[kind].model_validate(record(kind).envelope.data)
    assert isinstance(decided, Decided)
    hashes = {record(other).hash: record(other) for other in CONTRACTS}
    command = hashes[decided.command.hash]
    assert (command.source, command.envelope.topic, command.envelope.sequence) == (
        decided.command.source,
        decided.command.topic,
        decided.command.sequence,
    )
    assert record(kind).envelope.causationid == command.envelope.id
