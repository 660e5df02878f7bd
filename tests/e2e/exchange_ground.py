"""The ground of the exchange's fault tests: four services, an issuer, and a neighbour to serve."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from tests.e2e.kill_installation import DEPARTMENTS, PURPOSE, Installation, installation
from tests.e2e.test_bad_input import directory_of
from tests.e2e.test_exchange import CALLER, PROVIDER, grant, look_up, publish

from sanyuan.client.calls import Answered
from sanyuan.client.calls.answering import Answer
from sanyuan.client.faces.catalog import Granted
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.common.contracts.catalog import GrantTerms, Item
from sanyuan.common.contracts.license_exchange import LicenseType
from sanyuan.common.directory import Directory
from sanyuan.sandbox.synthetic.licenses import BusinessLicense, business_licenses
from sanyuan.sandbox.synthetic.registers import Registers

SECOND: Final = "kiosk-2"
"""Another system of the caller's department."""
MORTAL: Final = "kiosk-3"
"""One more, that dies."""
NEIGHBOUR: Final = "clerk"
ODD: Final = "odd"
"""A provider's system whose records are written by hand."""
SYSTEMS: Final = {
    CALLER: DEPARTMENTS[1],
    SECOND: DEPARTMENTS[1],
    MORTAL: DEPARTMENTS[1],
    NEIGHBOUR: DEPARTMENTS[2],
    PROVIDER: DEPARTMENTS[0],
    ODD: DEPARTMENTS[0],
}
RUNNING: Final = ("identity", "license-exchange", "catalog", "audit")
MOMENT: Final = "momentary-check"
"""A purpose whose assertions live for a second."""
LAW: Final = "食品安全法"
TYPE: Final = f"{DEPARTMENTS[0]}001"
FIELDS: Final = ("representative", "scope")
UNGRANTED: Final = "capital"
LICENSED: Final = "306001/000002"
"""The licence type as a resource."""
WAIT: Final = 120.0
_EVERYDAY: Final = "306001/000001"
_TERMS: Final = {PURPOSE: {"lifetime": 600, "uses": 1}, MOMENT: {"lifetime": 1, "uses": 1}}


@dataclass(frozen=True)
class Ground:
    """What all tests share."""

    made: Installation
    everyday: GrantTerms
    """The neighbour's grant."""
    directory: Directory
    companies: Iterator[BusinessLicense]
    """Organisations that nobody has issued anything to."""

    @asynccontextmanager
    async def desk(
        self, *names: str, serves: Mapping[str, Answer] | None = None
    ) -> AsyncIterator[Desk]:
        """Provider and neighbour, and others by their names; ``serves`` is what it serves besides.

        Whatever a test does, the neighbour's call is answered afterwards, by the same provider.
        """
        async with asyncio.timeout(WAIT), AsyncExitStack() as stack:
            provider, neighbour, *others = [
                await stack.enter_async_context(connect(system_path(self.made.var, name)))
                for name in (PROVIDER, NEIGHBOUR, *names)
            ]
            desk = Desk(self, provider, neighbour, others)
            serving = asyncio.create_task(
                provider.serve_resources({_EVERYDAY: look_up} | dict(serves or {}))
            )
            try:
                yield desk
                await desk.neighbour_is_served()
            finally:
                serving.cancel()


@dataclass(frozen=True)
class Desk:
    """One test's connected systems."""

    ground: Ground
    provider: ConnectedSystem
    neighbour: ConnectedSystem
    others: list[ConnectedSystem]

    async def neighbour_is_served(self) -> None:
        result = await self.neighbour.call_resource(self.ground.everyday, {"code": "91"})
        assert isinstance(result, Answered), result

    async def publish(self, code: str, **changed: Any) -> None:  # noqa: ANN401  any field
        await publish(self.ground.made, self.provider, code, **changed)

    async def granted(self, caller: ConnectedSystem, code: str, **changed: Any) -> GrantTerms:  # noqa: ANN401  any field
        outcome = await grant(caller, code, **changed)
        assert isinstance(outcome, Granted), outcome
        return outcome.terms

    async def assertion(
        self,
        asker: ConnectedSystem,
        company: BusinessLicense,
        purpose: str = PURPOSE,
        audience: Any = "license-exchange",  # noqa: ANN401  a literal
    ) -> bytes:
        verified = await asker.verify_organisation(
            name=company.holder_name,
            code=company.holder_code,
            purpose=purpose,
            legal_basis=LAW,
            audience=audience,
        )
        token = verified.opened["assertion"]
        assert token is not None
        return token


@contextmanager
def exchange_ground(folder: Path) -> Iterator[Ground]:
    environment = {"SANYUAN_IDENTITY_TERMS": orjson.dumps(_TERMS).decode()}
    purposes = (PURPOSE, MOMENT)
    with installation(
        folder, SYSTEMS, running=RUNNING, purposes=purposes, environment=environment
    ) as made:
        everyday = asyncio.run(_prepare(made))
        companies = business_licenses(Registers(made.var / "registers"))
        yield Ground(made, everyday, directory_of(made), companies)


async def _prepare(made: Installation) -> GrantTerms:
    """The neighbour's everyday resource, and the provider as an issuer of licences."""
    async with (
        connect(system_path(made.var, PROVIDER)) as provider,
        connect(system_path(made.var, NEIGHBOUR)) as neighbour,
        asyncio.timeout(WAIT),
    ):
        registered = await provider.register_license_type(license_type())
        assert registered.reason is None, registered
        issuer = await provider.become_issuer()
        assert issuer.reason is None, issuer
        licensed: dict[str, Any] = {
            "license_type": TYPE,
            "serving_system": None,
            "format": "electronic-file",
            "parameters": [],
            "items": [_item(name) for name in (*FIELDS, UNGRANTED)],
        }
        await publish(made, provider, LICENSED, **licensed)
        await publish(made, provider, _EVERYDAY)
        outcome = await grant(neighbour, _EVERYDAY)
        assert isinstance(outcome, Granted), outcome
    return outcome.terms


def license_type(*more: str) -> LicenseType:
    """The type, with more fields in a later revision."""
    return LicenseType(
        code=TYPE,
        name="营业执照",
        holders=("organisation",),
        fields=tuple(
            Item.model_validate(_item(name) | {"required": name not in more})
            for name in (*FIELDS, UNGRANTED, *more)
        ),
        issuers=(DEPARTMENTS[0],),
    )


def content(company: BusinessLicense, serial: str, **fields: str) -> dict[str, Any]:
    """What a licence says of a company."""
    holder = {
        "kind": "organisation",
        "name": company.holder_name,
        "code": company.holder_code,
    }
    return {
        "serial": serial,
        "number": serial,
        "holder": holder,
        "valid_from": "2020-01-01",
        "jurisdiction": company.holder_code[2:8],
        "fields": {"representative": company.representative, "scope": "餐饮", UNGRANTED: "100"}
        | fields,
    }


def jti_of(token: bytes) -> str:
    """What names an assertion (RFC 7519 §4.1.7)."""
    payload = token.split(b".")[1]
    return str(orjson.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["jti"])


def _item(name: str) -> dict[str, Any]:
    return {"name": name, "title": name, "type": "C", "length": 200}
