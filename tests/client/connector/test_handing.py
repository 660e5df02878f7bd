"""Handing out: in order, once, to whoever waits first."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.calls.test_judging import Event, command, decision_of, ref
from tests.common.conftest import FOOD

from sanyuan.client.calls import NoAnswer, result_of
from sanyuan.client.connector.handing import HandingOut, Tray

pytestmark = pytest.mark.asyncio


class ClosedError(Exception):
    pass


async def test_a_tray_gives_its_items_in_order_and_waits_for_more() -> None:
    tray = Tray[int]()
    tray.put(1)
    tray.put(2)
    assert [await tray.get(), await tray.get()] == [1, 2]
    waiting = asyncio.ensure_future(tray.get())
    await asyncio.sleep(0)
    tray.put(3)
    assert await waiting == 3


async def test_an_item_that_somebody_claimed_is_nobody_elses() -> None:
    tray = Tray[int]()
    claimed = tray.claim(lambda item: item == 2)
    assert [tray.put(1), tray.put(2), tray.put(2)] == [False, True, False]
    assert await claimed == 2
    assert tray.waiting() == [1, 2]
    assert tray.take(lambda item: item == 2) == 2
    assert tray.take(lambda item: item == 2) is None


async def test_whoever_gave_up_claims_nothing() -> None:
    tray = Tray[int]()
    tray.claim(lambda _: True).cancel()
    assert tray.put(1) is False


async def test_a_closed_tray_gives_what_it_has_and_then_none() -> None:
    tray = Tray[int]()
    tray.put(1)
    claimed = tray.claim(lambda item: item == 9)
    tray.close(ClosedError())
    assert [await tray.get(), await tray.get(), await tray.get()] == [1, None, None]
    with pytest.raises(ClosedError):
        await claimed


async def test_what_is_handed_out_is_forgotten_when_the_next_is_asked_for() -> None:
    handing = HandingOut([FOOD])
    first, second = (decision_of(Event("stranger", 1), offset) for offset in (0, 1))
    handing.deliver(FOOD, first)
    handing.deliver(FOOD, second)
    decisions = handing.decisions(FOOD)
    assert await anext(decisions) is first
    assert handing.collect().places == []
    assert await anext(decisions) is second
    assert handing.collect().places == [first.place]
    assert handing.collect().places == []


async def test_the_end_of_a_call_goes_to_whoever_waits_for_it_else_to_results() -> None:
    handing = HandingOut([FOOD])
    waiter = asyncio.get_running_loop().create_future()
    handing.expect_result(ref(1), waiter)
    ends = {n: result_of(decision_of(Event("answered", n), n)) for n in (1, 2)}
    for end in ends.values():
        assert end is not None
        handing.deliver_result(FOOD, end)
    assert await waiter is ends[1]
    results = handing.results(FOOD)
    assert await anext(results) is ends[2]
    none = NoAnswer(command(3), "case-3")
    handing.deliver_result(FOOD, none)
    assert await anext(results) is none
    handed = handing.collect()
    assert (len(handed.places), handed.told) == (2, [])


async def test_everybody_who_waits_is_told_the_end() -> None:
    handing = HandingOut([FOOD])
    waiter = asyncio.get_running_loop().create_future()
    handing.expect(ref(1), waiter)
    reading = asyncio.ensure_future(anext(handing.decisions(FOOD)))
    await asyncio.sleep(0)
    handing.end(ClosedError())
    with pytest.raises(ClosedError):
        await waiter
    with pytest.raises(ClosedError):
        await reading
    with pytest.raises(ClosedError):
        await anext(handing.results(FOOD))
