from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sanyuan.common.identifiers import (
    CREDIT_ALPHABET,
    CitizenNumber,
    IdentifierError,
    citizen_check,
    credit_check,
    organisation_check,
    parse_citizen_number,
    parse_credit_code,
    parse_mobile,
    parse_name,
)

MARK = "\ue000"
TODAY = date(2026, 11, 23)


@st.composite
def citizen_numbers(draw: st.DrawFn) -> str:
    region = draw(st.from_regex(r"[1-9][0-9]{5}", fullmatch=True))
    born = draw(st.dates(date(1850, 1, 1), TODAY))
    body = f"{region}{born:%Y%m%d}{draw(st.integers(0, 999)):03d}"
    return body + citizen_check(body)


@st.composite
def credit_codes(draw: st.DrawFn) -> str:
    head = draw(st.text(CREDIT_ALPHABET, min_size=2, max_size=2))
    region = draw(st.from_regex(r"[1-6][0-9]{5}", fullmatch=True))
    organisation = draw(st.text(CREDIT_ALPHABET, min_size=8, max_size=8))
    body = head + region + organisation + organisation_check(organisation)
    return body + credit_check(body)


def swap(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


@given(citizen_numbers())
def test_every_valid_citizen_number_parses_to_itself(number: str) -> None:
    parsed = parse_citizen_number(number, on=TODAY)
    assert parsed == CitizenNumber(number)
    assert f"{parsed.birth_date:%Y%m%d}" == number[6:14]
    assert parsed.region == number[:6]


@given(citizen_numbers(), st.integers(0, 16), st.integers(1, 9))
def test_mod_11_2_detects_every_wrong_digit(number: str, place: int, shift: int) -> None:
    wrong = str((int(number[place]) + shift) % 10)
    with pytest.raises(IdentifierError):
        parse_citizen_number(number[:place] + wrong + number[place + 1 :], on=TODAY)


@given(citizen_numbers(), st.sampled_from("0123456789X"))
def test_only_one_check_character_is_right(number: str, check: str) -> None:
    assume(check != number[17])
    with pytest.raises(IdentifierError, match="check character"):
        parse_citizen_number(number[:17] + check, on=TODAY)


@given(citizen_numbers(), st.integers(0, 16))
def test_mod_11_2_detects_every_transposition_of_neighbours(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])
    with pytest.raises(IdentifierError):
        parse_citizen_number(swap(number, place), on=TODAY)


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_samples_of_the_standard_are_valid(number: str) -> None:
    assert parse_citizen_number(number, on=TODAY).text == number


@pytest.mark.parametrize("region", ["810000", "820000", "830000", "710000", "914403", "999999"])
def test_an_unusual_region_never_rejects_a_number(region: str) -> None:
    body = f"{region}19900101001"
    assert parse_citizen_number(body + citizen_check(body), on=TODAY).region == region


def test_the_region_is_advice() -> None:
    def known(region: str) -> bool:
        body = f"{region}19900101001"
        return parse_citizen_number(body + citizen_check(body), on=TODAY).is_region_known

    assert [known("110101"), known("911101"), known("990101")] == [True, True, True]
    assert [known("000000"), known("550101")] == [False, False]


@given(st.integers(1, 3000))
def test_a_birth_date_in_the_future_is_malformed(days: int) -> None:
    born = TODAY + timedelta(days=days)
    body = f"110101{born:%Y%m%d}001"
    with pytest.raises(IdentifierError, match="future"):
        parse_citizen_number(body + citizen_check(body), on=TODAY)
    assert parse_citizen_number(body + citizen_check(body), on=born).birth_date == born


@pytest.mark.parametrize("born", ["19900230", "19901301", "19900100", "00000101", "19010229"])
def test_a_day_that_never_was_is_malformed(born: str) -> None:
    body = f"110101{born}001"
    with pytest.raises(IdentifierError, match="date of birth"):
        parse_citizen_number(body + citizen_check(body), on=TODAY)


@given(citizen_numbers())
def test_a_legacy_number_becomes_the_number_of_eighteen(number: str) -> None:
    assume(number[6:8] == "19")
    legacy = number[:6] + number[8:17]
    assert parse_citizen_number(legacy, on=TODAY).text == number


@pytest.mark.parametrize(
    "written",
    [
        "11010519491231002x",
        " 110105 19491231 002X ",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105　19491231002ｘ",
        "110105491231002",
    ],
)
def test_one_number_has_one_spelling(written: str) -> None:
    assert parse_citizen_number(written, on=TODAY).text == "11010519491231002X"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1101051949123100",
        "X10105194912310021",
        "11010519491231002XX",
        "11010519491231002Ⅹ",
        "١١٠١٠٥١٩٤٩١٢٣١٠٠٢X",
        "②10105194912310021",
        "11010519491231002X\x00",
        "-1010519491231002X",
    ],
)
def test_anything_else_is_no_citizen_number(written: str) -> None:
    with pytest.raises(IdentifierError):
        parse_citizen_number(written, on=TODAY)


@pytest.mark.parametrize(
    "parse", [partial(parse_citizen_number, on=TODAY), parse_credit_code, parse_mobile, parse_name]
)
@given(text=st.text(max_size=24))
def test_no_text_crashes_a_parser_or_is_quoted_by_its_error(
    parse: Callable[[str], object], text: str
) -> None:
    # Only a mark that no message of ours holds tells a quotation from a word like "code".
    for written in (text, f"{text[:6]}{MARK}{text[6:]}"):
        assert MARK not in refusal(parse, written)


def refusal(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except IdentifierError as error:
        return str(error)
    return ""


@given(credit_codes())
def test_every_valid_credit_code_parses_and_is_not_questionable(code: str) -> None:
    parsed = parse_credit_code(code.lower())
    assert (parsed.text, parsed.questionable) == (code, False)
    assert parsed.organisation_code == code[8:17]
    assert parsed.region == code[2:8]


@given(credit_codes(), st.integers(0, 17), st.sampled_from(CREDIT_ALPHABET))
def test_mod_31_makes_every_wrong_character_questionable(code: str, place: int, wrong: str) -> None:
    assume(code[place] != wrong)
    assert parse_credit_code(code[:place] + wrong + code[place + 1 :]).questionable


@given(credit_codes(), st.integers(0, 15))
def test_mod_31_makes_every_transposition_questionable(code: str, place: int) -> None:
    assume(code[place] != code[place + 1])
    assert parse_credit_code(swap(code, place)).questionable


@given(credit_codes(), st.integers(8, 16), st.integers(1, 9))
def test_the_organisation_code_is_checked_even_when_the_outer_check_holds(
    code: str, place: int, shift: int
) -> None:
    assume(code[place].isdigit())
    body = code[:place] + str((int(code[place]) + shift) % 10) + code[place + 1 : 17]
    assert parse_credit_code(body + credit_check(body)).questionable


@pytest.mark.parametrize(
    ("code", "questionable"),
    [
        ("91110000600037341L", False),
        ("11100000000013338W", False),
        ("11220000013544541J", False),
        ("９１１１００００６０００３７３４１ｌ", False),
        ("91350100M0001TGQXM", True),
    ],
)
def test_genuine_codes_are_accepted_and_early_ones_are_questionable(
    code: str, *, questionable: bool
) -> None:
    assert parse_credit_code(code).questionable is questionable


@pytest.mark.parametrize(
    "code", ["", "9111000060003734", "91110000600037341I", "91110000600037341LL"]
)
def test_a_code_of_another_form_is_rejected(code: str) -> None:
    with pytest.raises(IdentifierError):
        parse_credit_code(code)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("阿里木・买买提", "阿里木·买买提"),
        ("阿里木•买买提", "阿里木·买买提"),
        ("阿里木‧买买提", "阿里木·买买提"),
        ("阿里木 · 买买提", "阿里木·买买提"),
        ("欧阳　甲", "欧阳甲"),
        ("John  Smith ", "John Smith"),
        ("Ｊｏｈｎ　Ｓｍｉｔｈ", "John Smith"),
        ("甲乙（丙）有限公司", "甲乙(丙)有限公司"),
        ("甲\u200b乙\ufeff", "甲乙"),
    ],
)
def test_one_name_has_one_spelling(written: str, name: str) -> None:
    assert parse_name(written) == name


@given(st.text(max_size=40))
def test_normalising_a_name_twice_changes_nothing(text: str) -> None:
    try:
        once = parse_name(text)
    except IdentifierError:
        return
    assert parse_name(once) == once


@pytest.mark.parametrize("text", ["", "  ", "···", "\u200b", "名" * 201])
def test_a_text_without_a_letter_or_too_long_is_no_name(text: str) -> None:
    with pytest.raises(IdentifierError):
        parse_name(text)


@pytest.mark.parametrize(
    "written",
    ["13800138000", "+86 138 0013 8000", "0086-138-0013-8000", "８６１３８００１３８０００"],
)
def test_one_mobile_has_one_spelling(written: str) -> None:
    assert parse_mobile(written).text == "13800138000"


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", "86", "+86", "0086"]))
def test_every_mobile_parses_with_and_without_the_country(mobile: str, country: str) -> None:
    assert parse_mobile(country + mobile).text == mobile


@pytest.mark.parametrize("written", ["12800138000", "1380013800", "138001380000", "tel", "86"])
def test_anything_else_is_no_mobile(written: str) -> None:
    with pytest.raises(IdentifierError):
        parse_mobile(written)
