import re

from sanyuan.common.identifiers import parse_credit_code
from sanyuan.common.sources import Source, parse_source
from sanyuan.common.topics import SERVICES
from sanyuan.sandbox.synthetic.departments import (
    AGENCY,
    DEPARTMENTS,
    FOOD_BUSINESS,
    MARKET_REGULATION,
    NODES,
    OPERATOR,
    SPARES,
    SUPERVISOR,
)

EVERYBODY = (*DEPARTMENTS, AGENCY, SUPERVISOR, OPERATOR)


def test_there_are_53_departments_with_one_or_two_systems_on_8_nodes() -> None:
    assert len(DEPARTMENTS) == 53
    assert {len(department.systems) for department in DEPARTMENTS} == {1, 2}
    assert {system.node for each in DEPARTMENTS for system in each.systems} == set(NODES)
    assert len(NODES) == 8


def test_every_code_is_valid_and_nobody_elses() -> None:
    codes = [organ.code for organ in EVERYBODY]
    assert len(set(codes)) == len(codes)
    assert not any(parse_credit_code(code).questionable for code in codes)
    assert all(code[8:10] == "XN" for code in codes)


def test_every_system_can_be_registered_under_its_name() -> None:
    names = [system.name for organ in EVERYBODY for system in organ.systems]
    names += [spare.name for spare in SPARES]
    assert len(set(names)) == len(names)
    assert not set(names) & set(SERVICES)
    assert max(map(len, names)) <= 20
    for organ in EVERYBODY:
        for system in organ.systems:
            source = str(Source("cn", organ.role, organ.code, system.name))
            assert parse_source(source).name == system.name


def test_every_department_may_ask_for_something() -> None:
    for department in DEPARTMENTS:
        assert department.purposes
        assert all(re.fullmatch(r"[a-z][a-z0-9-]*", purpose) for purpose in department.purposes)
        assert department.name
        assert department.name_en.isascii()


def test_the_spare_systems_department_may_verify_for_food_business() -> None:
    assert FOOD_BUSINESS in MARKET_REGULATION.purposes
    assert [spare.node for spare in SPARES] == ["spare-1", "spare-2", "spare-3"]
