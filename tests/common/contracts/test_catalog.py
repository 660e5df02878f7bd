"""What a description, bounds and words of the catalogue must be to be looked at at all."""

import json
from typing import Any

import pytest

from sanyuan.common.contracts.catalog import Bounds, Resource
from sanyuan.common.contracts.registry import MalformedDataError, parse_data

ITEM = {"name": "status", "title": "登记状态", "type": "C"}
RESOURCE: dict[str, Any] = {
    "code": "307001/000017",
    "classification": ["部门", "税务", "登记"],
    "name": "税务登记信息",
    "summary": "纳税人的登记状态",
    "provider": "91110000600037341L",
    "format": "database",
    "items": [ITEM],
    "sharing": {"type": "unconditional"},
    "update_cycle": "daily",
}
BOUNDS: dict[str, Any] = {"fields": ["status"], "until": "2027-11-23T08:00:00+08:00"}
SOURCE = "DE00017"


@pytest.mark.parametrize(
    "change",
    [
        {"code": "30700/000017"},
        {"code": "007001/000017"},
        {"code": "307001000000000/000017"},
        {"code": "307001/17"},
        {"classification": ["部门", "税务"]},
        {"items": []},
        {"items": [ITEM, ITEM]},
        {"items": [ITEM | {"element": SOURCE}, ITEM | {"name": "b", "element": SOURCE}]},
        {"items": [ITEM | {"element": "17"}]},
        {"items": [ITEM | {"name": "Status"}]},
        {"items": [ITEM | {"length": "20"}]},
        {"parameters": [ITEM, ITEM]},
        {"sharing": {"type": "conditional"}},
        {"sharing": {"type": "not-shared", "conditions": "none"}},
        {"answer_within": 0},
        {"serving_system": "tax"},
        {"license_type": ""},
    ],
)
def test_a_description_that_contradicts_itself_is_malformed(change: dict[str, Any]) -> None:
    Resource.model_validate(RESOURCE)
    with pytest.raises(MalformedDataError):
        parse_data(
            "catalog.submit-resource.v1", "catalog-commands", {"resource": RESOURCE | change}
        )


@pytest.mark.parametrize("code", ["307001/000017", "30700112345678/000001"])
def test_a_code_has_six_digits_and_those_of_its_detail(code: str) -> None:
    assert Resource.model_validate(RESOURCE | {"code": code}).code == code


@pytest.mark.parametrize(
    "change",
    [
        {"fields": ["status", "status"]},
        {"quota": 0},
        {"quota": True},
        {"quota": 2**53},
        {"quota": 10**40},
        {"rate": 100_001},
        {"until": "2027-11-23T00:00:00"},
        {"until": "2200-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"until": "0001-01-01T00:00:00+12:00"},
        {"until": 1_900_000_000},
        {"until": None},
    ],
)
def test_bounds_that_no_reader_could_reckon_with_are_malformed(change: dict[str, Any]) -> None:
    data = {"resource": "307001/000017", "purpose": "p", "legal_basis": "§", "bounds": BOUNDS}
    parse_data("catalog.request-grant.v1", "catalog-commands", data)
    wrong = json.loads(json.dumps(data | {"bounds": BOUNDS | change}))
    with pytest.raises(MalformedDataError):
        parse_data("catalog.request-grant.v1", "catalog-commands", wrong)


def test_an_instant_is_kept_in_utc() -> None:
    told = Bounds.model_validate(BOUNDS).model_dump(mode="json", exclude_none=True)
    assert told == {"fields": ["status"], "until": "2027-11-23T00:00:00Z"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (
            "review-resource",
            {"reviewed": [{"resource": "307001/000017", "revision": 1, "publish": False}]},
        ),
        ("decide-grant", {"request": "0" * 32, "allow": False}),
        ("revoke-grant", {"grant": "0" * 32}),
        ("withdraw-resource", {"resource": "307001/000017"}),
    ],
)
def test_whoever_says_no_gives_a_reason(kind: str, data: dict[str, Any]) -> None:
    with pytest.raises(MalformedDataError):
        parse_data(f"catalog.{kind}.v1", "catalog-commands", data)
