from __future__ import annotations

from typing import Any

import pytest

from sanyuan.common.contracts.catalog.resources import Item
from sanyuan.license_exchange.domain.fields import ContentError, read_date, read_fields, read_value


def item(kind: str, **other: Any) -> Item:  # noqa: ANN401  any JSON
    return Item.model_validate({"name": "field", "title": "项", "type": kind, **other})


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("C", " Cafe\u0301 ", "Café"),
        ("M", "一\n二", "一\n二"),
        ("G", "data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        ("N", 1.5, 1.5),
        ("N", "12345678901234567890.10", "12345678901234567890.10"),
        ("Y", "-0.01", "-0.01"),
        ("B", 1e10, 1e10),
        ("F", 3, 3),
        ("I", -7, -7),
        ("D", "2026-02-28", "2026-02-28"),
        ("T", "2026-02-28T10:00:00+08:00", "2026-02-28T10:00:00+08:00"),
        ("L", False, False),
    ],
)
def test_values_of_each_data_type(kind: str, value: object, read: object) -> None:
    assert read_value(item(kind), value) == read


WRONG: dict[str, tuple[object, ...]] = {
    **dict.fromkeys("CMG", (1, "", "  ", "a\x00", ["a"], {})),
    **dict.fromkeys("NY", ("1,5", "1e5", "", True, [1], "一")),
    **dict.fromkeys("BF", ("1", True, 2**54)),
    "I": (1.0, True, "1", 2**60),
    "D": ("20260228", "2026-02-29", "2026-2-1", 20260228, "1899-12-31"),
    "T": ("2026-02-28T10:00:00", "20260228T100000Z", "2026-02-30T10:00:00Z", "now", 1),
    "L": (0, 1, "true"),
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in WRONG.items() for value in values]
)
def test_a_value_of_another_type_is_refused_and_not_quoted(kind: str, value: object) -> None:
    with pytest.raises(ContentError) as raised:
        read_value(item(kind), value)
    assert raised.value.where == "fields.field"
    assert "一" not in raised.value.what


def test_a_text_has_at_most_as_many_characters_as_its_type_says() -> None:
    assert read_value(item("C", length=2), "一二") == "一二"
    with pytest.raises(ContentError, match="more than 2"):
        read_value(item("C", length=2), "一二三")


def test_fields_come_in_the_order_of_the_type_and_are_all_known() -> None:
    items = {
        name: item("C", name=name, required=required)
        for name, required in (("b", True), ("a", False))
    }
    assert list(read_fields(items, {"a": "1", "b": "2"})) == ["b", "a"]
    assert read_fields(items, {"b": "2", "a": None}) == {"b": "2"}
    with pytest.raises(ContentError, match="is missing"):
        read_fields(items, {"a": "1"})
    with pytest.raises(ContentError) as raised:
        read_fields(items, {"b": "1", "秘密": "2"})
    assert raised.value.where == "fields"


def test_dates_are_of_our_time() -> None:
    assert read_date("1900-01-01") == "1900-01-01"
    for wrong in ("2201-01-01", "0001-01-01", None, 1):
        with pytest.raises(ValueError, match="is no date"):
            read_date(wrong)
