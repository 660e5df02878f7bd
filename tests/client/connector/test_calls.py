"""A caller's side of shared calls: each call ends once, in one of four ways, whatever dies when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.client.exchange import (
    CODE,
    FIELDS,
    TERMS,
    Exchange,
    Side,
    caused,
    food,
    nobody,
    ref,
    refuse,
    running,
    tax,
)
from tests.common.conftest import AGENCY, FOOD, TAX, World

from sanyuan.client.calls import Answered, CallResult, Failed, NoAnswer, Refused, open_calls
from sanyuan.client.calls.judging import LATE, NOT_OPEN
from sanyuan.client.faces.catalog import Call, NotCallableError

if TYPE_CHECKING:
    from pathlib import Path

    from sanyuan.client.inbox import Decision
    from sanyuan.common.record import Record

pytestmark = pytest.mark.asyncio

INBOX = "inbox-food-permits"
GIVEN = {"status": "正常", "registered_on": "2019-05-07"}
SOON = TERMS.model_copy(update={"answer_within": 0.05})


@pytest.fixture(autouse=True)
def _no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_calls, "SLACK_SECONDS", 0.0)


def answer(
    exchange: Exchange,
    call: Record,
    given: Mapping[str, Any] = GIVEN,
    *,
    source: str = TAX,
    changed: Mapping[str, Any] | None = None,
) -> None:
    """A provider's answer by hand, with `changed` data."""
    caller = exchange.world.directory.systems[FOOD]
    sealed = caller.sealing.seal(
        orjson.dumps(given), source=source, topic=f"cn/{INBOX}", name="answer"
    )
    data = {"call": ref(call), "fields": list(given), "found": bool(given), **(changed or {})}
    exchange.send(
        source, INBOX, "call.answered.v1", data, sealed={"answer": sealed}, **caused(call)
    )


async def posted(exchange: Exchange, count: int = 1) -> list[Record]:
    async with asyncio.timeout(30), exchange.changed:
        await exchange.changed.wait_for(lambda: len(exchange.calls()) >= count)
    return exchange.calls()


async def first_result(side: Side) -> CallResult:
    async with asyncio.timeout(30):
        return await anext(side.me.answers())


async def first_unexpected(side: Side) -> Decision:
    async with asyncio.timeout(30):
        return await anext(side.me.decisions())


async def test_a_call_is_answered_with_the_granted_fields(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(provider.me.serve_resource(CODE, lambda _p, _a: GIVEN))
        result = await caller.me.call_resource(TERMS, {"code": "91"}, case="a-case")
        serving.cancel()
        assert isinstance(result, Answered)
        assert (result.fields, result.found, result.case) == (GIVEN, True, "a-case")
        await caller.desk.forget_handed()
        assert (caller.rows("inbox_row"), caller.rows("open_call")) == (0, 0)


async def test_a_call_that_is_not_admitted_says_why(exchange: Exchange, tmp_path: Path) -> None:
    exchange.catalog = refuse("quota")
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(TERMS, {"code": "91"})
        assert isinstance(result, Refused)
        assert result.reason == "quota"
        assert caller.rows("open_call") == 0


async def test_a_call_that_nobody_answers_ends_by_its_deadline(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(SOON, {"code": "91"}, case="a-case")
    assert isinstance(result, NoAnswer)
    assert (result.case, result.call.topic, int(result.call.sequence)) == ("a-case", "cn/calls", 1)


async def test_a_failure_of_the_provider_says_why(exchange: Exchange, tmp_path: Path) -> None:
    def fail(exchange: Exchange, call: Record) -> None:
        data = {"call": ref(call), "reason": "unavailable", "detail": "being restored"}
        exchange.send(TAX, INBOX, "call.failed.v1", data, **caused(call))

    exchange.catalog = fail
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(TERMS, {"code": "91"})
    assert isinstance(result, Failed)
    assert (result.reason, result.detail) == ("unavailable", "being restored")


@pytest.mark.parametrize(
    ("fields", "found"), [({"status": "正常"}, True), ({}, False), (GIVEN, True)]
)
async def test_fewer_fields_than_granted_are_an_answer_and_so_is_nothing(
    exchange: Exchange,
    tmp_path: Path,
    fields: dict[str, Any],
    found: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    exchange.catalog = lambda exchange, call: answer(exchange, call, fields)
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(TERMS, {"code": "91"})
    assert isinstance(result, Answered)
    assert (result.fields, result.found) == (fields, found)


@pytest.mark.parametrize(
    ("fields", "changed", "why"),
    [
        (GIVEN | {"secret": 1}, {}, "other fields than the grant"),
        (GIVEN | {"secret": 1}, {"fields": list(FIELDS)}, "other fields than it names"),
        ({"status": 1}, {"fields": list(FIELDS)}, "other fields than it names"),
        (GIVEN, {"fields": ["status", "status", "registered_on"]}, "other fields than the grant"),
        (GIVEN, {"found": False}, "other fields than it names"),
        (GIVEN, {"answer": {"sealed": "sha256:" + "0" * 64}}, "does not open"),
    ],
)
async def test_another_answer_than_the_granted_one_is_unexpected_and_the_call_still_ends(
    exchange: Exchange,
    tmp_path: Path,
    fields: dict[str, Any],
    changed: dict[str, Any],
    why: str,
) -> None:
    exchange.catalog = lambda exchange, call: answer(exchange, call, fields, changed=changed)
    caller = food(exchange, tmp_path)
    async with running(caller):
        assert isinstance(await caller.me.call_resource(SOON, {"code": "91"}), NoAnswer)
        shown = await first_unexpected(caller)
    assert why in (shown.unexpected or "")


async def test_only_the_serving_system_answers(exchange: Exchange, tmp_path: Path) -> None:
    exchange.catalog = partial(answer, source=AGENCY)
    caller = food(exchange, tmp_path)
    async with running(caller):
        assert isinstance(await caller.me.call_resource(SOON, {"code": "91"}), NoAnswer)
        shown = await first_unexpected(caller)
    assert "does not serve this call" in (shown.unexpected or "")


async def test_after_a_wrong_answer_the_right_one_is_accepted(
    exchange: Exchange, tmp_path: Path
) -> None:
    def both(exchange: Exchange, call: Record) -> None:
        answer(exchange, call, {"secret": 1})
        answer(exchange, call, GIVEN, source=AGENCY)
        answer(exchange, call)

    exchange.catalog = both
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(TERMS, {"code": "91"})
    assert isinstance(result, Answered)


async def test_a_second_answer_is_shown_and_changes_nothing(
    exchange: Exchange, tmp_path: Path
) -> None:
    def twice(exchange: Exchange, call: Record) -> None:
        answer(exchange, call, {"status": "first"})
        answer(exchange, call, {"status": "second"})

    exchange.catalog = twice
    caller = food(exchange, tmp_path)
    async with running(caller):
        result = await caller.me.call_resource(TERMS, {"code": "91"})
        shown = await first_unexpected(caller)
        answer(exchange, exchange.calls()[0], {"status": "third"})
        (third,) = await caller.shows(1)
    assert isinstance(result, Answered)
    assert result.fields == {"status": "first"}
    assert shown.unexpected == third.unexpected == NOT_OPEN


async def test_the_answer_to_somebody_elses_call_is_unexpected(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(TERMS, {"code": "91"})])
        (call,) = await posted(exchange)
        for other in ({"source": TAX}, {"hash": "0" * 64}, {"sequence": f"{7:020d}"}):
            answer(exchange, call, changed={"call": ref(call) | other})
        shown = [decision.unexpected for decision in await caller.shows(3)]
        assert caller.rows("open_call") == 1
    assert shown == [
        "the answer to somebody else's call",
        "it names another record than the call, or another case",
        NOT_OPEN,
    ]


async def test_a_late_answer_is_kept_and_shown_as_late(exchange: Exchange, tmp_path: Path) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        assert isinstance(await caller.me.call_resource(SOON, {"code": "91"}), NoAnswer)
        await caller.crash()
        await caller.start()  # who was told stays told
        answer(exchange, exchange.calls()[0])
        shown = await first_unexpected(caller)
    assert shown.unexpected == LATE
    assert b"2019-05-07" in (shown.opened["answer"] or b"")


async def test_a_late_refusal_does_not_end_the_call_twice(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        assert isinstance(await caller.me.call_resource(SOON, {"code": "91"}), NoAnswer)
        refuse("quota")(exchange, exchange.calls()[0])
        assert (await first_unexpected(caller)).unexpected == LATE


async def test_a_caller_that_dies_between_call_and_answer_gets_it_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(TERMS, {"code": "91"}, case="a-case")])
        (call,) = await posted(exchange)
        await caller.crash()
        answer(exchange, call)
        await caller.start()
        assert isinstance(await first_result(caller), Answered)
        await caller.crash()  # nobody has asked for the next one: it comes again
        await caller.start()
        results = caller.me.answers()
        result = await anext(results)
        assert isinstance(result, Answered)
        assert (result.fields, result.case) == (GIVEN, "a-case")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(results), 0.05)
        await caller.desk.forget_handed()
        await caller.crash()
        await caller.start()
        assert (caller.rows("inbox_row"), caller.rows("open_call")) == (0, 0)


async def test_a_deadline_that_passes_while_the_caller_is_away_does_not_lose_the_answer(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(SOON, {"code": "91"})])
        (call,) = await posted(exchange)
        await caller.crash()
        answer(exchange, call)
        await asyncio.sleep(0.1)
        await caller.start()
        assert isinstance(await first_result(caller), Answered)


async def test_the_end_without_answer_is_told_again_until_the_next_is_asked_for(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(SOON, {"code": "91"})])
        assert isinstance(await first_result(caller), NoAnswer)
        await caller.crash()
        await caller.start()
        assert isinstance(await first_result(caller), NoAnswer)


async def test_whoever_stops_waiting_gets_the_result_from_answers(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await caller.me.call_resource(TERMS, {"code": "91"})
        answer(exchange, exchange.calls()[0])
        assert isinstance(await first_result(caller), Answered)


async def test_a_call_that_was_committed_and_not_sent_is_sent_by_the_next_life(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = answer
    caller = food(exchange, tmp_path)
    async with running(caller):
        caller.post.cut = True
        await caller.me.request_calls([Call(TERMS, {"code": "91"})])
        await caller.crash()
        caller.post.cut = False
        await caller.start()
        assert isinstance(await first_result(caller), Answered)
    assert len(exchange.calls()) == 1


async def test_many_calls_in_one_transaction_keep_their_order(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        rows = await caller.me.request_calls([Call(TERMS, {"n": n}) for n in range(50)])
        assert [row.sequence for row in rows] == list(range(1, 51))
        assert caller.rows("open_call") == 50
        assert await caller.me.request_calls([]) == []


async def test_an_answer_that_is_read_again_is_taken_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(TERMS, {"code": "91"})])
        (call,) = await posted(exchange)
        answer(exchange, call)
        exchange.repeat(INBOX)
        assert isinstance(await first_result(caller), Answered)
        await asyncio.sleep(0.05)
        assert caller.desk.waiting(FOOD) == []


async def test_an_answer_under_a_revoked_key_is_unexpected(
    exchange: Exchange, world: World, tmp_path: Path
) -> None:
    exchange.catalog = nobody
    caller = food(exchange, tmp_path)
    async with running(caller):
        await caller.me.request_calls([Call(SOON, {"code": "91"})])
        (call,) = await posted(exchange)
        key = str(next(iter(world.directory.systems[TAX].keys.values())))
        world.say("participant.key-revoked.v1", source=TAX, signing_key=key)
        answer(exchange, call)
        assert isinstance(await first_result(caller), NoAnswer)
        assert "revoked" in ((await first_unexpected(caller)).unexpected or "")


async def test_a_grant_without_serving_system_cannot_be_called(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller = food(exchange, tmp_path)
    async with running(caller):
        for system in (None, "//cn/departments/91110000600037341L/unknown"):
            terms = TERMS.model_copy(update={"serving_system": system})
            with pytest.raises(NotCallableError):
                await caller.me.call_resource(terms, {})
