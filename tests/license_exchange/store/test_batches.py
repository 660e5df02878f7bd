"""What is loaded is what was decided; only what a batch touches is loaded."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection
from tests.license_exchange.conftest import (
    COMPANY,
    DEFINER,
    GRANT,
    KEYS,
    TYPE,
    Exchange,
    of_company,
)
from tests.license_exchange.test_laws import (
    HANDLES,
    STEPS,
    TOKENS,
    Asked,
    commands,
    copied,
    prepared,
)
from tests.stores import Scratch

from sanyuan.license_exchange import store
from sanyuan.license_exchange.decide import decide, wanted
from sanyuan.license_exchange.domain import holders
from sanyuan.license_exchange.domain.state import State, Wanted, evolve
from sanyuan.license_exchange.handlers.reading import Reading
from sanyuan.license_exchange.vault import Vault

VAULT: Final = Vault(KEYS.master)
HOLDERS: Final = frozenset(
    {
        holders.of_organisation(COMPANY),
        holders.of_organisation("11100000000013338W"),
        holders.of_person("how the exchange calls the person"),
    }
)
EVERYTHING: Final = Wanted(
    types=frozenset({TYPE}),
    departments=frozenset({DEFINER}),
    licenses=frozenset(HANDLES),
    read=frozenset(HANDLES),
    told=frozenset(HANDLES),
    holders=HOLDERS,
    grants=frozenset({GRANT, "e" * 32}),
    disputed=frozenset(HANDLES),
)


def everything(connection: Connection) -> State:
    return store.load(connection, EVERYTHING, VAULT)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_what_is_loaded_is_what_was_decided(steps: list[tuple[Asked, int]]) -> None:
    with copied() as exchange:
        check_batch(exchange, steps)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("scratch", ["postgresql"], indirect=True)
@given(STEPS)
def test_a_server_gives_back_what_was_decided(
    scratch: Scratch, steps: list[tuple[Asked, int]]
) -> None:
    with scratch(store.MODELS) as connection:
        check_batch(prepared(connection), steps)


def check_batch(exchange: Exchange, steps: list[tuple[Asked, int]]) -> None:
    connection = exchange.connection
    asked = commands(exchange, steps)
    handler = exchange.handler
    reading = Reading.of(exchange.world.directory, KEYS.blind_index, handler.sealing)
    requests = [reading.request(command) for command in asked]
    before = everything(connection)
    loaded = store.load(connection, wanted(requests), VAULT)
    decision = decide(loaded, requests, handler._around(exchange.world.directory))
    store.commit(connection, loaded, decision.changes, VAULT)
    expected = evolve(before, decision.changes)
    found = everything(connection)
    for name in ("types", "keys", "lists", "licenses", "versions", "holder_keys", "grants"):
        assert getattr(found, name) == getattr(expected, name), name
    relied = {name: systems for name, systems in expected.reliance.items() if systems}
    assert found.reliance == relied
    still_open = {name: each for name, each in expected.disputes.items() if each.is_open}
    assert found.disputes == still_open


def test_only_what_was_asked_for_is_loaded(connection: Connection) -> None:
    exchange = prepared(connection)
    exchange.issued(serial="9")
    state = store.load(connection, Wanted(licenses=frozenset(HANDLES[:1])), VAULT)
    assert set(state.licenses) == {HANDLES[0]}
    assert not state.versions
    assert not state.holder_keys
    assert store.load(connection, Wanted(), VAULT) == State()


def test_a_holder_is_loaded_with_all_their_licences(connection: Connection) -> None:
    exchange = prepared(connection)
    nine = exchange.issued(serial="9")
    shown = Wanted(shown=frozenset({holders.of_organisation(COMPANY)}))
    state = store.load(connection, shown, VAULT)
    assert set(state.licenses) == set(state.versions) == {HANDLES[0], nine}


def test_of_a_licence_the_current_version_is_loaded(exchange: Exchange) -> None:
    name = exchange.issued()
    exchange.amend(name, {**_content(), "fields": {"premises": "新址"}})
    state = store.load(
        exchange.connection, Wanted(licenses=frozenset({name}), read=frozenset({name})), VAULT
    )
    assert state.versions[name].content.claims["version"] == "002"


def _content() -> dict[str, object]:
    return {
        "serial": "2430599",
        "holder": {"kind": "organisation", "name": "某某餐饮有限公司", "code": COMPANY},
        "valid_from": "2026-11-01",
    }


def test_more_keys_than_a_statement_takes_are_loaded(exchange: Exchange) -> None:
    for number in range(12):
        exchange.issued(serial=f"N{number}")
    names = frozenset({f"{n:032x}" for n in range(1200)})
    assert store.load(exchange.connection, Wanted(licenses=names), VAULT).licenses == {}


def test_every_token_of_the_laws_is_about_somebody() -> None:
    assert of_company() != TOKENS["company"]
