import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date

import orjson
import pytest

from sanyuan.license_exchange.domain.drafts import Draft, read_content
from sanyuan.license_exchange.domain.fields import read_fields
from sanyuan.sandbox.synthetic import names
from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.departments import MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE, LICENSE_TYPES, SHARED_METADATA
from sanyuan.sandbox.synthetic.licenses import BusinessLicense, business_licenses
from sanyuan.sandbox.synthetic.places import CITIES, city_of
from sanyuan.sandbox.synthetic.regions import REGIONS
from sanyuan.sandbox.synthetic.registers import ORGANISATIONS, Registers


@pytest.fixture(scope="module")
def registers(everybody: Registers) -> Registers:
    return everybody


@pytest.fixture(scope="module")
def licenses(registers: Registers) -> list[BusinessLicense]:
    return list(business_licenses(registers))


def test_everybody_in_the_legal_entity_register_has_one(
    registers: Registers, licenses: list[BusinessLicense]
) -> None:
    statement = "SELECT code, name, representative_name FROM organisation"
    with closing(sqlite3.connect(registers.legal_entity)) as database:
        registered = set(database.execute(statement))
    held = {(each.holder_code, each.holder_name, each.representative) for each in licenses}
    assert held == registered
    assert len(licenses) == ORGANISATIONS == 20_000


def test_a_licence_is_numbered_by_its_holders_code(licenses: list[BusinessLicense]) -> None:
    assert all(each.license_number == each.holder_code for each in licenses)


def test_dates_follow_each_other_and_most_licences_are_not_limited(
    licenses: list[BusinessLicense],
) -> None:
    for each in licenses:
        assert date(2015, 10, 1) <= each.established_on <= each.issue_date <= date(2025, 6, 30)
        assert each.valid_from == each.established_on
        assert each.valid_until is None or each.valid_until > date(2025, 6, 30)
    unlimited = sum(each.valid_until is None for each in licenses)
    assert 0.57 < unlimited / len(licenses) < 0.63


def test_what_a_business_may_do_fits_its_name(licenses: list[BusinessLicense]) -> None:
    scopes = {each.business_scope for each in licenses if "餐饮管理" in each.holder_name}
    assert len(scopes) == 1
    assert scopes.pop().startswith("餐饮服务")
    assert len({each.business_scope for each in licenses}) == 20
    forms = {each.organisation_type for each in licenses if "股份" in each.holder_name}
    assert forms == {"股份有限公司（非上市、自然人投资或控股）"}


def test_address_and_authority_are_in_the_city_that_the_code_names(
    licenses: list[BusinessLicense],
) -> None:
    for each in licenses:
        city = city_of(each.holder_code[2:8])
        assert each.address.startswith(city)
        assert each.registration_authority.startswith(city)
    assert {region[:4] for region in REGIONS} == set(CITIES)
    assert max(Counter(each.address for each in licenses).values()) < 5


def test_only_names_hold_characters_that_names_are_given_with(
    licenses: list[BusinessLicense],
) -> None:
    given = set(names._GIVEN)
    for each in licenses:
        said = each.address + each.business_scope + each.registration_authority
        assert not given & set(said + each.organisation_type)
    titles = "".join(item.title for kind in LICENSE_TYPES for item in kind.items)
    assert not given & set(titles)


def test_a_licence_says_what_its_type_says(licenses: list[BusinessLicense]) -> None:
    fields = {item.name for item in BUSINESS_LICENSE.fields}
    assert fields <= set(BusinessLicense.__dataclass_fields__)
    names_of = [item.name for item in (*SHARED_METADATA, *BUSINESS_LICENSE.fields)]
    assert len(set(names_of)) == len(names_of)


def test_the_same_licences_come_again(
    registers: Registers, licenses: list[BusinessLicense]
) -> None:
    assert list(business_licenses(registers)) == licenses


def test_a_licence_is_not_printed_with_names(licenses: list[BusinessLicense]) -> None:
    first = licenses[0]
    assert first.holder_name not in repr(first)
    assert first.representative not in repr(first)


def test_a_register_that_cannot_be_read_says_what_to_do(registers: Registers) -> None:
    with pytest.raises(SyntheticDataError, match="make up"):
        list(business_licenses(Registers(registers.folder / "nowhere")))


def test_license_exchange_takes_what_is_issued(licenses: list[BusinessLicense]) -> None:
    items = {item.name: item for item in BUSINESS_LICENSE.license_type().fields}
    for each in licenses[:500]:
        draft = read_content(orjson.dumps(each.content()), on=date(2026, 1, 1))
        assert isinstance(draft, Draft), draft
        assert (draft.holder_code, draft.holder_kind) == (each.holder_code, "organisation")
        assert read_fields(items, draft.fields).keys() == items.keys()


def test_licence_types_are_the_market_regulators_alone() -> None:
    for each in LICENSE_TYPES:
        kind = each.license_type()
        assert kind.code.startswith(MARKET_REGULATION.code)
        assert kind.issuers == (MARKET_REGULATION.code,)
