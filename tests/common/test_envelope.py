"""The envelope: what is well formed, and that a fault is named without quoting anyone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.envelope import (
    MAX_VALUE_BYTES,
    EnvelopeError,
    decode,
    encode,
    format_sequence,
    hash_value,
)

FIELDS: dict[str, Any] = {
    "specversion": "1.0",
    "id": "01900000-0000-7000-8000-000000000000",
    "source": "//cn/departments/11110000000012345X/food-permits",
    "type": "identity.verify-person.v1",
    "time": "2026-11-23T02:17:00.123456Z",
    "topic": "cn/identity-commands",
    "sequence": format_sequence(42),
    "previous": "0" * 64,
    "correlationid": "case",
    "data": {"purpose": "food-business-licence"},
}
OPTIONAL = {"causationid", "actor"}
SECRET = "11010519491231002X"


def value(**fields: object) -> bytes:
    return encode(FIELDS | fields)


def test_the_designs_example_is_well_formed() -> None:
    envelope = decode(value(actor="a", causationid="b"))
    assert (envelope.number, envelope.actor, envelope.causationid) == (42, "a", "b")


def test_unknown_fields_are_accepted_and_ignored() -> None:
    assert decode(value(later={"x": 1}, datacontenttype="application/json")) == decode(value())


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    fields = {name: text for name, text in FIELDS.items() if name != field}
    with pytest.raises(EnvelopeError) as refused:
        decode(encode(fields))
    assert refused.value.where == field


def test_only_participants_may_be_without_a_case() -> None:
    assert decode(value(topic="cn/participants", correlationid=None)).correlationid is None


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("specversion", "1.1"),
        ("id", "01900000-0000-7000-8000-00000000000A"),
        ("id", "{01900000-0000-7000-8000-000000000000}"),
        ("source", "cn/departments/11110000000012345X/food-permits"),
        ("source", "//cn/departments/11110000000012345x/food-permits"),
        ("source", "//cn/services/identity~2"),
        ("source", "//cn/departments/11110000000012345X/food-permits~1"),
        ("type", ""),
        ("type", "查询 person"),
        ("time", "2026-11-23 02:17:00Z"),
        ("time", "2026-13-23T02:17:00Z"),
        ("time", "2026-11-23T02:17:00"),
        ("sequence", "42"),
        ("sequence", "-0000000000000000042"),
        ("sequence", "٠" * 20),
        ("sequence", "0" * 20),
        ("sequence", "9" * 20),
        ("sequence", 42),
        ("previous", "0" * 63),
        ("previous", "A" * 64),
        ("correlationid", ""),
        ("correlationid", "x" * 129),
        ("actor", "x" * 257),
        ("data", []),
        ("data", "text"),
    ],
)
def test_a_field_of_another_form_is_refused_by_name(field: str, text: object) -> None:
    with pytest.raises(EnvelopeError) as refused:
        decode(value(**{field: text}))
    assert refused.value.where == field


@pytest.mark.parametrize(
    "time",
    ["2026-11-23T02:17:00Z", "2026-11-23T10:17:00.1+08:00", "2026-11-23T02:17:00.123456+00:00"],
)
def test_a_senders_time_is_a_claim_in_any_form_of_rfc_3339(time: str) -> None:
    assert decode(value(time=time)).time == time


@pytest.mark.parametrize("kind", ["identity.verify-person.v99", "org.example.Anything", "x"])
def test_any_type_makes_a_record_that_can_be_answered(kind: str) -> None:
    assert decode(value(type=kind)).type == kind


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        value()[:-1],
        value() + b"}",
        b"\xef\xbb\xbf" + value(),
        value().replace(b'"purpose"', b'"\xff"'),
        value().replace(b'"purpose"', b'"\\ud800"'),
        value().replace(b'"food-business-licence"', b"NaN"),
        value().replace(b'"food-business-licence"', b"-Infinity"),
        value().replace(b'"food-business-licence"', b"01"),
        value().replace(b'"food-business-licence"', b"[" * 5000 + b"]" * 5000),
    ],
)
def test_what_is_not_json_is_refused(broken: bytes) -> None:
    with pytest.raises(EnvelopeError):
        decode(broken)


def test_the_words_nan_and_infinity_may_stand_in_text() -> None:
    assert decode(value(data={"note": "NaN, Infinity"})).data == {"note": "NaN, Infinity"}


@given(st.integers(0, 0x1F), st.data())
def test_a_byte_below_0x20_is_refused_wherever_it_stands(byte: int, data: st.DataObject) -> None:
    good = value()
    at = data.draw(st.integers(0, len(good)))
    with pytest.raises(EnvelopeError, match="below 0x20"):
        decode(good[:at] + bytes([byte]) + good[at:])


def test_a_value_may_have_60_kib_and_no_byte_more() -> None:
    room = MAX_VALUE_BYTES - len(value(data={"x": ""}))
    largest = value(data={"x": "x" * room})
    assert len(largest) == 60 * 1024
    assert decode(largest).number == 42
    with pytest.raises(EnvelopeError):
        value(data={"x": "x" * (room + 1)})
    with pytest.raises(EnvelopeError):
        decode(largest.replace(b"xx", b"xxx", 1))


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.integers(0, 2**53)))
def test_any_data_survives(data: dict[str, Any]) -> None:
    written = value(data=data)
    assert min(written) >= 0x20
    assert decode(written).data == data
    assert json.loads(written)["data"] == data


@pytest.mark.parametrize("field", sorted(FIELDS))
@pytest.mark.parametrize("content", [[SECRET], 7, {"x": {SECRET: NotImplemented}}])
def test_an_error_never_quotes_what_was_sent(field: str, content: object) -> None:
    written = value(**{field: "PUT HERE"}).replace(
        b'"PUT HERE"', repr(content).replace("'", '"').encode()
    )
    with pytest.raises(EnvelopeError) as refused:
        decode(written)
    assert SECRET not in str(refused.value)


def test_absent_fields_are_left_out() -> None:
    assert b"actor" not in value(actor=None)


def test_previous_is_the_sha256_of_the_bytes_that_travelled() -> None:
    assert hash_value(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert format_sequence(7) == "00000000000000000007"
