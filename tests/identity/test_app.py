from pathlib import Path

import httpx
import pytest

from sanyuan.common.secretsfile import KeysError
from sanyuan.common.systems import SystemFile
from sanyuan.identity.app import make_app, make_domain
from sanyuan.identity.handlers import IdentityHandler
from sanyuan.identity.keys import make_keys
from sanyuan.identity.registers import RegisterUnavailableError
from sanyuan.identity.settings import Settings


@pytest.mark.asyncio
async def test_the_service_answers_before_it_is_connected(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(make_app(Settings(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.text) == (503, "starting\n")
        assert (await client.get("/metrics")).status_code == 200


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


def test_assertions_are_signed_with_the_record_key(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    for register in (settings.population_register, settings.legal_entity_register):
        register.parent.mkdir(exist_ok=True)
        register.touch()
    system = SystemFile.create("//cn/services/identity")
    domain = make_domain(settings, make_keys(settings.secrets_file), system)
    assert (domain.commands, domain.events) == (("identity-commands",), "identity-events")
    assert isinstance(domain.handler, IdentityHandler)
    assert domain.handler.issuer.source == "//cn/services/identity"
    assert domain.handler.issuer.key == system.signing


def test_a_service_without_registers_does_not_start(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    system = SystemFile.create("//cn/services/identity")
    with pytest.raises(RegisterUnavailableError):
        make_domain(settings, make_keys(settings.secrets_file), system)
