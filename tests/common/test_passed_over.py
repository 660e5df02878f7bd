"""What the log has passed over is sent again, less and less often, and then refused loudly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.conftest import FOOD, World, signing, system_file

from sanyuan.common import passed_over, producing
from sanyuan.common.outbox import Draft, mark_acknowledged
from sanyuan.common.partition import partition_of
from sanyuan.common.passed_over import (
    MAX_RESENDS,
    PassedOver,
    Waiting,
    load_logged,
    load_waiting,
    save_logged,
)
from sanyuan.common.producing import Producer
from sanyuan.common.receipts import Receipt

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sanyuan.common.database import Database

STREAM = (FOOD, "identity-commands")
PLACE = ("identity-commands", partition_of(FOOD.encode(), 12))


def row(sequence: int, offset: int) -> Waiting:
    return Waiting(STREAM, sequence, offset)


def judged(over: PassedOver, waiting: Waiting, now: float = 0.0) -> list[str | None]:
    return [reason for _, reason in over.due([waiting], now)]


@given(offset=st.integers(0, 100), position=st.integers(0, 100))
def test_a_row_is_passed_over_when_the_positions_lie_beyond_its_offset(
    offset: int, position: int
) -> None:
    over = PassedOver({PLACE: position})
    assert judged(over, row(1, offset)) == ([None] if position > offset else [])


def test_positions_count_when_the_whole_seal_was_read() -> None:
    over = PassedOver({})
    over.note(Receipt({}, {PLACE: 9}, is_last=False))
    assert judged(over, row(1, 3)) == []
    over.note(Receipt({}, {}))
    assert judged(over, row(1, 3)) == [None]


def test_it_is_sent_five_times_with_longer_and_longer_waits_and_then_given_up() -> None:
    over = PassedOver({PLACE: 9})
    said = [(second, judged(over, row(4, 3), float(second))) for second in range(191)]
    *sent, (last, reason) = [(second, reasons) for second, reasons in said if reasons]
    assert [second for second, _ in sent] == [0, 10, 30, 70, 130]
    assert [reasons for _, reasons in sent] == [[None]] * MAX_RESENDS
    assert (last, reason) == (190, ["record 4 was sent 6 times and is not in the log"])


def test_a_stream_that_gets_on_begins_to_count_anew() -> None:
    over = PassedOver({PLACE: 99})
    for at in range(20):
        assert judged(over, row(at, at), now=0.0) == [None]


def test_how_far_the_log_has_read_outlives_the_process(connection: Connection) -> None:
    other = ("calls", 3)
    receipts = [Receipt({}, {PLACE: 4, other: 7}), Receipt({}, {PLACE: 9})]
    save_logged(connection, receipts, {PLACE})
    assert load_logged(connection) == {PLACE: 9}


@pytest.mark.asyncio
async def test_a_producer_stops_the_stream_that_the_log_does_not_take(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(passed_over, "MAX_SECONDS", 0.0)
    producer = Producer(database, [system_file(FOOD)], lambda: world.directory)
    key = signing(FOOD)
    drafts = [
        Draft(key, "cn", topic, "identity.verify-person.v1", {}, "2026-11-23T02:17:00Z", "case")
        for topic in ("identity-commands", "identity-commands", "calls")
    ]
    await database.transaction(lambda each: producer.outbox.append(each, drafts))
    acknowledged = {(*STREAM, 1): 3, (*STREAM, 2): 4, (FOOD, "calls", 1): 0}
    await database.transaction(lambda each: mark_acknowledged(each, acknowledged))
    assert {each.sequence for each in database.run(lambda each: load_waiting(each, 2e9))} == {1}
    producer._passed.note(Receipt({}, {PLACE: 9}))
    watching = asyncio.create_task(producer._watch())
    async with asyncio.timeout(20):
        while True:
            if STREAM in producer.relay.stopped:
                break
            await asyncio.sleep(0.01)
    watching.cancel()
    assert producer.relay.stopped.keys() == {STREAM}
    assert "is not in the log" in producer.relay.stopped[STREAM]
    assert producer.relay._repairs[STREAM].first == 1
