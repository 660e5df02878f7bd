from datetime import date
from pathlib import Path

import pytest

from sanyuan.common.identifiers import IdentifierError, parse_citizen_number
from sanyuan.sandbox import settings
from sanyuan.sandbox.demo.cast import TRIES, choose, misspelt
from sanyuan.sandbox.demo.masking import mask_name, mask_number, mask_organisation
from sanyuan.sandbox.synthetic.registers import Registers, make_registers


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Registers:
    return make_registers(tmp_path_factory.mktemp("registers"), settings.load().cache)


def test_everybody_in_a_cast_is_somebody_else(registers: Registers) -> None:
    cast = choose(registers)
    numbers = {cast.applicant.number, cast.partner.number, cast.target.number}
    assert len(numbers) == 3
    assert len(cast.strangers) > TRIES
    assert not {cast.partner.name, cast.target.name} & set(cast.strangers)


def test_each_case_has_a_cast_of_its_own(registers: Registers) -> None:
    assert choose(registers).target.number != choose(registers).target.number


def test_a_misspelt_number_has_a_wrong_check_character(registers: Registers) -> None:
    number = misspelt(choose(registers).partner.number)
    with pytest.raises(IdentifierError, match="check"):
        parse_citizen_number(number, on=date(2026, 1, 1))


def test_what_is_shown_of_a_person_is_not_the_person(registers: Registers) -> None:
    who = choose(registers).applicant
    assert who.name not in mask_name(who.name)
    assert mask_number(who.number).count("*") == len(who.number) - 4
    assert mask_name("") == "**"


def test_an_organisation_is_shown_by_its_beginning() -> None:
    assert mask_organisation("甲乙丙丁有限公司") == "甲乙****"


def test_a_folder_without_registers_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="register"):
        choose(Registers(tmp_path))
