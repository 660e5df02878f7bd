from datetime import date
from pathlib import Path

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.identifiers import IdentifierError, parse_citizen_number
from sanyuan.sandbox import settings
from sanyuan.sandbox.demo.cast import REGISTERED, TRIES, choose, misspelt
from sanyuan.sandbox.demo.masking import mask_name, mask_number, mask_organisation
from sanyuan.sandbox.synthetic.catalogue.keeping import keep_catalogue, load_catalogue
from sanyuan.sandbox.synthetic.departments import DEPARTMENT
from sanyuan.sandbox.synthetic.providers.known import in_rank
from sanyuan.sandbox.synthetic.providers.values import chosen
from sanyuan.sandbox.synthetic.registers import Registers, all_organisations, make_registers


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Registers:
    return make_registers(tmp_path_factory.mktemp("registers"), settings.load().cache)


@pytest.fixture(scope="module")
def taxpayers(tmp_path_factory: pytest.TempPathFactory) -> Resource:
    folder = tmp_path_factory.mktemp("catalogue")
    path = keep_catalogue(folder, settings.load().cache, "cn")
    offered = load_catalogue(path, DEPARTMENT["taxation"].code)
    return next(each for each in offered if each.name == "税务登记信息" and each.serving_system)


def test_the_applicants_company_is_registered_for_tax(
    registers: Registers, taxpayers: Resource
) -> None:
    ranks = {each.code: rank for rank, each in enumerate(in_rank(all_organisations(registers)))}
    for _ in range(40):  # one company in ten is not
        code = choose(registers, taxpayers).organisation.code
        assert chosen(taxpayers, "status", ranks[code]) == REGISTERED


def test_everybody_in_a_cast_is_somebody_else(registers: Registers, taxpayers: Resource) -> None:
    cast = choose(registers, taxpayers)
    numbers = {cast.applicant.number, cast.partner.number, cast.target.number}
    assert len(numbers) == 3
    assert len(cast.strangers) > TRIES
    assert not {cast.partner.name, cast.target.name} & set(cast.strangers)


def test_each_case_has_a_cast_of_its_own(registers: Registers, taxpayers: Resource) -> None:
    assert choose(registers, taxpayers).target.number != choose(registers, taxpayers).target.number


def test_a_misspelt_number_has_a_wrong_check_character(
    registers: Registers, taxpayers: Resource
) -> None:
    number = misspelt(choose(registers, taxpayers).partner.number)
    with pytest.raises(IdentifierError, match="check"):
        parse_citizen_number(number, on=date(2026, 1, 1))


def test_what_is_shown_of_a_person_is_not_the_person(
    registers: Registers, taxpayers: Resource
) -> None:
    who = choose(registers, taxpayers).applicant
    assert who.name not in mask_name(who.name)
    assert mask_number(who.number).count("*") == len(who.number) - 4
    assert mask_name("") == "**"


def test_an_organisation_is_shown_by_its_beginning() -> None:
    assert mask_organisation("甲乙丙丁有限公司") == "甲乙****"


def test_a_folder_without_registers_is_one_clear_error(tmp_path: Path, taxpayers: Resource) -> None:
    with pytest.raises(Exception, match="register"):
        choose(Registers(tmp_path), taxpayers)
