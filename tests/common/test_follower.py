"""`participants` as every part reads it: the agency's own records, in order, each once."""

from __future__ import annotations

import pytest
from tests.common.conftest import (
    AGENCY,
    FOOD,
    TAX,
    World,
    change,
    registration,
    seed,
    signing,
    system_file,
)

from sanyuan.common.follower import Participants
from sanyuan.common.notes import SigningKey


def follow(world: World) -> Participants:
    participants = Participants(system_file(FOOD))
    for raw in world.history:
        participants.apply(raw)
    return participants


def test_everybody_reads_the_same_directory(world: World) -> None:
    assert follow(world).directory == world.directory


def test_reading_twice_changes_nothing(world: World) -> None:
    participants = follow(world)
    for raw in world.history:
        participants.apply(world.again(raw))
    assert participants.directory == world.directory


def test_a_record_that_comes_too_early_waits_for_its_turn(world: World) -> None:
    participants = Participants(system_file(FOOD))
    for raw in [*world.history[3:], *world.history]:
        participants.apply(raw)
    assert participants.directory == world.directory


def test_records_of_others_have_no_effect(world: World) -> None:
    participants = follow(world)
    data = {"participant": "11110000000012345X", "service": "identity", "purposes": ["anything"]}
    foreign = world.send(FOOD, "participants", "participant.permitted.v1", data)
    participants.apply(foreign)
    participants.apply(change(foreign, key=AGENCY.encode()))
    assert participants.directory == world.directory


def test_a_forged_record_of_the_agency_has_no_effect(world: World) -> None:
    participants = follow(world)
    data = registration(f"{FOOD}-2")
    forged = world.send(
        AGENCY,
        "participants",
        "participant.system-registered.v1",
        data,
        key=SigningKey.from_seed(signing(AGENCY).name, seed("other")),
    )
    participants.apply(forged)
    assert participants.directory == world.directory


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("participant.system-registered.v1", registration(TAX)),
        ("participant.unheard-of.v1", {}),
        ("participant.permitted.v1", {"participant": "short"}),
    ],
)
def test_an_impossible_record_takes_its_place_and_changes_nothing_else(
    world: World, kind: str, data: dict[str, object]
) -> None:
    participants = follow(world)
    participants.apply(world.send(AGENCY, "participants", kind, data))
    expected = world.directory.passed(world.directory.sequence + 1)
    assert participants.directory == expected


def test_a_record_under_a_revoked_agency_key_takes_its_place_and_changes_nothing_else(
    world: World,
) -> None:
    second = SigningKey.from_seed(signing(AGENCY).name, seed("second"))
    world.say("participant.key-added.v1", source=AGENCY, signing_key=str(second.verifier))
    world.say(
        "participant.key-revoked.v1", source=AGENCY, signing_key=str(signing(AGENCY).verifier)
    )
    participants = follow(world)
    data = {"participant": "11110000000012345X", "service": "identity", "purposes": ["p"]}
    participants.apply(world.send(AGENCY, "participants", "participant.permitted.v1", data))
    assert not participants.directory.permissions
    after = world.send(AGENCY, "participants", "participant.permitted.v1", data, key=second)
    participants.apply(after)
    assert participants.directory.purposes("11110000000012345X", "identity") == {"p"}
