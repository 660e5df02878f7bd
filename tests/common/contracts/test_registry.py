"""Parsing data at the boundary: an unknown type, malformed data, and what is told of it."""

import re

import pytest

from sanyuan.common.contracts.identity import VerifyPerson
from sanyuan.common.contracts.message import Decided
from sanyuan.common.contracts.registry import (
    CONTRACTS,
    UNIONS,
    MalformedDataError,
    UnknownTypeError,
    parse_data,
)
from sanyuan.common.envelope import TYPE

PERSON = "identity.verify-person.v1"
TOPIC = "identity-commands"
DATA = {
    "purpose": "food-business-licence",
    "legal_basis": "§ 35",
    "audience": "catalog",
    "subject": {"sealed": "sha256:" + "0" * 64},
}
SECRET = "11010519491231002X"


def test_data_becomes_the_message_of_its_type() -> None:
    message = parse_data(PERSON, TOPIC, DATA)
    assert isinstance(message, VerifyPerson)
    assert message.purpose == "food-business-licence"


def test_a_message_never_changes() -> None:
    message = parse_data(PERSON, TOPIC, DATA)
    with pytest.raises(ValueError, match="frozen"):
        message.purpose = "another"  # type: ignore[attr-defined]  # that is the point


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("identity.verify-person.v2", TOPIC),
        (PERSON, "catalog-commands"),
        ("identity.person-verified.v1", TOPIC),
        ("participant.permitted.v1", TOPIC),
    ],
)
def test_a_type_is_known_on_its_own_topic_only(kind: str, topic: str) -> None:
    with pytest.raises(UnknownTypeError):
        parse_data(kind, topic, DATA)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"subject": None}, "data.subject"),
        ({"subject": {"sealed": SECRET}}, "data.subject.sealed"),
        ({"audience": SECRET}, "data.audience"),
        ({"purpose": SECRET}, "data.purpose"),
        ({"legal_basis": ""}, "data.legal_basis"),
        ({"legal_basis": "x" * 513}, "data.legal_basis"),
        ({"legal_basis": 7}, "data.legal_basis"),
    ],
)
def test_malformed_data_is_named_by_its_field_and_never_quoted(
    change: dict[str, object], where: str
) -> None:
    with pytest.raises(MalformedDataError) as refused:
        parse_data(PERSON, TOPIC, DATA | change)
    assert (refused.value.where or "").startswith(where)
    assert SECRET not in str(refused.value)


def test_numbers_are_numbers() -> None:
    decided = {
        "command": {
            "source": "//cn/services/identity",
            "topic": "cn/identity-commands",
            "sequence": f"{1:020d}",
            "hash": "0" * 64,
        },
        "decision": 1,
        "asof": {"participants": 3},
    }
    kind = "identity.person-not-verified.v1"
    assert isinstance(parse_data(kind, "inbox", decided), Decided)
    for change in ({"decision": "1"}, {"decision": 1.0}, {"decision": True}, {"asof": {"p": "3"}}):
        with pytest.raises(MalformedDataError):
            parse_data(kind, "inbox", decided | change)


def test_every_type_is_in_one_union_and_reads_well() -> None:
    assert len(CONTRACTS) == sum(len(getattr(u, "__args__", (u,))) for u in UNIONS)
    for kind, contract in CONTRACTS.items():
        assert re.fullmatch(TYPE, kind)
        assert re.fullmatch(r"[a-z-]+\.[a-z-]+\.v[1-9][0-9]*", kind)
        assert contract.__doc__
        assert contract.TOPICS
