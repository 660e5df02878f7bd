import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from sanyuan.catalog.domain.resources import MAX_BYTES, serving_of, size_of
from sanyuan.common.contracts.catalog import Item, Resource
from sanyuan.common.sources import parse_source
from sanyuan.sandbox.synthetic import names
from sanyuan.sandbox.synthetic.catalogue.making import RESOURCES, make_catalogue
from sanyuan.sandbox.synthetic.catalogue.words import load_words
from sanyuan.sandbox.synthetic.departments import DEPARTMENT, DEPARTMENTS, MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import LICENSE_TYPES


@pytest.fixture
def catalogue(nation: tuple[Resource, ...]) -> tuple[Resource, ...]:
    return nation


def of(catalogue: tuple[Resource, ...], slug: str) -> set[str]:
    return {each.name for each in catalogue if each.provider == DEPARTMENT[slug].code}


def texts(resource: Resource) -> Iterator[str]:
    yield from (resource.name, resource.summary, *resource.classification)
    yield from (item.title for item in (*resource.items, *resource.parameters))
    yield from filter(None, (resource.sharing.conditions, resource.sharing.grounds))


def test_there_are_as_many_resources_as_the_nation_had(catalogue: tuple[Resource, ...]) -> None:
    assert len(catalogue) == RESOURCES == 9_942
    assert {each.provider for each in catalogue} == {each.code for each in DEPARTMENTS}


def test_no_two_resources_have_one_code_or_one_name(catalogue: tuple[Resource, ...]) -> None:
    for names_of in ("code", "name", "name_en"):
        assert len({getattr(each, names_of) for each in catalogue}) == RESOURCES, names_of


def test_a_datum_has_one_source(catalogue: tuple[Resource, ...]) -> None:
    claimed = Counter(item.element for each in catalogue for item in each.items if item.element)
    assert set(claimed.values()) == {1}
    assert len(claimed) > 5_000


def test_who_somebody_is_has_its_source_in_the_base_registers(
    catalogue: tuple[Resource, ...],
) -> None:
    sources = {
        item.name: each.name
        for each in catalogue
        for item in each.items
        if item.element and item.name in ("citizen_number", "person_name", "credit_code")
    }
    assert sources == {
        "citizen_number": "户口登记信息",
        "person_name": "户口登记信息",
        "credit_code": "企业登记信息",
    }


def test_six_in_ten_are_shared_freely_and_one_in_twenty_not_at_all(
    catalogue: tuple[Resource, ...],
) -> None:
    found = Counter(each.sharing.type for each in catalogue)
    assert 0.58 < found["unconditional"] / RESOURCES < 0.62
    assert 0.33 < found["conditional"] / RESOURCES < 0.37
    assert 0.04 < found["not-shared"] / RESOURCES < 0.06


def test_what_a_department_has_fits_its_work(catalogue: tuple[Resource, ...]) -> None:
    assert "道路旅客运输经营许可证信息" in of(catalogue, "transport")
    assert {"婚姻登记信息", "城乡最低生活保障享受人员信息"} <= of(catalogue, "civil-affairs")
    assert {"营业执照签发信息", "食品经营许可证信息"} <= of(catalogue, "market-regulation")
    assert "企业职工基本养老保险参保信息" in of(catalogue, "human-resources")
    assert min(Counter(each.provider for each in catalogue).values()) > 50


def test_a_name_does_not_say_a_word_twice(catalogue: tuple[Resource, ...]) -> None:
    doubled = re.compile(r"([一-鿿]{2,4})\1")
    assert not [each.name for each in catalogue if doubled.search(each.name)]


def test_every_department_serves_calls_and_500_resources_need_no_assertion(
    catalogue: tuple[Resource, ...],
) -> None:
    called = [each for each in catalogue if each.serving_system]
    assert len([each for each in called if not each.needs_assertion]) > 500
    assert {each.provider for each in called if not each.needs_assertion} == {
        each.code for each in DEPARTMENTS
    }
    for each in called:
        source = parse_source(each.serving_system or "")
        assert source.participant == each.provider
        assert each.format == "service-interface"
        assert each.sharing.type != "not-shared"
        assert [item.name for item in each.parameters] in (["citizen_number"], ["credit_code"])
        assert each.parameters[0].name == each.items[0].name


def test_only_calls_about_people_show_an_assertion(catalogue: tuple[Resource, ...]) -> None:
    shown = [each for each in catalogue if each.needs_assertion]
    assert len(shown) > 50
    assert {each.parameters[0].name for each in shown} == {"citizen_number"}


def test_licence_types_are_resources_that_license_exchange_meters(
    catalogue: tuple[Resource, ...],
) -> None:
    found = {each.license_type: each for each in catalogue if each.license_type}
    assert set(found) == {each.code for each in LICENSE_TYPES}
    for each in LICENSE_TYPES:
        resource = found[each.code]
        assert resource.provider == MARKET_REGULATION.code
        assert (resource.serving_system, resource.parameters) == (None, ())
        assert [item.name for item in resource.items] == [item.name for item in each.items]


def test_resources_of_one_thing_refer_to_its_principal_one(
    catalogue: tuple[Resource, ...],
) -> None:
    known = set[str]()
    for each in catalogue:
        assert set(each.related) <= known
        assert bool(each.related) != each.code.endswith("/000001")
        known.add(each.code)


def test_classes_have_the_digits_of_the_guideline(catalogue: tuple[Resource, ...]) -> None:
    classes = {(each.code[0], each.classification[0]) for each in catalogue}
    assert classes == {("1", "基础信息资源"), ("2", "主题信息资源"), ("3", "部门信息资源")}
    places: dict[str, set[tuple[str, ...]]] = {}
    for each in catalogue:
        places.setdefault(each.code.split("/")[0], set()).add(each.classification)
    assert {len(found) for found in places.values()} == {1}


def test_no_text_holds_a_character_that_names_are_given_with(
    catalogue: tuple[Resource, ...],
) -> None:
    given = set(names._GIVEN)
    assert not [text for each in catalogue for text in texts(each) if given & set(text)]
    assert not [text for each in catalogue for text in texts(each) if "·" in text]


def test_every_text_is_short_enough_to_be_read(catalogue: tuple[Resource, ...]) -> None:
    assert max(len(each.name) for each in catalogue) <= 40
    assert max(len(each.summary) for each in catalogue) <= 200
    assert all(each.name_en and each.name_en.isascii() for each in catalogue)


def test_the_same_catalogue_comes_again_in_less_than_three_seconds(
    catalogue: tuple[Resource, ...],
) -> None:
    begun = time.process_time()
    assert make_catalogue("cn") == catalogue
    assert time.process_time() - begun < 3


def test_the_catalog_takes_every_description(catalogue: tuple[Resource, ...]) -> None:
    assert max(size_of(each) for each in catalogue) <= MAX_BYTES
    for each in catalogue:
        assert serving_of(each).is_callable == bool(each.serving_system or each.license_type)


def test_every_word_is_used() -> None:
    words = load_words()
    assert set(words.works) == set(DEPARTMENT)
    natures = {
        id(t.nature): t.nature for areas in words.works.values() for a in areas for t in a.things
    }
    used = {name for nature in natures.values() for kind in nature.kinds for name in kind.items}
    assert used == set(words.items)
    assert all(isinstance(item, Item) for each in LICENSE_TYPES for item in each.items)
