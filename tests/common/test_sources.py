"""Sources and names: one spelling each, and nothing else parses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.sources import (
    NAME,
    SOURCE,
    Source,
    SourceError,
    inbox_of,
    key_name,
    parse_name,
    parse_source,
)

FOOD = "//cn/departments/11110000000012345X/food-permits"


@pytest.mark.parametrize(
    ("text", "role", "name", "life"),
    [
        (FOOD, "department", "food-permits", 1),
        (f"{FOOD}~2", "department", "food-permits", 2),
        ("//cn/services/license-exchange", "service", "license-exchange", 1),
        ("//cn.zhejiang.hangzhou/agency/11110000000012345X/a", "agency", "a", 1),
        ("//cn/witnesses/11110000000012345X/w1", "witness", "w1", 1),
    ],
)
def test_a_source_says_role_name_and_life(text: str, role: str, name: str, life: int) -> None:
    parsed = parse_source(text)
    assert (parsed.role, parsed.name, parsed.life) == (role, name, life)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        FOOD.removeprefix("//"),
        f"{FOOD}/",
        f"{FOOD}\n",
        f" {FOOD}",
        f"{FOOD}~1",
        f"{FOOD}~02",
        "//cn/services/identity~2",
        "//cn/services/11110000000012345X/identity",
        "//cn/departments/food-permits",
        "//cn/ministries/11110000000012345X/food-permits",
        FOOD.replace("X", "x"),
        FOOD.replace("food-permits", "Food"),
        FOOD.replace("food-permits", "1food"),
        FOOD.replace("food-permits", "a" * 64),
        FOOD.replace("//cn/", "//CN/"),
        FOOD.replace("//cn/", "///"),
    ],
)
def test_anything_else_is_no_source(text: str) -> None:
    with pytest.raises(SourceError):
        parse_source(text)


@given(st.from_regex(SOURCE, fullmatch=True))
def test_every_source_survives_its_parts(text: str) -> None:
    parsed = parse_source(text)
    assert str(parsed) == text
    assert isinstance(parsed, Source)


@given(st.from_regex(NAME, fullmatch=True))
def test_a_name_names_an_inbox(name: str) -> None:
    assert inbox_of(parse_name(name)) == f"inbox-{name}"


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a.b", "a" * 64, "a\n", "食品"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SourceError):
        parse_name(name)


def test_a_system_signs_under_its_source_without_slashes() -> None:
    assert key_name(FOOD) == "cn/departments/11110000000012345X/food-permits"
