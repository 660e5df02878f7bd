"""What verifiers read: a revocation is seen by the next one, offline and by public means."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import create_engine, event
from sqlmodel import SQLModel
from tests.license_exchange.conftest import (
    BASE,
    DEFINER,
    KEYS,
    NOW,
    TYPE,
    Exchange,
    content,
    of_company,
    sealed,
    world,
)

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.database import reader, table_of
from sanyuan.common.database.sqlite import prepare
from sanyuan.common.sdjwt.credential import verify_credential
from sanyuan.common.sdjwt.keys import read_metadata
from sanyuan.common.sdjwt.statuslist import Status, check_status
from sanyuan.license_exchange import store
from sanyuan.license_exchange.api import Reads
from sanyuan.license_exchange.domain.rules import Rules, StatusTimes
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.vault import Vault

AT = NOW.timestamp()
RULES = Rules(list_size=64)


@dataclass
class Clock:
    now: float = AT

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    exchange: Exchange
    client: httpx.AsyncClient
    clock: Clock

    async def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        self.exchange.connection.commit()
        return await self.client.get(path, **options)

    async def status(self, sd_jwt: str) -> Status:
        """As a verifier finds it out who knows nothing but the presentation."""
        issuer = f"{BASE}/issuers/{DEFINER}"
        found = await self.get(f"/.well-known/jwt-vc-issuer/issuers/{DEFINER}")
        keys = {issuer: read_metadata(found.content, issuer)}
        credential = verify_credential(sd_jwt, keys, at=self.clock.now)
        assert credential.status is not None
        listed = await self.get(credential.status.uri.removeprefix(BASE))
        return check_status(credential, listed.text, keys, at=self.clock.now)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    made = create_engine(f"sqlite:///{tmp_path / 'exchange.db'}")
    event.listen(made, "connect", prepare)
    SQLModel.metadata.create_all(made, tables=[table_of(model) for model in store.MODELS])
    yield made
    made.dispose()


@pytest_asyncio.fixture
async def site(engine: Any, tmp_path: Path) -> AsyncIterator[Site]:  # noqa: ANN401
    clock = Clock()
    reads = Reads(
        reader(f"sqlite:///{tmp_path / 'exchange.db'}"),
        Vault(KEYS.master),
        Addresses(BASE),
        RULES,
        StatusTimes(lifetime=600, ttl=60),
        now=clock,
    )
    with engine.connect() as connection:
        exchange = Exchange(connection, world(), RULES)
        exchange.set_up()
        transport = httpx.ASGITransport(reads.app())
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Site(exchange, client, clock)
    reads.close()


@pytest.mark.asyncio
async def test_a_revocation_is_seen_by_the_next_verifier(site: Site) -> None:
    exchange = site.exchange
    name, other = exchange.issued(), exchange.issued(serial="2")
    shown = {
        each["license"]: each["sd_jwt"] for each in sealed(exchange.share(of_company()))["licenses"]
    }
    assert await site.status(shown[name]) is Status.VALID
    exchange.change(messages.SuspendLicense, name)
    assert await site.status(shown[name]) is Status.SUSPENDED
    exchange.change(messages.ResumeLicense, name)
    assert await site.status(shown[name]) is Status.VALID
    exchange.change(messages.RevokeLicense, name)
    assert await site.status(shown[name]) is Status.INVALID
    assert await site.status(shown[other]) is Status.VALID


@pytest.mark.asyncio
async def test_an_old_version_is_invalid_and_the_new_one_has_a_place_of_its_own(site: Site) -> None:
    exchange = site.exchange
    name = exchange.issued()
    [old] = sealed(exchange.share(of_company()))["licenses"]
    exchange.amend(name, content(fields={"premises": "新址"}))
    [new] = sealed(exchange.share(of_company()))["licenses"]
    assert await site.status(old["sd_jwt"]) is Status.INVALID
    assert await site.status(new["sd_jwt"]) is Status.VALID


@pytest.mark.asyncio
async def test_a_status_list_is_what_the_draft_says(site: Site) -> None:
    """Token Status List §8.1 and §8.2."""
    site.exchange.issued()
    found = await site.get("/status-lists/1", headers={"Origin": "https://verifier.example"})
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/statuslist+jwt"
    assert found.headers["access-control-allow-origin"] == "*"
    assert found.headers["cache-control"] == "max-age=60"
    header, payload, _ = found.text.split(".")
    assert json.loads(_decoded(header))["typ"] == "statuslist+jwt"
    claims = json.loads(_decoded(payload))
    assert claims["sub"] == f"{BASE}/status-lists/1"
    assert (claims["exp"] - claims["iat"], claims["ttl"]) == (600, 60)
    assert claims["status_list"]["bits"] == 2


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.asyncio
async def test_a_copy_is_signed_again_when_it_is_old_or_a_status_has_changed(site: Site) -> None:
    name = site.exchange.issued()
    first = (await site.get("/status-lists/1")).text
    site.clock.now += 59
    assert (await site.get("/status-lists/1")).text == first
    site.clock.now += 1
    second = (await site.get("/status-lists/1")).text
    assert second != first
    site.exchange.change(messages.SuspendLicense, name)
    assert (await site.get("/status-lists/1")).text != second


@pytest.mark.asyncio
async def test_a_full_list_is_followed_by_another(site: Site) -> None:
    for number in range(65):
        site.exchange.issued(serial=f"N{number}")
    assert (await site.get("/status-lists/2")).status_code == 200
    assert (await site.get("/status-lists/3")).status_code == 404


@pytest.mark.asyncio
async def test_past_states_are_not_kept(site: Site) -> None:
    """§8.4."""
    site.exchange.issued()
    assert (await site.get("/status-lists/1", params={"time": "1"})).status_code == 501


@pytest.mark.asyncio
async def test_an_issuers_keys_are_those_that_ever_signed(site: Site) -> None:
    path = f"/.well-known/jwt-vc-issuer/issuers/{DEFINER}"
    issuer = f"{BASE}/issuers/{DEFINER}"
    assert len(read_metadata((await site.get(path)).content, issuer)) == 1
    site.exchange.ask("//cn/departments/11220000013544541J/city-market", messages.OpenIssuer())
    assert len(read_metadata((await site.get(path)).content, issuer)) == 1
    site.exchange.delegate()
    found = await site.get(path)
    assert len(read_metadata(found.content, issuer)) == 2
    assert '"d"' not in found.text


@pytest.mark.asyncio
async def test_a_type_says_what_its_licences_say(site: Site) -> None:
    found = (await site.get(f"/license-types/{TYPE}")).json()
    assert found["vct"] == f"{BASE}/license-types/{TYPE}"
    assert found["display"][0] == {"locale": "zh-CN", "name": "食品经营许可证"}
    claims = {each["path"][0]: each for each in found["claims"]}
    assert claims["premises"]["mandatory"]
    assert all(each["sd"] == "always" for each in claims.values())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "/status-lists/99",
        "/status-lists/one",
        "/license-types/nothing",
        "/.well-known/jwt-vc-issuer/issuers/11100000000013338W",
        f"/.well-known/jwt-vc-issuer/{DEFINER}",
        "/.well-known/jwt-vc-issuer/",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert (await site.get(path)).status_code == 404


@pytest.mark.asyncio
async def test_behind_a_proxy_the_well_known_path_follows_the_public_url(
    engine: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    base = "https://gov.example/exchange"
    database = reader(f"sqlite:///{tmp_path / 'exchange.db'}")
    reads = Reads(database, Vault(KEYS.master), Addresses(base), RULES, StatusTimes())
    with engine.begin() as connection:
        Exchange(connection, world()).set_up()
    transport = httpx.ASGITransport(reads.app())
    async with httpx.AsyncClient(transport=transport, base_url="https://gov.example") as client:
        path = f"/.well-known/jwt-vc-issuer/exchange/issuers/{DEFINER}"
        found = await client.get(path)
        assert read_metadata(found.content, f"{base}/issuers/{DEFINER}")
    reads.close()
