"""Sending: in order, all or none of what belongs together, and nobody pays for others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.client.exchange import TERMS, Exchange, food, nobody, running
from tests.common.conftest import FOOD

from sanyuan.client.connector import StreamStoppedError
from sanyuan.client.faces.catalog import Call
from sanyuan.common.contracts.identity import RevokeAssertion
from sanyuan.common.envelope import EnvelopeError
from sanyuan.common.outbox import OutboxFullError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_one_command_that_is_too_large_hurts_no_other(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller = food(exchange, tmp_path)
    async with running(caller):
        sends = [
            caller.me.send(RevokeAssertion, {"jti": "0" * 32, "text": "x" * size}, {})
            for size in (1, 100_000, 2)
        ]
        first, second, third = await asyncio.gather(*sends, return_exceptions=True)
    assert isinstance(second, EnvelopeError)
    assert not isinstance(first, BaseException)
    assert not isinstance(third, BaseException)
    assert (first.sequence, third.sequence) == (1, 2)


async def test_calls_of_one_request_are_written_all_or_none(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        large = TERMS.model_copy(update={"grant": "x" * 100_000})
        with pytest.raises(EnvelopeError):
            await caller.me.request_calls([Call(TERMS, {}), Call(large, {})])
        assert (caller.rows("outbox_row"), caller.rows("open_call")) == (0, 0)
        (row,) = await caller.me.request_calls([Call(TERMS, {})])
    assert row.sequence == 1


async def test_a_command_whose_sender_gave_up_is_sent_or_was_never_placed(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller = food(exchange, tmp_path)
    async with running(caller):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await caller.me.send(RevokeAssertion, {"jti": "0" * 32}, {})
        row = await caller.me.send(RevokeAssertion, {"jti": "0" * 32}, {})
        await asyncio.sleep(0.05)
        assert len(exchange.topics["identity-commands"]) == row.sequence


async def test_nothing_is_sent_in_a_stream_that_was_stopped(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller = food(exchange, tmp_path)
    async with running(caller):
        caller.post.stopped[FOOD, "calls"] = "not in the log"
        with pytest.raises(StreamStoppedError):
            await caller.me.request_calls([Call(TERMS, {})])
        await caller.me.send(RevokeAssertion, {"jti": "0" * 32}, {})


async def test_a_full_outbox_takes_nothing(exchange: Exchange, tmp_path: Path) -> None:
    caller = food(exchange, tmp_path)
    async with running(caller):
        caller.post.full = OutboxFullError("full")
        with pytest.raises(OutboxFullError):
            await caller.me.request_calls([Call(TERMS, {})])
