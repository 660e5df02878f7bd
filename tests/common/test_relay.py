"""The relay between broker and outbox: what it does after a failure, without a broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from tests.common.conftest import FOOD

from sanyuan.common import outbox
from sanyuan.common.database import Database
from sanyuan.common.outbox import Row
from sanyuan.common.relay import MAX_BACKOFF_SECONDS, Relay
from sanyuan.common.systems import SystemFile

STREAM = (FOOD, "identity-commands")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'outbox.db'}", list(outbox.MODELS))
    yield opened
    opened.close()


def nowhere(source: str) -> SystemFile:
    raise AssertionError(source)


def row(sequence: int) -> Row:
    return Row(*STREAM, sequence, b"", (), "", 0.0)


def failed(relay: Relay, *sequences: int) -> None:
    """One attempt in which all of these were under way."""
    found: dict[outbox.Stream, int] = {}
    relay._fail([row(sequence) for sequence in sequences], KafkaConnectionError(), found)


def test_one_failure_of_many_rows_is_one_step_of_the_back_off(database: Database) -> None:
    relay = Relay(database, nowhere)
    failed(relay, *range(7, 5000))
    repair = relay._repairs[STREAM]
    assert (repair.first, repair.tries) == (7, 1)
    assert repair.due < time.monotonic() + 1


def test_the_back_off_doubles_up_to_a_minute_and_no_further(database: Database) -> None:
    relay = Relay(database, nowhere)
    waits = []
    for _ in range(3000):
        failed(relay, 1)
        waits.append(relay._repairs[STREAM].due - time.monotonic())
    assert 0 < waits[0] < waits[1] < waits[2] < 1
    assert max(waits) <= MAX_BACKOFF_SECONDS


def test_a_repair_starts_at_the_first_row_that_ever_failed(database: Database) -> None:
    relay = Relay(database, nowhere)
    failed(relay, 9)
    failed(relay, 5)
    failed(relay, 7)
    assert relay._repairs[STREAM].first == 5


@pytest.mark.asyncio
async def test_rows_that_a_seal_covered_while_they_waited_are_not_sent_again(
    database: Database,
) -> None:
    relay = Relay(database, nowhere)
    relay._submitted[STREAM] = 5
    relay.repair(STREAM, 1)
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(30):
        await relay.drained()
    assert not relay._repairs
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.asyncio
async def test_no_decision_is_sent_before_the_facts_of_its_batch(database: Database) -> None:
    relay = Relay(database, nowhere)
    events, decision = (FOOD, "identity-events"), (FOOD, "inbox-tax")
    relay.repair(events, 3, delay=60.0)
    await relay._send_new([Row(*decision, 8, b"", (), "", 0.0)])
    assert relay._repairs[decision].first == 8
    assert relay._repairs[decision].due == relay._repairs[events].due

    relay._repairs[decision].due = 0.0
    await relay._send_repairs()
    assert relay._repairs[decision].due == relay._repairs[events].due


@pytest.mark.asyncio
async def test_a_stopped_stream_of_facts_holds_nobody_up(database: Database) -> None:
    relay = Relay(database, nowhere)
    relay.repair((FOOD, "identity-events"), 3)
    relay.stop_stream((FOOD, "identity-events"), "not in the log")
    assert relay._facts_due() is None
