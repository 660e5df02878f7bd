"""Facts of the catalog: a grant counts from its fact on, until another one ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.license_exchange.conftest import (
    GRANT,
    NOW,
    RESOURCE,
    Exchange,
    granted,
    of_company,
    published,
    reason,
    type_of,
)

from sanyuan.common.contracts.catalog import (
    GrantRevoked,
    ResourceRejected,
    ResourceWithdrawn,
)
from sanyuan.common.contracts.license_exchange import LicenseFieldsShared

REVOKED = GrantRevoked(grant=GRANT, resource=RESOURCE, reason="over")
WITHDRAWN = ResourceWithdrawn(resource=RESOURCE, reason="over")


def outcome(exchange: Exchange, **other: object) -> object:
    found = exchange.share(of_company(), **other)
    return reason(found) or type_of(found)


def test_a_revoked_grant_admits_nothing(exchange: Exchange) -> None:
    assert outcome(exchange) is LicenseFieldsShared
    exchange.tell(REVOKED)
    assert outcome(exchange) == "grant-revoked"
    exchange.tell(granted())
    assert outcome(exchange) == "grant-revoked"


def test_a_withdrawn_resource_ends_its_grants_and_not_those_that_come_later(
    exchange: Exchange,
) -> None:
    exchange.tell(WITHDRAWN, published(), granted("1" * 32))
    assert outcome(exchange) == "grant-revoked"
    assert outcome(exchange, grant="1" * 32) is LicenseFieldsShared


def test_a_grant_told_again_keeps_what_was_used_of_it(exchange: Exchange) -> None:
    exchange.tell(granted("1" * 32, quota=1))
    assert outcome(exchange, grant="1" * 32) is LicenseFieldsShared
    exchange.tell(granted("1" * 32, quota=1))
    assert outcome(exchange, grant="1" * 32) == "quota"


def test_a_grant_on_something_else_is_none_here(exchange: Exchange) -> None:
    exchange.tell(granted("1" * 32, license_type=None))
    assert outcome(exchange, grant="1" * 32) == "unknown-grant"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"grantee": "91110000600037341L"}, "not-yours"),
        ({"until": NOW}, "grant-expired"),
        ({"license_type": "11220000013544541J999"}, "wrong-type"),
        ({"purpose": "statistics"}, "wrong-purpose"),
        ({"fields": ("area",)}, "field-not-granted"),
        ({"fields": ("premises", "holder_name", "valid_until", "colour")}, LicenseFieldsShared),
    ],
)
def test_a_grant_is_held_to_its_terms(
    exchange: Exchange, other: dict[str, object], expected: object
) -> None:
    exchange.tell(granted("1" * 32, **other))
    assert outcome(exchange, grant="1" * 32) == expected


def test_a_field_that_the_type_lacks_is_named(exchange: Exchange) -> None:
    exchange.tell(granted("1" * 32, fields=("colour", "premises")))
    assert outcome(exchange, grant="1" * 32, fields=("colour",)) == "unknown-field"


def test_only_the_definer_of_a_type_gives_grants_on_it(exchange: Exchange) -> None:
    """Else anybody could catalogue somebody else's licences and grant them to themselves."""
    foreign = "307001/000099"
    exchange.tell(published(code=foreign, provider="91110000600037341L"))
    exchange.tell(granted("1" * 32, resource=foreign))
    assert outcome(exchange, grant="1" * 32) == "wrong-provider"
    exchange.tell(granted("2" * 32, resource="307001/000098"))
    assert outcome(exchange, grant="2" * 32) == "wrong-provider"


def test_a_resource_that_is_no_licence_type_any_more_gives_nothing(exchange: Exchange) -> None:
    exchange.tell(published(license_type=None))
    assert outcome(exchange) == "wrong-provider"


def test_a_rate_is_a_rate(exchange: Exchange) -> None:
    exchange.tell(granted("1" * 32, rate=1))
    token = of_company(uses=20)
    found = [exchange.share(token, grant="1" * 32) for _ in range(11)]
    assert [reason(each) for each in found] == [None] * 10 + ["rate"]
    exchange.now += timedelta(seconds=1)
    assert type_of(exchange.share(token, grant="1" * 32)) is LicenseFieldsShared


def test_facts_of_no_concern_change_nothing(exchange: Exchange) -> None:
    exchange.tell(ResourceRejected(resource=RESOURCE, revision=2))
    assert exchange.connection.scalar(text("select count(*) from license_resource")) == 1
