"""Nothing is missing unseen, on the real broker: what is lost is named, and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tests.audit.test_service import FOOD, Domain, _emptied, department, domain, send

from sanyuan.client.verify.findings import Grade
from sanyuan.common import producing
from sanyuan.common.partition import partition_of

if TYPE_CHECKING:
    from sanyuan.client.connector import Connector
    from sanyuan.client.verify import Report

__all__ = ["domain"]
pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]
STREAM = (FOOD, "identity-commands")
PARTITION = partition_of(FOOD.encode(), 12)


def lose(domain: Domain, before: int) -> None:
    """Remove what the broker has acknowledged, up to an offset, before anybody has read it."""
    admin = AdminClient(domain.kafka.admin.librdkafka())
    end = TopicPartition("identity-commands", PARTITION, before)
    for done in admin.delete_records([end]).values():
        done.result(10)


async def reported(domain: Domain, exit_code: int, seconds: float = 60) -> Report:
    """Wait until `sanyuan verify` says so."""
    async with asyncio.timeout(seconds):
        while True:
            if (report := domain.verify()).exit_code == exit_code:
                return report
            await asyncio.sleep(0.2)


async def passed_by(connector: Connector, offset: int, seconds: float = 30) -> None:
    """Wait until the producer has read a seal whose positions lie beyond an offset."""
    logged = connector._producer._passed._logged
    async with asyncio.timeout(seconds):
        while True:
            if logged.get(("identity-commands", PARTITION), 0) > offset:
                return
            await asyncio.sleep(0.05)


async def test_a_record_that_is_lost_on_the_way_is_named_sent_again_and_seen_as_closed(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setattr(producing, "WATCH_SECONDS", 0.2)
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 3)
        await domain.logged(FOOD, 3)
        await _emptied(connector)
        domain.stop()
        await send(domain, connector, 3)
        await connector.drained()
        lose(domain, 5)  # the fourth and the fifth; the sixth arrives
        domain.start(SANYUAN_AUDIT_GAP_SECONDS="0.3")
        report = await reported(domain, 10)
        [gap] = report.having(Grade.INCOMPLETE)
        assert (gap.source, gap.topic, gap.sequence) == (FOOD, "cn/identity-commands", 4)
        await passed_by(connector, 5)
    # The next process knows of it, although no seal will name the partition again.
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", 0.0)
    async with department(domain) as connector:
        await domain.logged(FOOD, 6)
        await _emptied(connector)
        await send(domain, connector, 1)
        await domain.logged(FOOD, 7)
    report = await reported(domain, 0)
    assert report.findings == ()
