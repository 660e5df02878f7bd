from pathlib import Path

import httpx
import pytest

from sanyuan.catalog.app import make_app, make_domain
from sanyuan.catalog.handlers import CatalogHandler
from sanyuan.catalog.settings import Settings
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import writable


@pytest.mark.asyncio
async def test_the_service_answers_before_it_is_connected(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(make_app(Settings(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.text) == (503, "starting\n")
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/resources")).status_code == 503


def test_calls_and_commands_are_decided_by_one_writer(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    domain = make_domain(settings, SystemFile.create("//cn/services/catalog"))
    assert domain.commands == ("catalog-commands", "calls")
    assert domain.events == "catalog-events"
    assert domain.follows == ("identity-events",)
    assert domain.handler == CatalogHandler(settings.rules, "cn")


def test_a_tick_goes_where_the_catalog_may_write(tmp_path: Path) -> None:
    domain = make_domain(Settings(tmp_path), SystemFile.create("//cn/services/catalog"))
    assert domain.tick is not None
    assert domain.commands[0] in domain.tick.TOPICS
    assert domain.commands[0] in set(writable("service", "catalog"))
