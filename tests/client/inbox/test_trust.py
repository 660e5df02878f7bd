"""What may be built on: a type from whom it belongs to, about what one has asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.client.exchange import CATALOG, admission, ref
from tests.common.conftest import AGENCY, FOOD, IDENTITY, TAX, World, readable, system_file

from sanyuan.client.inbox import Decision, kept, read_decision
from sanyuan.common.sealing import reference

if TYPE_CHECKING:
    from tests.client.exchange import Exchange

    from sanyuan.common.record import Record

PARAMETERS = b'{"code":"91"}'


def requested(world: World, parameters: bytes = PARAMETERS) -> Record:
    """A call of the food department's, sealed to the tax office."""
    sealed = system_file(TAX).sealing.public.seal(
        parameters, source=FOOD, topic="cn/calls", name="parameters"
    )
    data = {"grant": "0" * 32, "serving_system": TAX}
    return readable(
        world.send(FOOD, "calls", "call.requested.v1", data, sealed={"parameters": sealed})
    )


def admitted(
    exchange: Exchange,
    call: Record,
    source: str = CATALOG,
    **changed: Any,  # noqa: ANN401
) -> Decision:
    sealed = {"parameters": call.sealed["parameters"]}
    data = admission(exchange, call, **changed)
    raw = exchange.world.send(source, "inbox-tax", "call.admitted.v1", data, sealed=sealed)
    return read_decision(kept(readable(raw)), system_file(TAX), exchange.world.directory)


def read(world: World, source: str, kind: str, data: dict[str, Any]) -> Decision:
    record = readable(world.send(source, "inbox-food-permits", kind, data))
    return read_decision(kept(record), system_file(FOOD), world.directory)


def test_an_admission_is_of_somebody_elses_command_and_opens_with_its_origin(
    exchange: Exchange,
) -> None:
    found = admitted(exchange, requested(exchange.world))
    assert found.unexpected is None
    assert found.opened == {"parameters": PARAMETERS}
    assert found.command is not None
    assert found.command.source == FOOD


@pytest.mark.parametrize("source", [AGENCY, FOOD, TAX, IDENTITY])
@pytest.mark.parametrize("kind", ["call.admitted.v1", "call.refused.v1"])
def test_calls_are_decided_by_the_catalog_alone(exchange: Exchange, source: str, kind: str) -> None:
    call = requested(exchange.world)
    if kind == "call.admitted.v1":
        found = admitted(exchange, call, source)
    else:
        data = {"command": ref(call), "decision": 1, "asof": {}, "reason": "quota"}
        found = read(exchange.world, source, kind, data)
    assert found.unexpected == "a type of catalog that catalog did not send"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"caller": TAX}, "another record than a call of its caller"),
        ({"caller": "//cn/departments/11110000000012345X/nobody"}, "not registered"),
        ({"reply_to": "inbox-tax"}, "another inbox"),
        ({"caller_key": "0" * 16}, "another key"),
    ],
)
def test_an_admission_answers_to_its_caller_under_its_own_key(
    exchange: Exchange, changed: dict[str, Any], why: str
) -> None:
    found = admitted(exchange, requested(exchange.world), **changed)
    assert why in (found.unexpected or "")


@pytest.mark.parametrize(
    "origin",
    [
        {"source": TAX, "topic": "cn/calls", "attachment": "parameters"},
        {"source": FOOD, "topic": "cn/catalog-commands", "attachment": "parameters"},
        {"source": FOOD, "topic": "cn/calls", "attachment": "assertion"},
    ],
)
def test_the_parameters_of_an_admission_come_from_its_call(
    exchange: Exchange, origin: dict[str, str]
) -> None:
    call = requested(exchange.world)
    named = reference(call.sealed["parameters"]) | {"from": origin}
    found = admitted(exchange, call, parameters=named)
    assert "another record than the call" in (found.unexpected or "")
    assert found.opened == {"parameters": None}


def test_another_ciphertext_than_the_one_that_is_named_does_not_open(exchange: Exchange) -> None:
    call, other = requested(exchange.world), requested(exchange.world, b'{"code":"92"}')
    named = reference(other.sealed["parameters"])
    origin = {"source": FOOD, "topic": "cn/calls", "attachment": "parameters"}
    found = admitted(exchange, call, parameters=named | {"from": origin})
    assert found.opened == {"parameters": None}


def test_a_refusal_is_the_decision_of_ones_own_call(world: World) -> None:
    call = requested(world)
    own = {"command": ref(call), "decision": 1, "asof": {}, "reason": "quota"}
    assert read(world, CATALOG, "call.refused.v1", own).unexpected is None
    others = own | {"command": ref(call) | {"source": TAX}}
    found = read(world, CATALOG, "call.refused.v1", others)
    assert found.unexpected == "the decision of somebody else's command"


def test_an_answer_is_left_to_whoever_knows_the_open_calls(world: World) -> None:
    call = requested(world)
    data = {"call": ref(call), "reason": "unavailable"}
    assert read(world, TAX, "call.failed.v1", data).unexpected is None


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("call.unheard-of.v1", {}, "an unknown type"),
        ("call.requested.v1", {}, "an unknown type"),
        ("call.failed.v1", {"reason": "none"}, "not what its type promises"),
    ],
)
def test_what_is_not_understood_says_why(
    world: World, kind: str, data: dict[str, Any], why: str
) -> None:
    found = read(world, TAX, kind, data)
    assert found.message is None
    assert why in (found.unexpected or "")
