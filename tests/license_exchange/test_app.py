from pathlib import Path

import httpx
import pytest

from sanyuan.common.contracts.license_exchange import LicenseExchangeTick
from sanyuan.common.secretsfile import KeysError
from sanyuan.common.systems import SystemFile
from sanyuan.license_exchange.app import make_app, make_domain
from sanyuan.license_exchange.handlers import LicenseExchangeHandler
from sanyuan.license_exchange.keys import make_keys
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.settings import Settings


@pytest.mark.asyncio
async def test_the_service_answers_before_it_is_connected(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(make_app(Settings(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.text) == (503, "starting\n")
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/status-lists/1")).status_code == 503
        assert (await client.get("/nothing")).status_code == 404


def test_the_secrets_are_made_with_the_installation_and_never_after(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    make_app(settings)
    secrets = settings.secrets_file.read_bytes()
    make_app(settings)
    assert settings.secrets_file.read_bytes() == secrets
    settings.database_file.touch()
    settings.secrets_file.unlink()
    with pytest.raises(KeysError, match="are lost"):
        make_app(settings)


def test_the_domain_follows_identity_and_the_catalog_and_has_a_clock(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    system = SystemFile.create("//cn/services/license-exchange")
    keys = make_keys(settings.secrets_file)
    domain = make_domain(settings, keys, Addresses(settings.public_url), system)
    assert domain.commands == ("license-exchange-commands",)
    assert domain.events == "license-exchange-events"
    assert domain.follows == ("identity-events", "catalog-events")
    assert domain.tick is LicenseExchangeTick
    assert isinstance(domain.handler, LicenseExchangeHandler)
    assert domain.handler.sealing.key_id == system.sealing.key_id
