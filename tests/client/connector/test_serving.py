"""A provider's side of shared calls: each admitted call is answered once, whatever dies when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from structlog.testing import capture_logs
from tests.client.exchange import (
    CODE,
    FIELDS,
    TERMS,
    Exchange,
    Side,
    admission,
    food,
    forward,
    running,
    tax,
)
from tests.common.conftest import AGENCY, FOOD, IDENTITY, TAX, World, system_file

from sanyuan.client.calls import Answered, CallResult, Failed
from sanyuan.client.calls.answering import Answer, CannotAnswerError, FailureReason
from sanyuan.client.connector import serving
from sanyuan.client.connector.errors import ConnectorClosedError
from sanyuan.client.connector.serving import ServingError
from sanyuan.client.faces.catalog import Call
from sanyuan.common.outbox import OutboxFullError

if TYPE_CHECKING:
    from pathlib import Path

    from sanyuan.common.contracts.catalog import CallAdmitted
    from sanyuan.common.record import Record

pytestmark = pytest.mark.asyncio

REGISTER = {"91": {"status": "正常", "registered_on": "2019-05-07", "secret": "never granted"}}
INBOX = "inbox-food-permits"


def look_up(parameters: Mapping[str, Any], _admitted: CallAdmitted) -> Mapping[str, Any] | None:
    return REGISTER.get(parameters["code"])


async def ask(
    exchange: Exchange, folder: Path, answer: Answer, parameters: Mapping[str, Any] | None = None
) -> CallResult:
    """One call from side to side."""
    caller, provider = food(exchange, folder), tax(exchange, folder)
    async with running(caller, provider), asyncio.timeout(30):
        task = asyncio.create_task(provider.me.serve_resource(CODE, answer))
        result = await caller.me.call_resource(TERMS, parameters or {"code": "91"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return result


async def answers(exchange: Exchange, count: int) -> list[Record]:
    """Everything in the caller's inbox, once it is as much as expected, and a moment later."""
    async with asyncio.timeout(30), exchange.changed:
        await exchange.changed.wait_for(lambda: len(exchange.topics[INBOX]) >= count)
    await asyncio.sleep(0.05)
    return exchange.records(INBOX)


async def test_only_granted_fields_leave_whatever_the_function_returns(
    exchange: Exchange, tmp_path: Path
) -> None:
    result = await ask(exchange, tmp_path, look_up)
    assert isinstance(result, Answered)
    assert result.fields == {"status": "正常", "registered_on": "2019-05-07"}


async def test_the_answer_is_the_providers_record_about_that_very_call(
    exchange: Exchange, tmp_path: Path
) -> None:
    await ask(exchange, tmp_path, look_up)
    (call,), (answer,) = exchange.calls(), exchange.records(INBOX)
    assert answer.source == TAX
    assert answer.envelope.causationid == call.envelope.id
    assert answer.envelope.correlationid == call.envelope.correlationid
    assert answer.envelope.data["fields"] == list(FIELDS)
    assert answer.envelope.data["call"]["hash"] == call.hash
    assert "正常" not in answer.value.decode()


async def test_nothing_found_is_an_answer(exchange: Exchange, tmp_path: Path) -> None:
    result = await ask(exchange, tmp_path, look_up, {"code": "unknown"})
    assert isinstance(result, Answered)
    assert (result.found, dict(result.fields)) == (False, {})


async def test_a_coroutine_function_may_wait(exchange: Exchange, tmp_path: Path) -> None:
    async def look_up_later(
        parameters: Mapping[str, Any], admitted: CallAdmitted
    ) -> Mapping[str, Any] | None:
        await asyncio.sleep(0.01)
        return look_up(parameters, admitted)

    assert isinstance(await ask(exchange, tmp_path, look_up_later), Answered)


def unable(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> None:
    raise CannotAnswerError("unavailable", "the register is being restored")


def broken(parameters: Mapping[str, Any], _admitted: CallAdmitted) -> None:
    raise KeyError(parameters["code"])


async def broken_later(parameters: Mapping[str, Any], _admitted: CallAdmitted) -> None:
    raise KeyError(parameters["code"])


def without_fields(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> dict[str, Any]:
    return {"secret": 1}


def unspeakable(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> dict[str, Any]:
    return {"status": object()}


def enormous(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> dict[str, Any]:
    return {"status": "x" * 512 * 1024}


def no_mapping(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> Any:  # noqa: ANN401
    return ["正常"]


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (unable, "unavailable", "the register is being restored"),
        (broken, "other", "could not be made"),
        (broken_later, "other", "could not be made"),
        (no_mapping, "other", "could not be made"),
        (without_fields, "other", "none of the granted fields"),
        (unspeakable, "other", "JSON cannot say"),
        (enormous, "other", "larger than attachments"),
    ],
)
async def test_a_function_that_does_not_answer_fails_its_call_and_no_other(
    exchange: Exchange, tmp_path: Path, answer: Answer, reason: FailureReason, detail: str
) -> None:
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    exchange.catalog = by_turns
    with capture_logs() as logs:
        async with running(caller, provider), asyncio.timeout(30):
            both = {CODE: answer, "306002/000002": look_up}
            task = asyncio.create_task(provider.me.serve_resources(both))
            failed = await caller.me.call_resource(TERMS, {"code": "secret-91"})
            good = await caller.me.call_resource(TERMS, {"code": "91"})
            assert isinstance(good, Answered)
            task.cancel()
    assert isinstance(failed, Failed)
    assert failed.reason == reason
    assert detail in (failed.detail or "")
    assert "secret-91" not in str(logs)


def by_turns(exchange: Exchange, call: Record) -> None:
    admitted_for(CODE if call.envelope.number % 2 else "306002/000002", exchange, call)


def admitted_for(code: str, exchange: Exchange, call: Record) -> None:
    forward(exchange, call, admission(exchange, call, resource=code))


@pytest.mark.parametrize("text", [b"[]", b"no JSON", b'"text"'])
async def test_parameters_that_are_no_object_are_malformed(
    exchange: Exchange, tmp_path: Path, text: bytes
) -> None:
    def reseal(exchange: Exchange, call: Record) -> None:
        provider = system_file(TAX).sealing.public
        sealed = provider.seal(text, source=FOOD, topic="cn/calls", name="parameters")
        data = admission(exchange, call)
        del data["parameters"]
        raw = exchange.world.send(FOOD, "calls", "call.requested.v1", {}, {"parameters": sealed})
        named = orjson.loads(raw.value or b"")["data"]["parameters"]
        origin = {"source": FOOD, "topic": "cn/calls", "attachment": "parameters"}
        exchange.send(
            "//cn/services/catalog",
            "inbox-tax",
            "call.admitted.v1",
            data | {"parameters": named | {"from": origin}},
            sealed={"parameters": sealed},
            correlationid=call.envelope.correlationid,
        )

    exchange.catalog = reseal
    result = await ask(exchange, tmp_path, look_up)
    assert isinstance(result, Failed)
    assert result.reason == "malformed-parameters"


async def test_an_admission_without_its_attachment_is_malformed(
    exchange: Exchange, tmp_path: Path
) -> None:
    def lose(exchange: Exchange, call: Record) -> None:
        exchange.send(
            "//cn/services/catalog",
            "inbox-tax",
            "call.admitted.v1",
            admission(exchange, call),
            correlationid=call.envelope.correlationid,
        )

    exchange.catalog = lose
    result = await ask(exchange, tmp_path, look_up)
    assert isinstance(result, Failed)
    assert result.reason == "malformed-parameters"


async def test_a_call_that_is_found_too_late_fails_as_too_late(
    exchange: Exchange, tmp_path: Path
) -> None:
    def late(exchange: Exchange, call: Record) -> None:
        over = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        forward(exchange, call, admission(exchange, call, answer_by=over))

    exchange.catalog = late
    result = await ask(exchange, tmp_path, look_up)
    assert isinstance(result, Failed)
    assert result.reason == "too-late"


async def test_an_answer_that_took_too_long_fails_as_too_late(
    exchange: Exchange, tmp_path: Path
) -> None:
    def soon(exchange: Exchange, call: Record) -> None:
        by = (datetime.now(UTC) + timedelta(seconds=0.1)).isoformat()
        forward(exchange, call, admission(exchange, call, answer_by=by))

    async def slow(parameters: Mapping[str, Any], admitted: CallAdmitted) -> Mapping[str, Any]:
        await asyncio.sleep(0.2)
        return REGISTER[parameters["code"]]

    exchange.catalog = soon
    result = await ask(exchange, tmp_path, slow)
    assert isinstance(result, Failed)
    assert result.reason == "too-late"


async def test_a_slow_resource_holds_up_no_other(exchange: Exchange, tmp_path: Path) -> None:
    other = "306002/000002"
    released = asyncio.Event()

    async def slow(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> dict[str, Any]:
        await released.wait()
        return {"status": "at last"}

    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        task = asyncio.create_task(provider.me.serve_resources({CODE: slow, other: look_up}))
        many = serving.RUNNING + 5
        await caller.me.request_calls([Call(TERMS, {"code": "91"})] * many)
        exchange.catalog = partial(admitted_for, other)
        result = await caller.me.call_resource(TERMS, {"code": "91"})
        assert isinstance(result, Answered)
        released.set()
        assert len(await answers(exchange, many + 1)) == many + 1
        task.cancel()


async def test_a_call_waits_in_the_inbox_until_somebody_serves_its_resource(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        await until(lambda: provider.rows("inbox_row") == 1)
        await provider.crash()
        await provider.start()
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        assert isinstance(await asked, Answered)
        assert provider.rows("inbox_row") == 0
        task.cancel()


async def until(holds: Any) -> None:  # noqa: ANN401  a condition
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  it looks into a database
            await asyncio.sleep(0.01)


async def test_a_provider_that_dies_before_its_answer_is_durable_answers_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    never = asyncio.Event()

    async def dies(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> None:
        await never.wait()

    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        task = asyncio.create_task(provider.me.serve_resource(CODE, dies))
        await until(lambda: provider.rows("inbox_row") == 1)
        await provider.crash()
        with pytest.raises(ConnectorClosedError):
            await task
        await provider.start()
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        assert isinstance(await asked, Answered)
        assert len(await answers(exchange, 1)) == 1
        task.cancel()


async def test_a_provider_that_dies_before_its_durable_answer_is_sent_answers_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        provider.post.cut = True
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        await until(lambda: provider.rows("outbox_row") == 1)
        assert provider.rows("inbox_row") == 0
        await provider.crash()
        await asyncio.gather(task, return_exceptions=True)
        provider.post.cut = False
        await provider.start()
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        assert isinstance(await asked, Answered)
        assert len(await answers(exchange, 1)) == 1
        task.cancel()


async def test_an_admission_that_is_read_again_is_answered_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        await caller.me.call_resource(TERMS, {"code": "91"})
        exchange.repeat("inbox-tax")
        assert len(await answers(exchange, 1)) == 1
        task.cancel()


async def test_whoever_stops_serving_leaves_its_calls_to_the_next(
    exchange: Exchange, tmp_path: Path
) -> None:
    started = asyncio.Event()

    async def waits(_parameters: Mapping[str, Any], _admitted: CallAdmitted) -> None:
        started.set()
        await asyncio.Event().wait()

    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        first = asyncio.create_task(provider.me.serve_resource(CODE, waits))
        await started.wait()
        first.cancel()
        second = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        assert isinstance(await asked, Answered)
        second.cancel()


async def test_a_resource_has_one_server_at_a_time(exchange: Exchange, tmp_path: Path) -> None:
    provider = tax(exchange, tmp_path)
    async with running(provider):
        first = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        await asyncio.sleep(0)
        with pytest.raises(ServingError, match="already"):
            await provider.me.serve_resource(CODE, look_up)
        with pytest.raises(ServingError, match="no resource"):
            await provider.me.serve_resources({})
        first.cancel()


async def test_what_nobody_serves_is_shown_when_it_is_too_late(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "OVERLOOKED_SECONDS", 0.0)

    def late(exchange: Exchange, call: Record) -> None:
        by = (datetime.now(UTC) + timedelta(seconds=0.05)).isoformat()
        forward(exchange, call, admission(exchange, call, answer_by=by))

    exchange.catalog = late
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        await caller.me.request_calls([Call(TERMS, {"code": "91"})])
        shown = await anext(provider.me.decisions())
    assert shown.unexpected == serving.OVERLOOKED


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        (AGENCY, {}),
        (FOOD, {}),
        (IDENTITY, {}),
        ("//cn/services/catalog", {"reply_to": "inbox-tax"}),
        ("//cn/services/catalog", {"caller_key": "0" * 16}),
        ("//cn/services/catalog", {"caller": TAX}),
    ],
)
async def test_a_false_admission_is_shown_and_never_answered(
    exchange: Exchange, tmp_path: Path, source: str, changed: dict[str, Any]
) -> None:
    exchange.catalog = lambda exchange, call: forward(
        exchange, call, admission(exchange, call, **changed), source
    )
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        await caller.me.request_calls([Call(TERMS, {"code": "91"})])
        shown = await anext(provider.me.decisions())
        assert shown.unexpected is not None
        assert exchange.topics[INBOX] == []
        task.cancel()


async def test_a_caller_whom_the_catalog_knows_before_us_is_looked_up(
    exchange: Exchange, world: World, tmp_path: Path
) -> None:
    newcomer = "//cn/departments/11110000000012345X/newcomer"
    before = world.directory
    world.admit(newcomer)
    provider = tax(exchange, tmp_path)
    caller = Side(exchange, system_file(newcomer), tmp_path / "new.db")
    async with running(caller, provider), asyncio.timeout(30):
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        provider.seen = before
        assert isinstance(await asked, Answered)
        assert provider.refreshed == 1
        task.cancel()


async def test_answers_wait_while_the_outbox_is_full(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "FULL_SECONDS", 0.01)
    caller, provider = food(exchange, tmp_path), tax(exchange, tmp_path)
    async with running(caller, provider), asyncio.timeout(30):
        provider.post.full = OutboxFullError("full")
        task = asyncio.create_task(provider.me.serve_resource(CODE, look_up))
        asked = asyncio.create_task(caller.me.call_resource(TERMS, {"code": "91"}))
        await until(lambda: provider.rows("inbox_row") == 1)
        await asyncio.sleep(0.05)
        assert not asked.done()
        provider.post.full = None
        assert isinstance(await asked, Answered)
        task.cancel()
