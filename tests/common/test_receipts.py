"""Seals as receipts: only audit's own count, and a restored backup is found before it sends."""

from __future__ import annotations

from typing import Any

import pytest
from tests.common.conftest import AUDIT, FOOD, IDENTITY, World, change, signing

from sanyuan.common.receipts import RestoredBackupError, check_not_ahead, read_receipt
from sanyuan.common.record import RawRecord
from sanyuan.common.streams import START, Position

HEAD = "a" * 64
STREAM = (FOOD, "identity-commands")


def seal(world: World, source: str = AUDIT, **other: Any) -> RawRecord:  # noqa: ANN401  any JSON
    data = {
        "part": 1,
        "parts": 1,
        "previous_seal": None,
        "positions": {"identity-commands": {"3": 42}},
        "rows": [[FOOD, "cn/identity-commands", 1, 7, HEAD]],
    }
    return world.send(source, "log", "log.sealed.v1", data | other)


def test_a_seal_says_what_the_log_has_and_how_far_it_has_read(world: World) -> None:
    receipt = read_receipt(seal(world), world.directory)
    assert receipt is not None
    assert receipt.covered == {STREAM: Position(7, HEAD)}
    assert receipt.positions == {("identity-commands", 3): 42}


def test_a_seal_of_anyone_else_is_none(world: World) -> None:
    assert read_receipt(seal(world, FOOD), world.directory) is None
    assert read_receipt(seal(world, IDENTITY), world.directory) is None


def test_a_seal_under_another_key_is_none(world: World) -> None:
    raw = world.send(AUDIT, "log", "log.sealed.v1", {}, key=signing(FOOD))
    assert read_receipt(raw, world.directory) is None


def test_a_changed_seal_is_none(world: World) -> None:
    raw = seal(world)
    changed = change(raw, value=(raw.value or b"").replace(b":42}", b":43}"))
    assert changed.value != raw.value
    assert read_receipt(changed, world.directory) is None


def test_a_record_of_audit_on_another_topic_is_no_seal(world: World) -> None:
    raw = world.send(AUDIT, "audit-commands", "log.sealed.v1", {})
    assert read_receipt(raw, world.directory) is None


@pytest.mark.parametrize(
    "other",
    [
        {"value": None},
        {"value": b"{}"},
        {"headers": []},
        {"headers": [("signature", b"\xff")]},
        {"headers": [("signature", None)]},
    ],
)
def test_what_is_no_record_is_no_seal(world: World, other: dict[str, Any]) -> None:
    assert read_receipt(change(seal(world), **other), world.directory) is None


@pytest.mark.parametrize(
    "broken", [{"rows": [["x"]]}, {"positions": {"t": {"x": 1}}}, {"part": "1"}, {"part": 0}]
)
def test_a_malformed_seal_is_none(world: World, broken: dict[str, Any]) -> None:
    assert read_receipt(seal(world, **broken), world.directory) is None


def test_before_audit_is_registered_there_are_no_seals() -> None:
    world = World()
    world.found()
    assert read_receipt(seal(world), world.directory) is None


def test_a_producer_that_knows_as_much_as_the_log_may_go_on() -> None:
    check_not_ahead(STREAM, Position(7, HEAD), Position(7, HEAD))
    check_not_ahead(STREAM, Position(7, HEAD), Position(9, "b" * 64))


@pytest.mark.parametrize("own", [START, Position(6, HEAD), Position(7, "b" * 64)])
def test_a_producer_that_knows_less_or_otherwise_is_a_restored_backup(own: Position) -> None:
    with pytest.raises(RestoredBackupError):
        check_not_ahead(STREAM, Position(7, HEAD), own)
