import json
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.identity.domain.subjects import (
    NOBODY,
    NOTHING,
    Malformed,
    OrganisationClaim,
    PersonClaim,
    RegisteredOrganisation,
    RegisteredPerson,
    is_organisation,
    is_person,
    read_number,
    read_organisation,
    read_person,
)

TODAY = date(2026, 11, 23)
NUMBER = "11010519491231002X"
CODE = "91110000600037341L"
READERS: list[Callable[[bytes | None], object]] = [
    lambda plaintext: read_person(plaintext, on=TODAY),
    lambda plaintext: read_organisation(plaintext, on=TODAY),
    lambda plaintext: read_number(plaintext, on=TODAY),
]


def dumps(subject: object) -> bytes:
    return json.dumps(subject).encode()


def test_a_claim_is_normalised() -> None:
    subject = dumps(
        {"name": "阿甲・阿乙", "number": "110105 491231002", "mobile": "+86 13800138000"}
    )
    assert read_person(subject, on=TODAY) == PersonClaim("阿甲·阿乙", NUMBER, "13800138000")
    assert read_number(dumps({"number": NUMBER.lower()}), on=TODAY) == NUMBER


def test_an_organisation_may_be_claimed_with_its_representative() -> None:
    subject = {"name": "甲（乙）", "code": CODE, "representative": {"name": "丙", "number": NUMBER}}
    assert read_organisation(dumps(subject), on=TODAY) == OrganisationClaim(
        "甲(乙)", CODE, representative=PersonClaim("丙", NUMBER)
    )


def test_a_code_whose_check_fails_is_questionable_and_looked_up() -> None:
    claim = read_organisation(dumps({"name": "甲", "code": "91350100M0001TGQXM"}), on=TODAY)
    assert isinstance(claim, OrganisationClaim)
    assert claim.questionable


@pytest.mark.parametrize("read", READERS)
@given(plaintext=st.none() | st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_is_sent_is_a_value_and_never_an_exception(
    read: Callable[[bytes | None], object], plaintext: bytes | None
) -> None:
    assert isinstance(read(plaintext), Malformed)


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ([], "subject: is no JSON object"),
        ({"name": "甲"}, "subject.number: is missing"),
        ({"name": 7, "number": NUMBER}, "subject.name: is no text"),
        ({"name": "甲", "number": "110105194912310021"}, "the check character"),
        ({"name": "甲", "number": "11010520991231002X"}, "the check character"),
        ({"name": "", "number": NUMBER}, "a name has"),
        ({"name": "甲", "number": NUMBER, "mobile": "110"}, "a mobile number has"),
        ({"name": "甲", "number": "秘密"}, "a citizen number has"),
    ],
)
def test_a_malformed_subject_says_why_and_quotes_nothing(subject: object, why: str) -> None:
    read = read_person(dumps(subject), on=TODAY)
    assert isinstance(read, Malformed)
    assert read.why.startswith(why)
    assert "秘密" not in read.why
    assert NUMBER not in read.why


def test_an_attachment_that_cannot_be_opened_says_so() -> None:
    read = read_person(None, on=TODAY)
    assert isinstance(read, Malformed)
    assert "cannot be opened" in read.why


def test_every_factor_must_match() -> None:
    entry = RegisteredPerson("甲", "13800138000")
    assert is_person(PersonClaim("甲", NUMBER), entry)
    assert is_person(PersonClaim("甲", NUMBER, "13800138000"), entry)
    assert not is_person(PersonClaim("乙", NUMBER, "13800138000"), entry)
    assert not is_person(PersonClaim("甲", NUMBER, "13800138001"), entry)
    assert not is_person(PersonClaim("甲", NUMBER, "13800138000"), RegisteredPerson("甲"))
    assert not is_person(PersonClaim("甲", NUMBER), NOBODY)


def test_every_fact_about_an_organisation_must_match() -> None:
    entry = RegisteredOrganisation("甲", "丙", NUMBER)
    head = PersonClaim("丙", NUMBER)
    assert is_organisation(OrganisationClaim("甲", CODE), entry)
    assert is_organisation(OrganisationClaim("甲", CODE, representative=head), entry)
    assert not is_organisation(OrganisationClaim("乙", CODE, representative=head), entry)
    other = PersonClaim("丁", NUMBER)
    assert not is_organisation(OrganisationClaim("甲", CODE, representative=other), entry)
    assert not is_organisation(OrganisationClaim("甲", CODE), NOTHING)


def test_claims_and_entries_never_print_a_person() -> None:
    claim = PersonClaim("甲某", NUMBER, "13800138000")
    assert repr(claim) == "PersonClaim()"
    assert repr(RegisteredPerson("甲某", "13800138000")) == "RegisteredPerson()"
    assert "甲某" not in repr(OrganisationClaim("乙", CODE, representative=claim))
