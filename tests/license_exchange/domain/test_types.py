from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.license_exchange.conftest import LICENSE_TYPE

from sanyuan.common.contracts.license_exchange import CLAIMS, METADATA, LicenseType
from sanyuan.license_exchange.domain.types import first_incompatible


def with_fields(*fields: dict[str, Any]) -> LicenseType:
    given = [{"title": "项", "type": "C", **field} for field in fields]
    return LicenseType.model_validate({**LICENSE_TYPE.model_dump(), "fields": given})


OLD = with_fields({"name": "a", "length": 10}, {"name": "b", "type": "I"}, {"name": "c"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([{"name": "a", "length": 10}, {"name": "b", "type": "I"}, {"name": "c"}], None),
        ([{"name": "c"}, {"name": "b", "type": "I"}, {"name": "a"}, {"name": "new"}], None),
        (
            [
                {"name": "a", "length": 11, "required": False},
                {"name": "b", "type": "I"},
                {"name": "c"},
            ],
            None,
        ),
        ([{"name": "a", "length": 10}, {"name": "c"}], "b"),
        ([{"name": "a", "length": 9}, {"name": "b", "type": "I"}, {"name": "c"}], "a"),
        ([{"name": "a", "length": 10}, {"name": "b", "type": "C"}, {"name": "c"}], "b"),
        (
            [{"name": "a", "length": 10}, {"name": "b", "type": "I"}, {"name": "c", "length": 5}],
            "c",
        ),
    ],
)
def test_a_revision_takes_nothing_from_licences_that_are_out(
    fields: list[dict[str, Any]], expected: str | None
) -> None:
    assert first_incompatible(OLD, with_fields(*fields)) == expected


@pytest.mark.parametrize("name", [*METADATA, *sorted(CLAIMS - {"vct#integrity"})])
def test_no_field_has_a_name_that_means_something_else(name: str) -> None:
    with pytest.raises(ValidationError):
        with_fields({"name": name})


def test_no_two_fields_have_one_name() -> None:
    with pytest.raises(ValidationError):
        with_fields({"name": "a"}, {"name": "a"})
