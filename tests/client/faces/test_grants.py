"""Asking for a grant: granted, refused, or pending until the provider's word, however late."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.exchange import CATALOG, CODE, GRANT, TERMS, Exchange, Side, food, running, tax
from tests.client.test_sql_answers import resource
from tests.common.conftest import FOOD, TAX

from sanyuan.client.faces.asking import NoDecisionError
from sanyuan.client.faces.catalog import Granted, GrantOutcome, NotGranted, Pending
from sanyuan.client.faces.commands import MalformedCommandError
from sanyuan.common.contracts.catalog import Reviewed

if TYPE_CHECKING:
    from pathlib import Path

    from sanyuan.common.record import Record

pytestmark = pytest.mark.asyncio

LATER = datetime(2099, 1, 1, tzinfo=UTC)
DEADLINE = "2099-01-01T00:00:00Z"
TERMS_JSON = TERMS.model_dump(mode="json", exclude_none=True)


async def request(side: Side) -> GrantOutcome:
    return await side.me.request_grant(
        CODE,
        fields=["status", "registered_on"],
        purpose="food-business-licence",
        legal_basis="食品安全法",
        until=LATER,
        quota=100,
    )


async def asked(exchange: Exchange) -> Record:
    """The command that was sent last, once it was."""
    topic = "catalog-commands"
    async with asyncio.timeout(30), exchange.changed:
        await exchange.changed.wait_for(lambda: exchange.topics[topic])
    return exchange.records(topic)[-1]


def decide(exchange: Exchange, command: Record, kind: str, **data: Any) -> None:  # noqa: ANN401
    named = {
        "source": command.source,
        "topic": command.envelope.topic,
        "sequence": command.envelope.sequence,
        "hash": command.hash,
    }
    decided = {"command": named, "decision": 1, "asof": {}} | data
    inbox = exchange.world.directory.systems[command.source].inbox or ""
    exchange.send(CATALOG, inbox, f"catalog.{kind}.v1", decided)


async def test_a_grant_is_issued_with_its_terms(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        asking = asyncio.create_task(request(side))
        command = await asked(exchange)
        assert command.envelope.data["bounds"] == {
            "fields": ["status", "registered_on"],
            "quota": 100,
            "until": DEADLINE,
        }
        decide(exchange, command, "grant-issued", terms=TERMS_JSON)
        outcome = await asking
    assert isinstance(outcome, Granted)
    assert outcome.terms == TERMS


async def test_a_refusal_says_why(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        asking = asyncio.create_task(request(side))
        decide(exchange, await asked(exchange), "grant-refused", reason="unknown-field")
        outcome = await asking
    assert isinstance(outcome, NotGranted)
    assert outcome.reason == "unknown-field"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("allow", [False, True])
async def test_the_providers_word_is_awaited_also_over_a_restart(
    exchange: Exchange,
    tmp_path: Path,
    restart: bool,  # noqa: FBT001  a parameter of the test
    early: bool,  # noqa: FBT001  as above
    allow: bool,  # noqa: FBT001  as above
) -> None:
    said: dict[str, Any] = {"request": GRANT, "allow": allow}
    said |= {"terms": TERMS_JSON} if allow else {"reason": "用途不符"}
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        asking = asyncio.create_task(request(side))
        pending = {"request": GRANT, "decide_by": DEADLINE}
        decide(exchange, await asked(exchange), "grant-pending", **pending)
        outcome = await asking
        assert isinstance(outcome, Pending)
        if early:
            exchange.send(CATALOG, "inbox-food-permits", "catalog.grant-decided.v1", said)
            await asyncio.sleep(0.05)
        if restart:
            await side.desk.forget_handed()
            await side.crash()
            await side.start()
        waiting = asyncio.create_task(side.me.grant_decided(outcome.request))
        await asyncio.sleep(0)
        if not early:
            exchange.send(CATALOG, "inbox-food-permits", "catalog.grant-decided.v1", said)
        word = await waiting
        await side.desk.forget_handed()
        assert side.rows("inbox_row") == 0
    if allow:
        assert isinstance(word, Granted)
    else:
        assert isinstance(word, NotGranted)
        assert word.reason == "用途不符"


async def test_nobody_else_can_give_the_providers_word(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        said = {"request": GRANT, "allow": True, "terms": TERMS_JSON}
        exchange.send(TAX, "inbox-food-permits", "catalog.grant-decided.v1", said)
        with pytest.raises(NoDecisionError):
            await side.me.grant_decided(GRANT, timeout=0.1)
        assert len(side.desk.waiting(FOOD)) == 1


async def test_a_provider_sees_requests_until_it_has_decided_them(
    exchange: Exchange, tmp_path: Path
) -> None:
    notice = {
        "request": GRANT,
        "resource": CODE,
        "grantee": TERMS.grantee,
        "purpose": TERMS.purpose,
        "legal_basis": "食品安全法",
        "bounds": TERMS_JSON["bounds"],
        "decide_by": DEADLINE,
    }
    overdue = {"request": GRANT, "resource": CODE, "decide_by": DEADLINE}
    side = tax(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        exchange.send(CATALOG, "inbox-tax", "catalog.grant-requested.v1", notice)
        exchange.send(CATALOG, "inbox-tax", "catalog.grant-overdue.v1", overdue)
        exchange.send(FOOD, "inbox-tax", "catalog.grant-requested.v1", notice)
        assert len(await side.shows(3)) == 3
        ((message, _),) = side.me.grant_requests()
        assert message.request == GRANT
        deciding = asyncio.create_task(side.me.decide_grant(GRANT, allow=True))
        accepted = {"request": GRANT, "grant": GRANT}
        decide(exchange, await asked(exchange), "grant-decision-accepted", **accepted)
        assert (await deciding).reason is None
        assert side.me.grant_requests() == []
        assert len(side.desk.waiting(TAX)) == 1


async def test_a_command_that_its_contract_forbids_is_not_sent(
    exchange: Exchange, tmp_path: Path
) -> None:
    side = food(exchange, tmp_path)
    async with running(side):
        with pytest.raises(MalformedCommandError, match=r"bounds\.fields"):
            await side.me.request_grant(CODE, fields=[], purpose="p", legal_basis="l", until=LATER)
        wrong = resource().model_dump(mode="json") | {"items": []}
        with pytest.raises(MalformedCommandError, match=r"resource\.items"):
            await side.me.publish_resource(wrong)
        with pytest.raises(MalformedCommandError, match="reviewed"):
            await side.me.review_resources([])
        with pytest.raises(MalformedCommandError, match="reason"):
            await side.me.decide_grant(GRANT, allow=False)
        assert side.rows("outbox_row") == 0


async def test_a_resource_is_submitted_whole(exchange: Exchange, tmp_path: Path) -> None:
    side = tax(exchange, tmp_path)
    async with running(side), asyncio.timeout(30):
        submitting = asyncio.create_task(side.me.publish_resource(resource(serving_system=TAX)))
        command = await asked(exchange)
        assert command.envelope.data["resource"]["serving_system"] == TAX
        decide(exchange, command, "resource-submitted", resource=CODE, revision=1)
        assert (await submitting).type == "catalog.resource-submitted.v1"


async def test_the_agency_reviews_many_with_one_command(exchange: Exchange, tmp_path: Path) -> None:
    side = food(exchange, tmp_path)  # whoever it is, the catalog judges
    async with running(side), asyncio.timeout(30):
        said = [
            Reviewed(resource=CODE, revision=1, publish=True),
            Reviewed(resource=CODE, revision=2, publish=False, reason="条件不明确"),
        ]
        reviewing = asyncio.create_task(side.me.review_resources(said))
        command = await asked(exchange)
        assert [each["publish"] for each in command.envelope.data["reviewed"]] == [True, False]
        decide(exchange, command, "resource-refused", reason="not-the-agency")
        assert (await reviewing).reason == "not-the-agency"
