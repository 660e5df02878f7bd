from collections import Counter

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.demo.load.grants import (
    LICENSE_FIELDS,
    UNGRANTED_FIELD,
    Wanted,
    wanted_grants,
    wanted_license_grants,
)
from sanyuan.sandbox.demo.load.schedule import EVERYBODY
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE


@pytest.fixture(scope="module")
def catalogue(nation: tuple[Resource, ...]) -> dict[str, Resource]:
    return {each.code: each for each in nation}


@pytest.fixture(scope="module")
def wanted(catalogue: dict[str, Resource]) -> tuple[Wanted, ...]:
    return wanted_grants(list(catalogue.values()))


def test_there_are_2000_grants_of_more_than_500_resources(wanted: tuple[Wanted, ...]) -> None:
    assert len(wanted) == 2_000
    assert len({each.resource for each in wanted}) >= 500
    assert len({(each.caller, each.resource) for each in wanted}) == 2_000


def test_every_department_calls_others_and_is_called(wanted: tuple[Wanted, ...]) -> None:
    callers = Counter(each.caller for each in wanted)
    assert set(callers) == {each.provider for each in wanted} == set(EVERYBODY)
    assert 20 <= min(callers.values()) <= max(callers.values()) <= 60
    assert not [each for each in wanted if each.caller == each.provider]


def test_a_grant_names_fields_of_its_resource_and_the_key_first(
    wanted: tuple[Wanted, ...], catalogue: dict[str, Resource]
) -> None:
    for each in wanted:
        resource = catalogue[each.resource]
        assert DEPARTMENTS[each.provider].code == resource.provider
        assert each.fields == tuple(item.name for item in resource.items[: len(each.fields)])
        assert each.fields[0] == resource.parameters[0].name
        assert each.about == ("person" if each.fields[0] == "citizen_number" else "organisation")
        assert not resource.needs_assertion


def test_conditional_resources_are_granted_by_their_provider_and_with_a_rate(
    wanted: tuple[Wanted, ...], catalogue: dict[str, Resource]
) -> None:
    for each in wanted:
        assert each.automatic == (catalogue[each.resource].sharing.type == "unconditional")
        assert (each.rate is None) == each.automatic
    assert 600 < sum(each.automatic for each in wanted) < 1_400


def test_a_purpose_is_one_that_the_caller_may_verify_for(wanted: tuple[Wanted, ...]) -> None:
    assert all(each.purpose in DEPARTMENTS[each.caller].purposes for each in wanted)


def test_everybody_has_a_grant_for_fields_of_the_business_licence(
    catalogue: dict[str, Resource],
) -> None:
    wanted = wanted_license_grants(list(catalogue.values()))
    assert [each.caller for each in wanted] == list(EVERYBODY)
    (code,) = {each.resource for each in wanted}
    assert catalogue[code].license_type == BUSINESS_LICENSE.code
    named = {item.name for item in catalogue[code].items}
    assert {*LICENSE_FIELDS, UNGRANTED_FIELD} <= named
    assert UNGRANTED_FIELD not in LICENSE_FIELDS
