"""The public catalogue, folded by anybody from the catalog's own chain of facts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client.exchange import CATALOG, CODE, GRANT, TERMS
from tests.client.test_sql_answers import resource
from tests.common.conftest import FOOD, TAX, World

from sanyuan.client.catalogue import Catalogue, fold_catalogue
from sanyuan.common.record import RawRecord

TOPIC = "catalog-events"


def published(revision: int = 1, **changed: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    data = resource(**changed).model_dump(mode="json", exclude_none=True)
    told = {"resource": data, "revision": revision, "supersedes": revision - 1}
    return "catalog.resource-published.v1", told


OPENED = "catalog.grant-opened.v1", {"terms": TERMS.model_dump(mode="json", exclude_none=True)}
REVOKED = "catalog.grant-revoked.v1", {"grant": GRANT, "resource": CODE, "reason": "over"}
WITHDRAWN = "catalog.resource-withdrawn.v1", {"resource": CODE, "reason": "merged"}
UNKNOWN = "catalog.something-new.v1", {"later": True}


def facts(
    world: World, *told: tuple[str, dict[str, Any]], source: str = CATALOG
) -> list[RawRecord]:
    return [world.send(source, TOPIC, kind, data) for kind, data in told]


def fold(world: World, *told: tuple[str, dict[str, Any]]) -> Catalogue:
    return fold_catalogue(facts(world, *told), world.directory)


def test_what_is_published_and_opened_is_in_force(world: World) -> None:
    found = fold(world, published(serving_system=TAX), OPENED)
    assert found.resources[CODE].resource == resource(serving_system=TAX)
    assert found.grants_of(TERMS.grantee) == [TERMS]
    assert found.grants_of("91110000600037341L") == found.grants_of(None) == []


def test_the_last_revision_is_in_force(world: World) -> None:
    found = fold(world, published(), published(2, name="新名称"))
    assert (found.resources[CODE].revision, found.resources[CODE].resource.name) == (2, "新名称")


def test_a_grant_is_called_where_its_resource_is_served_now(world: World) -> None:
    other = "//cn/departments/91110000600037341L/another"
    revised = published(2, serving_system=other, answer_within=60)
    (terms,) = fold(world, published(serving_system=TAX), OPENED, revised).grants_of(TERMS.grantee)
    assert (terms.serving_system, terms.answer_within, terms.bounds) == (other, 60, TERMS.bounds)


@pytest.mark.parametrize(
    ("end", "resources"), [(REVOKED, {CODE}), (WITHDRAWN, set())], ids=["revoked", "withdrawn"]
)
def test_a_grant_ends_by_its_revocation_and_with_its_resource(
    world: World, end: tuple[str, dict[str, Any]], resources: set[str]
) -> None:
    found = fold(world, published(), OPENED, end)
    assert (set(found.resources), dict(found.grants)) == (resources, {})


def test_a_type_of_a_later_release_changes_nothing(world: World) -> None:
    assert set(fold(world, UNKNOWN, published(), UNKNOWN).resources) == {CODE}


def test_facts_of_anybody_else_change_nothing(world: World) -> None:
    raws = facts(world, published(), source=FOOD)
    assert not fold_catalogue(raws, world.directory).resources


def test_a_repetition_and_a_gap_are_seen(world: World) -> None:
    first, second, third = facts(world, published(), OPENED, REVOKED)
    again = world.again(first)
    found = fold_catalogue([first, again, third], world.directory)
    assert set(found.grants) == set()
    assert set(fold_catalogue([first, again, second], world.directory).grants) == {GRANT}
    # The third record is no news to whoever misses the second.
    assert not fold_catalogue([second, third], world.directory).resources


def test_facts_under_a_revoked_key_change_nothing(world: World) -> None:
    raws = facts(world, published())
    key = str(next(iter(world.directory.systems[CATALOG].keys.values())))
    world.say("participant.key-revoked.v1", source=CATALOG, signing_key=key)
    assert not fold_catalogue(raws, world.directory).resources
