"""The directory: who may sign what, and that the impossible has no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.common.conftest import (
    AGENCY,
    AUDIT,
    FOOD,
    IDENTITY,
    ORIGIN,
    TAX,
    World,
    readable,
    registration,
    seed,
    signing,
)

from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.directory import Directory, DirectoryError, evolve
from sanyuan.common.notes import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = SigningKey.from_seed(signing(FOOD).name, seed("second"))
FOUNDED = {
    "domain": "cn",
    "agency_key": str(signing(AGENCY).verifier),
    "log_origin": ORIGIN,
    "log_key": str(SigningKey.from_seed(ORIGIN, seed("log")).verifier),
}


def refused(world: World, kind: str, data: dict[str, Any], by: str = AGENCY) -> str:
    """What is said of an impossible record."""
    envelope = readable(world.send(by, "participants", kind, data)).envelope
    message = parse_data(kind, "participants", data)
    with pytest.raises(DirectoryError) as error:
        evolve(world.directory, envelope, message)  # type: ignore[arg-type]  # by topic
    return error.value.what


def test_a_domain_is_founded_under_the_pinned_key() -> None:
    world = World()
    world.found()
    founding = world.directory.founding
    assert founding is not None
    assert (founding.domain, founding.agency, founding.log_origin) == ("cn", AGENCY, ORIGIN)


def test_a_domain_founded_under_another_key_is_none() -> None:
    other = str(SigningKey.from_seed(signing(AGENCY).name, seed("other")).verifier)
    said = refused(World(), "domain.founded.v1", {**FOUNDED, "agency_key": other})
    assert "pinned" in said


def test_a_founding_of_another_domain_is_none() -> None:
    assert "domain" in refused(World(), "domain.founded.v1", {**FOUNDED, "domain": "de"})


def test_a_domain_is_founded_once() -> None:
    world = World()
    world.found()
    assert "once" in refused(world, "domain.founded.v1", FOUNDED)


def test_nothing_is_registered_before_the_founding() -> None:
    said = refused(World(), "participant.system-registered.v1", registration(AGENCY))
    assert "not founded" in said


def test_before_its_registration_the_agency_signs_under_the_pinned_key() -> None:
    world = World()
    pinned = signing(AGENCY).verifier
    assert world.directory.keys_of(AGENCY) == {pinned.key_id: pinned}
    assert not world.directory.keys_of(FOOD)


def test_only_the_agency_has_an_effect(world: World) -> None:
    said = refused(
        world,
        "participant.permitted.v1",
        {"participant": "11110000000012345X", "service": "identity", "purposes": ["anything"]},
        by=FOOD,
    )
    assert "agency" in said


def test_a_registered_system_is_known_by_its_name_and_inbox(world: World) -> None:
    system = world.directory.by_name["food-permits"]
    assert system.source == FOOD
    assert world.directory.by_inbox["inbox-food-permits"] is system
    assert world.directory.service("identity").inbox is None
    with pytest.raises(DirectoryError):
        world.directory.service("food-permits")
    with pytest.raises(DirectoryError):
        world.directory.service("catalog")


def test_names_are_unique_over_systems_and_services(world: World) -> None:
    for source in (FOOD.replace("food-permits", "identity"), TAX.replace("tax", "food-permits")):
        said = refused(world, "participant.system-registered.v1", registration(source))
        assert "taken" in said


def other_domain() -> dict[str, Any]:
    return registration(FOOD.replace("//cn/", "//de/").replace("food-permits", "food-2"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: registration(FOOD), "already"),
        (other_domain, "domain"),
        (lambda: registration(f"{FOOD}-2", role="operator"), "role"),
        (lambda: registration(f"{FOOD}-2", inbox="inbox-other"), "inbox"),
        (lambda: registration(f"{FOOD}-2", inbox=None), "inbox"),
        (lambda: registration("//cn/services/catalog", inbox="inbox-catalog"), "inbox"),
        (lambda: registration(f"{FOOD}-2", signing_key=str(SECOND.verifier)), "name"),
        (lambda: registration(f"{FOOD}-2", signing_key="nothing of the kind"), "verifier key"),
        (lambda: registration(f"{FOOD}-2", sealing_key="A" * 43 + "="), "order"),
        (lambda: registration("//cn/departments/11110000000054321X/x"), "not registered"),
        (lambda: registration("//cn/operators/11110000000012345X/x"), "not registered"),
    ],
)
def test_an_impossible_registration_has_no_effect(
    world: World, data: Callable[[], dict[str, Any]], said: str
) -> None:
    assert said in refused(world, "participant.system-registered.v1", data())


def test_a_participant_has_exactly_one_role(world: World) -> None:
    said = refused(
        world,
        "participant.registered.v1",
        {"participant": "11110000000012345X", "role": "operator", "name": "x"},
    )
    assert "one role" in said


def test_keys_may_overlap(world: World) -> None:
    world.say("participant.key-added.v1", source=FOOD, signing_key=str(SECOND.verifier))
    assert world.directory.keys_of(FOOD).keys() == {signing(FOOD).key_id, SECOND.key_id}


def test_a_revoked_key_still_verifies_and_is_known_as_revoked(world: World) -> None:
    world.say("participant.key-added.v1", source=FOOD, signing_key=str(SECOND.verifier))
    world.say("participant.key-revoked.v1", source=FOOD, signing_key=str(signing(FOOD).verifier))
    assert signing(FOOD).key_id in world.directory.keys_of(FOOD)
    assert world.directory.is_revoked(FOOD, signing(FOOD).key_id)
    assert not world.directory.is_revoked(FOOD, SECOND.key_id)


def test_a_revoked_key_does_not_come_back(world: World) -> None:
    key = str(signing(FOOD).verifier)
    world.say("participant.key-revoked.v1", source=FOOD, signing_key=key)
    world.say("participant.key-added.v1", source=FOOD, signing_key=key)
    assert world.directory.is_revoked(FOOD, signing(FOOD).key_id)


@pytest.mark.parametrize("kind", ["participant.key-added.v1", "participant.key-revoked.v1"])
def test_keys_belong_to_a_registered_system_of_their_name(world: World, kind: str) -> None:
    stranger = f"{FOOD}-2"
    assert "not registered" in refused(
        world, kind, {"source": stranger, "signing_key": str(signing(stranger).verifier)}
    )
    said = refused(world, kind, {"source": FOOD, "signing_key": str(signing(TAX).verifier)})
    assert "name" in said


def test_only_a_key_of_the_system_is_revoked(world: World) -> None:
    said = refused(
        world,
        "participant.key-revoked.v1",
        {"source": FOOD, "signing_key": str(SECOND.verifier)},
    )
    assert "not one of" in said


def test_permissions_are_replaced_and_belong_to_one_service(world: World) -> None:
    code = "11110000000012345X"
    for purposes in (["a", "b"], ["b"]):
        world.say(
            "participant.permitted.v1", participant=code, service="identity", purposes=purposes
        )
    assert world.directory.purposes(code, "identity") == {"b"}
    assert world.directory.purposes(code, "catalog") == frozenset()
    assert world.directory.purposes(None, "identity") == frozenset()


def test_delegations_add_up(world: World) -> None:
    for matter in ("a", "b"):
        world.say(
            "participant.delegated.v1",
            operator="91110000600037341L",
            onbehalfof="11110000000012345X",
            matter=matter,
        )
    assert len(world.directory.delegations) == 2


def test_the_directory_says_how_far_it_has_read(world: World) -> None:
    sequence = world.directory.sequence
    assert sequence == len(world.history)
    assert world.directory.passed(sequence + 1).sequence == sequence + 1


def test_an_older_directory_does_not_change(world: World) -> None:
    before = world.directory
    world.say("participant.key-revoked.v1", source=FOOD, signing_key=str(signing(FOOD).verifier))
    assert not before.is_revoked(FOOD, signing(FOOD).key_id)
    assert isinstance(before, Directory)
    assert {IDENTITY, AUDIT} <= before.systems.keys()


SUPERSEDED = {
    "source": FOOD,
    "successor": f"{FOOD}~2",
    "heads": [["cn/identity-commands", 7, "a" * 64]],
}


def test_a_superseded_system_goes_on_as_its_next_life_and_signs_nothing_more(world: World) -> None:
    world.say("participant.system-superseded.v1", **SUPERSEDED)
    world.say("participant.system-superseded.v1", **SUPERSEDED)  # its other heads
    assert world.directory.by_name["food-permits"].source == FOOD
    world.say("participant.system-registered.v1", **registration(f"{FOOD}~2"))
    directory = world.directory
    new = directory.systems[f"{FOOD}~2"]
    assert directory.by_name["food-permits"] is directory.by_inbox["inbox-food-permits"] is new
    assert directory.latest(FOOD) is directory.latest(new.source) is new
    assert directory.keys_of(FOOD).keys() == {signing(FOOD).key_id}
    assert directory.is_revoked(FOOD, signing(FOOD).key_id)
    assert not directory.is_revoked(new.source, signing(new.source).key_id)
    added = {"source": FOOD, "signing_key": str(SECOND.verifier)}
    assert "superseded" in refused(world, "participant.key-added.v1", added)
    assert directory.latest(f"{FOOD}-2") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": AGENCY, "successor": f"{AGENCY}~2"}, "agency"),
        ({"successor": f"{FOOD}~3"}, "next life"),
        ({"successor": TAX}, "next life"),
        ({"source": IDENTITY, "successor": f"{FOOD}~2"}, "next life"),
        ({"source": f"{FOOD}~2", "successor": f"{FOOD}~3"}, "not registered"),
    ],
)
def test_an_impossible_succession_has_no_effect(
    world: World, change: dict[str, Any], said: str
) -> None:
    assert said in refused(world, "participant.system-superseded.v1", SUPERSEDED | change)


def test_a_life_follows_its_superseded_one_on_the_same_node(world: World) -> None:
    kind, second = "participant.system-registered.v1", f"{FOOD}~2"
    assert "superseded" in refused(world, kind, registration(second))
    world.say("participant.system-superseded.v1", **SUPERSEDED)
    assert "node" in refused(world, kind, registration(second, node="tax"))
    assert "superseded" in refused(world, kind, registration(f"{FOOD}~3"))
    world.say(kind, **registration(second))
    assert "already" in refused(world, kind, registration(second))
