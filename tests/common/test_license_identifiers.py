from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.identifiers import IdentifierError
from sanyuan.common.license_identifiers import (
    LicenseIdentifier,
    check_character,
    parse_identifier,
    parse_serial,
)

SAMPLE = "1.2.156.3005.2.11100000000013338W032.11220000013544541J.2430599.001.F"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SERIALS = st.text(ALPHABET, min_size=1, max_size=32)


def test_the_sample_of_the_standard() -> None:
    identifier = parse_identifier(SAMPLE)
    assert identifier == LicenseIdentifier(
        "11100000000013338W032", "11220000013544541J", "2430599", 1
    )
    assert str(identifier) == SAMPLE


@given(SERIALS, st.integers(1, 999))
def test_every_identifier_is_read_as_it_was_written(serial: str, version: int) -> None:
    identifier = LicenseIdentifier("11100000000013338W032", "11220000013544541J", serial, version)
    assert parse_identifier(str(identifier)) == identifier


@given(st.text(ALPHABET, min_size=1, max_size=60), st.data())
def test_the_check_finds_every_wrong_character(text: str, data: st.DataObject) -> None:
    """ISO 7064, MOD 37,36."""
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET))
    changed = text[:place] + other + text[place + 1 :]
    assert (check_character(changed) == check_character(text)) == (changed == text)


@pytest.mark.parametrize(
    "written",
    [
        SAMPLE.lower(),
        "１" + SAMPLE[1:],
        f" {SAMPLE} ",
        SAMPLE.replace(".", "．"),
    ],
)
def test_width_case_and_spaces_do_not_matter(written: str) -> None:
    assert str(parse_identifier(written)) == SAMPLE


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        SAMPLE[:-1],
        SAMPLE[:-1] + "G",
        SAMPLE.replace(".001.", ".002."),
        SAMPLE.replace(".001.", ".000."),
        SAMPLE.replace("3005", "3006"),
        SAMPLE.replace("2430599", "24-30599"),
        SAMPLE + ".1",
    ],
)
def test_what_is_no_identifier_is_refused_and_not_quoted(wrong: str) -> None:
    with pytest.raises(IdentifierError) as raised:
        parse_identifier(wrong)
    assert "2430599" not in str(raised.value)


@pytest.mark.parametrize(("written", "serial"), [("ab１", "AB1"), (" 12 34", "1234"), ("0", "0")])
def test_a_serial_number_has_one_spelling(written: str, serial: str) -> None:
    assert parse_serial(written) == serial


@pytest.mark.parametrize("wrong", ["", "A-1", "一", "1" * 33, "A.1"])
def test_a_serial_number_has_digits_and_letters_only(wrong: str) -> None:
    with pytest.raises(IdentifierError):
        parse_serial(wrong)
