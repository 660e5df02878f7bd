"""Licences by the SDK: what is sent, sealed to whom, and what becomes of each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.client.exchange import Exchange, Side, food, running
from tests.common.conftest import FOOD, World, system_file

from sanyuan.client.faces.commands import MalformedCommandError
from sanyuan.client.faces.licenses import (
    Declined,
    LicensesShared,
    Presentation,
    SharedLicense,
)
from sanyuan.client.faces.licenses.sharing import UnreadableAnswerError
from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.record import Record

pytestmark = pytest.mark.asyncio
T = TypeVar("T")

LICENSE_EXCHANGE = "//cn/services/license-exchange"
TOPIC = "license-exchange-commands"
TYPE = "11220000013544541J032"
NAME = "ac7803b848df4f32ec75c59b5497a39c"
GRANT = "0" * 31 + "1"
KEY = {"kid": "k" * 43, "x": "x" * 43}
SHOWN = {
    "license": NAME,
    "type": TYPE,
    "version": 1,
    "state": "active",
    "fields": {"premises": "某街1号"},
    "sd_jwt": "a.b.c~",
}
TOKEN = b"header.payload.signature"


@pytest.fixture
def exchange(world: World) -> Exchange:
    world.admit(LICENSE_EXCHANGE)
    return Exchange(world)


async def asked(exchange: Exchange, count: int = 1) -> Record:
    """The command that was sent last, once that many were."""
    async with asyncio.timeout(30), exchange.changed:
        await exchange.changed.wait_for(lambda: len(exchange.topics[TOPIC]) >= count)
    return exchange.records(TOPIC)[-1]


def opened(command: Record, name: str) -> bytes:
    """An attachment as license-exchange opens it."""
    return system_file(LICENSE_EXCHANGE).sealing.open(
        command.sealed[name], source=FOOD, topic=f"cn/{TOPIC}", name=name
    )


def decide(
    exchange: Exchange,
    command: Record,
    kind: str,
    attached: dict[str, object] | None = None,
    **data: Any,  # noqa: ANN401  any JSON
) -> None:
    named = {
        "source": command.source,
        "topic": command.envelope.topic,
        "sequence": command.envelope.sequence,
        "hash": command.hash,
    }
    sealed = {
        name: system_file(FOOD).sealing.public.seal(
            json.dumps(value).encode(),
            source=LICENSE_EXCHANGE,
            topic="cn/inbox-food-permits",
            name=name,
        )
        for name, value in (attached or {}).items()
    }
    decided = {"command": named, "decision": 1, "asof": {}, **data}
    kind = f"license-exchange.{kind}.v1"
    exchange.send(LICENSE_EXCHANGE, "inbox-food-permits", kind, decided, sealed=sealed)


async def answered(
    exchange: Exchange,
    side: Side,
    ask: Callable[[ConnectedSystem], Awaitable[T]],
    kind: str,
    attached: dict[str, object] | None = None,
    **data: Any,  # noqa: ANN401  any JSON
) -> tuple[T, Record]:
    """Ask, answer by hand, and return what came of it with the command."""
    count = len(exchange.topics[TOPIC]) + 1
    asking = asyncio.ensure_future(ask(side.me))
    command = await asked(exchange, count)
    decide(exchange, command, kind, attached, **data)
    return await asking, command


async def test_a_licence_is_issued_sealed(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    content = {"serial": "7", "fields": {"premises": "某街1号"}}
    async with running(side), asyncio.timeout(30):
        decision, command = await answered(
            exchange,
            side,
            lambda me: me.issue_license(TYPE, content, assertion=TOKEN.decode(), revision=2),
            "license-issued",
            license=NAME,
            version=1,
        )
    assert isinstance(decision.message, messages.LicenseIssued)
    assert (command.envelope.data["type"], command.envelope.data["revision"]) == (TYPE, 2)
    assert json.loads(opened(command, "content")) == content
    assert opened(command, "assertion") == TOKEN
    assert "某街" not in json.dumps(command.envelope.data, ensure_ascii=False)


async def test_an_assertion_that_is_not_needed_is_not_there(
    exchange: Exchange, tmp_path: Path
) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        _, command = await answered(
            exchange,
            side,
            lambda me: me.issue_license(TYPE, {}),
            "license-refused",
            reason="content-malformed",
        )
    assert set(command.sealed) == {"content"}
    assert "assertion" not in command.envelope.data


CHANGES: list[tuple[Callable[[ConnectedSystem], Awaitable[Decision]], str]] = [
    (lambda me: me.suspend_license(NAME, grounds="violation"), "license-suspended"),
    (lambda me: me.resume_license(NAME, grounds="violation"), "license-resumed"),
    (lambda me: me.revoke_license(NAME, grounds="violation"), "license-revoked"),
    (lambda me: me.amend_license(NAME, {"serial": "7"}, grounds="correction"), "license-amended"),
]


@pytest.mark.parametrize(("ask", "kind"), CHANGES, ids=[kind for _, kind in CHANGES])
async def test_a_licence_is_changed(
    exchange: Exchange,
    tmp_path: Path,
    ask: Callable[[ConnectedSystem], Awaitable[Decision]],
    kind: str,
) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        decision, command = await answered(exchange, side, ask, kind, license=NAME, version=1)
    assert decision.type == f"license-exchange.{kind}.v1"
    assert command.envelope.data["license"] == NAME


async def test_becoming_an_issuer_is_two_records_and_one_call(
    exchange: Exchange, tmp_path: Path
) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        becoming = asyncio.create_task(side.me.become_issuer())
        decide(exchange, await asked(exchange), "issuer-opened", key=KEY)
        delegating = await asked(exchange, 2)
        assert delegating.envelope.data["key"] == KEY
        decide(exchange, delegating, "issuer-delegation-accepted", key=KEY)
        decision = await becoming
    assert isinstance(decision.message, messages.IssuerDelegationAccepted)


async def test_who_may_not_issue_delegates_nothing(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        decision, _ = await answered(
            exchange,
            side,
            lambda me: me.become_issuer(),
            "issuer-refused",
            reason="not-a-department",
        )
    assert decision.reason == "not-a-department"
    assert len(exchange.topics[TOPIC]) == 1


def request(me: ConnectedSystem) -> Awaitable[LicensesShared | Declined]:
    return me.request_license_fields(
        TYPE,
        fields=["premises"],
        purpose="food-business-licence",
        grant=GRANT,
        assertion=TOKEN,
    )


async def test_fields_come_plain_and_as_a_credential(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    answer = {"licenses": [SHOWN], "others": ["f" * 32]}
    async with running(side), asyncio.timeout(30):
        outcome, command = await answered(
            exchange,
            side,
            request,
            "license-fields-shared",
            {"answer": answer},
            type=TYPE,
            grant=GRANT,
            fields=["premises"],
        )
    assert isinstance(outcome, LicensesShared)
    assert outcome.licenses == (SharedLicense.model_validate(SHOWN),)
    assert outcome.others == ("f" * 32,)
    assert opened(command, "assertion") == TOKEN
    assert "某街" not in repr(outcome)


async def test_a_refusal_says_why(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        outcome, _ = await answered(
            exchange, side, request, "sharing-refused", reason="quota", detail="used up"
        )
    assert isinstance(outcome, Declined)
    assert (outcome.reason, outcome.detail) == ("quota", "used up")


async def test_an_answer_that_cannot_be_read_is_an_error(
    exchange: Exchange, tmp_path: Path
) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        with pytest.raises(UnreadableAnswerError):
            await answered(
                exchange,
                side,
                request,
                "license-fields-shared",
                {"answer": {"licenses": [{}]}},
                type=TYPE,
                grant=GRANT,
                fields=["premises"],
            )


async def test_a_code_is_opened_and_redeemed(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        presented, _ = await answered(
            exchange,
            side,
            lambda me: me.present(TYPE, fields=["premises"], assertion=TOKEN),
            "presentation-opened",
            {"code": {"code": "ABCD-EFGH"}},
            expires_at="2026-11-23T02:22:00Z",
        )
        assert isinstance(presented, Presentation)
        assert presented.code == "ABCD-EFGH"
        assert presented.expires_at == datetime(2026, 11, 23, 2, 22, tzinfo=UTC)
        assert "ABCD" not in repr(presented)
        shown, command = await answered(
            exchange,
            side,
            lambda me: me.verify_presentation("ABCD-EFGH", purpose="inspection"),
            "presentation-verified",
            {"answer": SHOWN},
            purpose="inspection",
        )
    assert shown == SharedLicense.model_validate(SHOWN)
    assert json.loads(opened(command, "code")) == {"code": "ABCD-EFGH"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda me: me.present("no type", fields=["premises"], assertion=TOKEN),
        lambda me: me.present(TYPE, fields=[], assertion=TOKEN),
        lambda me: me.present(TYPE, fields=["premises", "premises"], assertion=TOKEN),
        lambda me: me.verify_presentation("X", purpose="A purpose!"),
        lambda me: me.revoke_license("nothing", grounds="violation"),
        lambda me: me.revoke_license(NAME, grounds="因为他"),
        lambda me: me.register_license_type({"code": TYPE}),
        lambda me: me.answer_dispute(NAME, outcome="maybe", statement="x"),
    ],
)
async def test_what_breaks_a_contract_is_never_sent(
    exchange: Exchange, tmp_path: Path, ask: Callable[[ConnectedSystem], Awaitable[object]]
) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        with pytest.raises(MalformedCommandError):
            await ask(side.me)
    assert not exchange.topics[TOPIC]


async def test_what_became_of_a_licence_is_a_notice(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    changed = {"license": NAME, "version": 2, "change": "revoked", "grounds": "violation"}
    async with running(side), asyncio.timeout(30):
        kind = "license-exchange.license-changed.v1"
        exchange.send(LICENSE_EXCHANGE, "inbox-food-permits", kind, changed)
        exchange.send(FOOD, "inbox-food-permits", kind, changed)
        exchange.send(LICENSE_EXCHANGE, "inbox-food-permits", kind, changed | {"version": 3})
        await side.desk.claim(FOOD, lambda record: getattr(record.message, "version", 0) == 3)
        told = side.me.license_notices()
    assert [message for message, _ in told] == [messages.LicenseChanged.model_validate(changed)]


async def test_a_dispute_is_raised_and_answered_sealed(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        raised, command = await answered(
            exchange,
            side,
            lambda me: me.raise_dispute(NAME, fields=["area"], statement="面积不对"),
            "dispute-accepted",
            dispute=NAME,
            answer_by="2026-12-07T16:00:00Z",
        )
        assert isinstance(raised.message, messages.DisputeAccepted)
        assert json.loads(opened(command, "statement")) == {"text": "面积不对"}
        _, command = await answered(
            exchange,
            side,
            lambda me: me.answer_dispute(NAME, outcome="rejected", statement="无误"),
            "dispute-answer-accepted",
            dispute=NAME,
        )
        assert command.envelope.data["outcome"] == "rejected"
        erased, command = await answered(
            exchange,
            side,
            lambda me: me.erase_holder(legal_basis="个人信息保护法", license_name=NAME),
            "erasure-refused",
            reason="not-permitted",
        )
    assert erased.reason == "not-permitted"
    assert not command.sealed
