"""Checking a licence as any verifier does, with keys from public facts and a fetched status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.common.conftest import FOOD, World
from tests.common.sdjwt.conftest import AT, CLAIMS, ISSUER, KEY, KEYS, LIST, OTHER, present, sign

from sanyuan.client.licenses import LicenseChecker, StatusUnavailableError, fold_issuers
from sanyuan.common.license_identifiers import LicenseIdentifier
from sanyuan.common.sdjwt.errors import ClaimError, SdJwtError, StatusError, UntrustedTokenError
from sanyuan.common.sdjwt.keys import key_set
from sanyuan.common.sdjwt.statuslist import Status, pack, sign_list

DEPARTMENT = ISSUER.rpartition("/")[2]
TRUSTED = {DEPARTMENT: KEYS[ISSUER]}
SERVICE = "//cn/services/license-exchange"
TOPIC = "license-exchange-events"


@pytest.fixture
def exchange_world(world: World) -> World:
    world.admit(SERVICE)
    return world


def delegated(world: World, department: str, x: str, source: str = SERVICE) -> Any:  # noqa: ANN401
    data = {"department": department, "key": {"kid": key_set(x).copy().popitem()[0], "x": x}}  # type: ignore[attr-defined]
    return world.send(source, TOPIC, "license-exchange.issuer-delegated.v1", data)


def test_issuers_are_those_whose_keys_were_delegated(exchange_world: World) -> None:
    world = exchange_world
    raws = [
        delegated(world, DEPARTMENT, KEY.x),
        delegated(world, DEPARTMENT, OTHER.x),
        delegated(world, "11220000013544541J", OTHER.x, source=FOOD),
    ]
    keys = fold_issuers(raws, world.directory)
    assert keys.keys() == {DEPARTMENT}
    assert keys[DEPARTMENT].keys() == {KEY.kid, OTHER.kid}
    assert fold_issuers(raws[:1], world.directory)[DEPARTMENT].keys() == {KEY.kid}


def serve(
    status: Status = Status.VALID, code: int = 200
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == LIST
        assert request.headers["accept"] == "application/statuslist+jwt"
        raw = pack([(3, status)], 16)
        token = sign_list(raw, uri=LIST, issuer=ISSUER, at=AT, lifetime=60, ttl=60, key=KEY)
        return httpx.Response(code, text=token)

    return answer


def checker(answer: Callable[[httpx.Request], httpx.Response]) -> LicenseChecker:
    transport = httpx.MockTransport(answer)
    return LicenseChecker(TRUSTED, httpx.AsyncClient(transport=transport))


@pytest.mark.asyncio
@pytest.mark.parametrize("status", Status)
async def test_a_licence_is_checked_with_its_status(status: Status) -> None:
    checked = await checker(serve(status)).check(present({}), at=AT)
    assert checked.status is status
    assert checked.credential.issuer == ISSUER


@pytest.mark.asyncio
async def test_without_its_list_nothing_is_said_about_a_status() -> None:
    with pytest.raises(StatusUnavailableError) as raised:
        await checker(serve(code=503)).check(present({}), at=AT)
    assert raised.value.where == LIST

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    with pytest.raises(StatusUnavailableError):
        await checker(refuse).check(present({}), at=AT)


@pytest.mark.asyncio
async def test_a_department_is_known_by_its_keys_wherever_it_is_found() -> None:
    moved = {"iss": ISSUER.replace("exchange.example", "moved.example")}
    with pytest.raises(StatusError):
        await checker(serve()).check(present(moved), at=AT)
    unknown = {"iss": ISSUER.replace(DEPARTMENT, "11220000013544541J")}
    with pytest.raises(UntrustedTokenError):
        await checker(serve()).check(present(unknown), at=AT)


@pytest.mark.asyncio
async def test_an_identifier_is_of_the_issuer_and_the_type() -> None:
    right = LicenseIdentifier("11100000000013338W032", DEPARTMENT, "7", 1)
    checked = await checker(serve()).check(present({"license_identifier": str(right)}), at=AT)
    assert checked.status is Status.VALID
    others = [
        LicenseIdentifier("11100000000013338W033", DEPARTMENT, "7", 1),
        LicenseIdentifier("11100000000013338W032", "11220000013544541J", "7", 1),
        str(right)[:-1] + ("A" if str(right)[-1] != "A" else "B"),
        7,
    ]
    for wrong in others:
        claim = wrong if isinstance(wrong, int) else str(wrong)
        with pytest.raises(ClaimError):
            await checker(serve()).check(present({"license_identifier": claim}), at=AT)


@pytest.mark.asyncio
async def test_a_credential_does_not_send_its_verifier_anywhere() -> None:
    elsewhere = {"status": {"status_list": {"idx": 3, "uri": "https://elsewhere.example/1"}}}
    with pytest.raises(StatusError):
        await checker(serve()).check(present(elsewhere), at=AT)


@pytest.mark.asyncio
async def test_what_is_not_signed_by_the_issuer_is_not_even_looked_up() -> None:
    def never(_request: httpx.Request) -> httpx.Response:
        raise AssertionError

    with pytest.raises(UntrustedTokenError):
        await checker(never).check(sign(CLAIMS, OTHER) + "~", at=AT)
    with pytest.raises(SdJwtError):
        await checker(never).check("nothing", at=AT)


@pytest.mark.asyncio
async def test_a_checker_opens_a_client_of_its_own() -> None:
    async with LicenseChecker.open(TRUSTED) as opened:
        with pytest.raises(SdJwtError):
            await opened.check("nothing")
