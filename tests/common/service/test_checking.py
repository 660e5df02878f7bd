"""Checking the last signature of a run refuses what checking every signature refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.common.conftest import (
    AGENCY,
    FOOD,
    IDENTITY,
    TAX,
    World,
    change,
    readable,
    seed,
    signing,
)

from sanyuan.common import ed25519
from sanyuan.common.directory import Directory
from sanyuan.common.notes import SigningKey
from sanyuan.common.record import RawRecord, Record, Rejection, find_key, read_all, verify
from sanyuan.common.service.checking import check

if TYPE_CHECKING:
    from sanyuan.common.service.checking import Checked

SECOND = SigningKey.from_seed(signing(FOOD).name, seed("second"))
STRANGER = SigningKey.from_seed(signing(FOOD).name, seed("stranger"))
KINDS = ["good", "second-key", "stranger", "tampered", "garbage", "replay", "lost", "elsewhere"]


def small_world() -> World:
    world = World()
    world.found()
    for source in (AGENCY, IDENTITY, FOOD, TAX):
        world.admit(source)
    world.say("participant.key-added.v1", source=FOOD, signing_key=str(SECOND.verifier))
    return world


def one_by_one(
    decoded: Sequence[Record | Rejection], directory: Directory
) -> dict[RawRecordId, str | None]:
    found: dict[RawRecordId, str | None] = {}
    for item in decoded:
        if isinstance(item, Rejection):
            found[identity(item.raw)] = item.reason
            continue
        key = find_key(item, directory)
        refused = key if isinstance(key, Rejection) else verify(item, key)
        found[identity(item.raw)] = refused.reason if refused else None
    return found


RawRecordId = tuple[int, int]


def identity(raw: RawRecord) -> RawRecordId:
    return raw.partition, raw.offset


def reasons(checked: Checked) -> dict[RawRecordId, str | None]:
    accepted: dict[RawRecordId, str | None] = {identity(r.raw): None for r in checked.records}
    return accepted | {identity(r.raw): r.reason for r in checked.rejections}


def deliver(world: World, kind: str, source: str, sent: list[RawRecord]) -> RawRecord:
    if kind == "replay" and sent:
        return world.again(sent[len(sent) // 2])
    key = {"second-key": SECOND, "stranger": STRANGER}.get(kind) if source == FOOD else None
    raw = world.send(source, key=key)
    match kind:
        case "tampered":
            return change(raw, value=(raw.value or b"").replace(b'"case"', b'"cafe"'))
        case "garbage":
            return change(raw, value=b"{}")
        case "lost":
            return world.send(source)
        case "elsewhere":
            return change(raw, partition=(raw.partition + 1) % 12)
        case _:
            return raw


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([FOOD, TAX])), max_size=12))
def test_checking_runs_equals_checking_one_by_one_for_any_mixture(
    mixture: list[tuple[str, str]],
) -> None:
    world = small_world()
    sent: list[RawRecord] = []
    for kind, source in mixture:
        sent.append(deliver(world, kind, source, sent))
    decoded = read_all(sent, domain="cn", partitions=lambda _topic: 12)
    checked = check(decoded, world.directory)
    assert reasons(checked) == one_by_one(decoded, world.directory)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.data())
def test_a_signature_that_was_changed_under_way_costs_at_most_its_own_record(
    length: int, data: st.DataObject
) -> None:
    """The chain proves a value whose own signature was damaged; never one that nobody signed."""
    world = small_world()
    raws = [world.send(FOOD) for _ in range(length)]
    at = data.draw(st.integers(0, length - 1))
    line = (dict(raws[at].headers)["signature"] or b"").decode()
    forged = line[:-10] + ("AAAA" if line[-10:-6] != "AAAA" else "BBBB") + line[-6:]
    raws[at] = change(raws[at], headers=[("signature", forged.encode())])
    decoded = read_all(raws, domain="cn", partitions=lambda _topic: 12)
    checked = check(decoded, world.directory)
    kept = {record.raw.offset for record in checked.records}
    others = {raw.offset for index, raw in enumerate(raws) if index != at}
    assert kept >= others
    assert (raws[at].offset in kept) == (at < length - 1)


def test_a_run_costs_one_verification(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = [readable(world.send(FOOD)) for _ in range(100)]
    checked: list[bytes] = []

    def counted(checks: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
        checked.extend(message for _key, message, _signature in checks)
        return [True] * len(checks)

    monkeypatch.setattr(ed25519, "all_hold", counted)
    assert len(check(run, world.directory).records) == 100
    assert checked == [run[-1].value + b"\n"]


def test_records_keep_their_order(world: World) -> None:
    raws = [world.send(source) for source in (FOOD, TAX, FOOD, TAX, TAX, FOOD)]
    decoded = read_all(raws, domain="cn", partitions=lambda _topic: 12)
    assert [record.raw for record in check(decoded, world.directory).records] == raws
