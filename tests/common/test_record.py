"""From what Kafka delivers to an authentic record: each reason of design §3, exactly one each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.common.conftest import FOOD, TAX, change, readable, signing

from sanyuan.common.notes import SigningKey, encode_base64
from sanyuan.common.record import (
    GROUP,
    RawRecord,
    Record,
    Rejection,
    find_key,
    read,
    read_all,
    verify,
)
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES

if TYPE_CHECKING:
    from tests.common.conftest import World


def judge(world: World, raw: RawRecord) -> str | None:
    """The reason; None when it is authentic."""
    found = read(raw, domain="cn", partitions=12)
    if isinstance(found, Rejection):
        return found.reason
    key = find_key(found, world.directory)
    if isinstance(key, Rejection):
        return key.reason
    refused = verify(found, key)
    return None if refused is None else refused.reason


def with_headers(raw: RawRecord, *headers: tuple[str, Any]) -> RawRecord:
    return change(raw, headers=headers)


def signature(raw: RawRecord) -> bytes:
    found = dict(raw.headers)["signature"]
    assert found is not None
    return found


def test_an_honest_record_is_authentic(world: World) -> None:
    assert judge(world, world.send(FOOD)) is None


def test_a_null_value_is_unreadable(world: World) -> None:
    assert judge(world, change(world.send(FOOD), value=None)) == "unreadable"


def test_a_value_that_is_no_json_is_unreadable(world: World) -> None:
    assert judge(world, change(world.send(FOOD), value=b"hello")) == "unreadable"


def test_a_value_that_is_not_utf8_is_unreadable(world: World) -> None:
    assert judge(world, change(world.send(FOOD), value=b"\xff")) == "unreadable"


def test_a_value_of_61_kib_is_too_large(world: World) -> None:
    raw = world.send(FOOD)
    assert judge(world, change(raw, value=b"x" * 61 * 1024)) == "too-large"


def test_attachments_of_more_than_512_kib_together_are_too_large(world: World) -> None:
    half = bytes(MAX_ATTACHMENT_BYTES // 2)
    assert judge(world, world.send(FOOD, sealed={"a": half, "b": half})) is None
    assert judge(world, world.send(FOOD, sealed={"a": half, "b": half + b"x"})) == "too-large"


def test_a_record_without_signature_is_unreadable(world: World) -> None:
    assert judge(world, with_headers(world.send(FOOD))) == "unreadable"


def test_two_headers_of_one_name_are_unreadable_even_if_equal(world: World) -> None:
    raw = world.send(FOOD)
    assert judge(world, with_headers(raw, *raw.headers, *raw.headers)) == "unreadable"
    twice = (("x", b"1"), ("x", b"1"))
    assert judge(world, with_headers(raw, *raw.headers, *twice)) == "unreadable"


def test_a_null_header_is_unreadable(world: World) -> None:
    raw = world.send(FOOD)
    assert judge(world, with_headers(raw, ("signature", None))) == "unreadable"
    assert judge(world, with_headers(raw, *raw.headers, ("x", None))) == "unreadable"


def test_a_signature_that_is_not_utf8_is_unreadable(world: World) -> None:
    raw = world.send(FOOD)
    assert judge(world, with_headers(raw, ("signature", b"\xff" + signature(raw)))) == "unreadable"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line + b"\n",
        lambda line: line + b" ",
        lambda line: line.replace(b"\xe2\x80\x94", b"-"),
        lambda line: line.rstrip(b"="),
        lambda line: line[:-3] + b"==",
        lambda line: line[:0],
        lambda line: line + b"A" * 2000,
        lambda line: line.rpartition(b" ")[0] + b" ",
    ],
)
def test_a_signature_header_that_is_no_signature_line_is_unreadable(
    world: World,
    change: Any,  # noqa: ANN401  bytes to bytes
) -> None:
    raw = world.send(FOOD)
    assert judge(world, with_headers(raw, ("signature", change(signature(raw))))) == "unreadable"


def test_base64_is_canonical(world: World) -> None:
    raw = world.send(FOOD)
    line = signature(raw)
    assert line.endswith(b"=")
    last = line[-2:-1]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) ^ 1 :][:1]  # the same 68 bytes, other unused bits
    assert judge(world, with_headers(raw, ("signature", line[:-2] + other + b"="))) == "unreadable"


def test_a_kafka_key_that_is_not_the_source_is_wrong_key(world: World) -> None:
    raw = world.send(FOOD)
    for key in (None, b"", TAX.encode(), FOOD.removeprefix("//").encode()):
        assert judge(world, change(raw, key=key)) == "wrong-key"


def test_a_signature_under_another_sources_name_is_wrong_key(world: World) -> None:
    assert judge(world, world.send(FOOD, key=signing(TAX))) == "wrong-key"


def test_a_key_that_nobody_registered_is_unknown_key(world: World) -> None:
    fresh = SigningKey.generate(signing(FOOD).name)
    assert judge(world, world.send(FOOD, key=fresh)) == "unknown-key"


def test_a_system_that_nobody_registered_is_unknown_key(world: World) -> None:
    assert judge(world, world.send(f"{FOOD}-2")) == "unknown-key"


def test_a_changed_value_is_bad_signature(world: World) -> None:
    raw = world.send(FOOD)
    changed = (raw.value or b"").replace(b'"case"', b'"cafe"')
    assert judge(world, change(raw, value=changed)) == "bad-signature"


def test_a_signature_of_another_length_is_bad_signature(world: World) -> None:
    raw = world.send(FOOD)
    line = f"— {signing(FOOD).name} {encode_base64(signing(FOOD).key_id + bytes(63))}"
    assert judge(world, with_headers(raw, ("signature", line.encode()))) == "bad-signature"


def test_a_record_signed_for_another_topic_is_wrong_topic(world: World) -> None:
    assert judge(world, change(world.send(FOOD), topic="catalog-commands")) == "wrong-topic"


def test_a_record_signed_for_another_domain_is_wrong_topic(world: World) -> None:
    raw = world.send(FOOD)
    found = read(raw, domain="de", partitions=12)
    assert isinstance(found, Rejection)
    assert found.reason == "wrong-topic"


def test_another_partition_is_wrong_partition(world: World) -> None:
    raw = world.send(FOOD)
    elsewhere = change(raw, partition=(raw.partition + 1) % 12)
    assert judge(world, elsewhere) == "wrong-partition"


@pytest.mark.parametrize(
    "trace", [b"", b"x", b"\xff" * 600_000, b"00-0-0-00", b"00-" + b"A" * 32 + b"-" + b"b" * 16]
)
def test_a_bad_traceparent_is_ignored_and_goes_nowhere(world: World, trace: bytes) -> None:
    raw = world.send(FOOD)
    found = readable(with_headers(raw, *raw.headers, ("traceparent", trace)))
    assert found.traceparent is None


def test_a_good_traceparent_is_kept(world: World) -> None:
    raw = world.send(FOOD)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    found = readable(with_headers(raw, *raw.headers, ("traceparent", trace.encode())))
    assert found.traceparent == trace


def test_unknown_headers_are_accepted(world: World) -> None:
    raw = world.send(FOOD)
    assert judge(world, with_headers(raw, *raw.headers, ("later", b"1"))) is None


def test_attachments_are_known_by_their_names(world: World) -> None:
    found = readable(world.send(FOOD, sealed={"subject": b"s", "other": b"o"}))
    assert found.sealed == {"subject": b"s", "other": b"o"}


def test_a_reason_never_quotes_the_sender(world: World) -> None:
    raw = world.send(FOOD)
    for line in (b"\xe2\x80\x94 11010519491231002X AAAA", b"\xe2\x80\x94 11010519491231002X"):
        found = read(with_headers(raw, ("signature", line)), domain="cn", partitions=12)
        assert isinstance(found, Rejection)
        assert "11010519491231002X" not in found.detail


def test_revoked_keys_still_make_authentic_records(world: World) -> None:
    key = str(signing(FOOD).verifier)
    world.say("participant.key-revoked.v1", source=FOOD, signing_key=key)
    assert judge(world, world.send(FOOD)) is None


def test_the_leaf_is_value_blank_line_signature(world: World) -> None:
    raw = world.send(FOOD)
    found = readable(raw)
    assert isinstance(found, Record)
    assert found.leaf == (raw.value or b"") + b"\n\n" + signature(raw) + b"\n"


WRONG: dict[str, Any] = {
    "null": {"value": None},
    "no JSON": {"value": b"hello"},
    "too large": {"value": b"x" * 61 * 1024},
    "control": {"value": b"{\n}"},
    "no signature": {"headers": ()},
    "wrong key": {"key": b"//cn/services/audit"},
    "wrong topic": {"topic": "catalog-commands"},
    "elsewhere": {"partition": 99},
}


@given(st.dictionaries(st.integers(0, 2 * GROUP), st.sampled_from(sorted(WRONG)), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_read_together_are_read_as_one_by_one(world: World, bad: dict[int, str]) -> None:
    sent = [world.send((FOOD, TAX)[at % 2]) for at in range(2 * GROUP + 1)]
    for at, name in bad.items():
        sent[at] = change(sent[at], **WRONG[name])
    alone = [read(raw, domain="cn", partitions=12) for raw in sent]
    assert read_all(sent, domain="cn", partitions=lambda _topic: 12) == alone
    assert {at for at, found in enumerate(alone) if isinstance(found, Rejection)} == set(bad)


def test_nothing_is_read_from_nothing() -> None:
    assert read_all([], domain="cn", partitions=lambda _topic: 12) == []
