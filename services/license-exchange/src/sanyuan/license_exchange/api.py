"""HTTP reads for verifiers: status lists, issuers' keys, licence types. Nothing here writes.

``GET /status-lists/<n>`` (Token Status List §8), ``GET /.well-known/jwt-vc-issuer/issuers/<code>``
and ``GET /license-types/<code>`` (SD-JWT VC). A status list is signed when it is asked for, under
the issuer's key in force, and kept until a status in it changes or its time to live has passed.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio.to_thread
from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sanyuan.common.contracts.license_exchange import METADATA, LicenseType
from sanyuan.common.sdjwt.keys import WELL_KNOWN, SigningJwk, metadata
from sanyuan.common.sdjwt.statuslist import MEDIA_TYPE, Status, pack, sign_list
from sanyuan.license_exchange.domain.rules import Rules, StatusTimes
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.store.tables import KEYS, LISTS, TYPES, VERSIONS
from sanyuan.license_exchange.vault import Vault

T = TypeVar("T")
PREFIXES: Final = ("/status-lists/", f"{WELL_KNOWN}/", "/license-types/")
_OF_LIST: Final = select(LISTS.c.issuer, LISTS.c.used, LISTS.c.renewal).where(
    LISTS.c.number == bindparam("of")
)
_CHANGED: Final = select(VERSIONS.c.slot, VERSIONS.c.status).where(
    VERSIONS.c.list == bindparam("of"), VERSIONS.c.status != 0
)
_SIGNING: Final = select(KEYS.c.wrapped).where(
    KEYS.c.department == bindparam("of"), KEYS.c.phase == "current"
)
_PUBLIC: Final = select(KEYS.c.x).where(
    KEYS.c.department == bindparam("of"), KEYS.c.phase != "pending"
)
_OF_TYPE: Final = select(TYPES.c.type).where(TYPES.c.code == bindparam("of"))
_PLACES_A_BYTE: Final = 4


class _Copy(NamedTuple):
    """A list as it was signed."""

    renewal: int
    made_at: float
    token: str


class Reads:
    """What verifiers ask for; over connections of its own, which can only read."""

    def __init__(
        self,
        database: Engine,
        vault: Vault,
        addresses: Addresses,
        rules: Rules,
        times: StatusTimes,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._engine = database
        self._vault = vault
        self._addresses = addresses
        self._rules = rules
        self._times = times
        self._now = now
        self._copies: dict[int, _Copy] = {}

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def app(self) -> Starlette:
        """The routes; readable by browsers, compressed for those who ask (§8.1, §8.2)."""
        return Starlette(
            routes=[
                Route("/status-lists/{number:int}", self.status_list),
                Route(WELL_KNOWN + "/{path:path}", self.issuer),
                Route("/license-types/{code}", self.license_type),
            ],
            middleware=[
                Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"]),
                Middleware(GZipMiddleware, minimum_size=1000),
            ],
        )

    async def status_list(self, request: Request) -> Response:
        """A status list token; no history of it (§8.4: 501)."""
        if "time" in request.query_params:
            return _problem(501, "past states of a status list are not kept")
        number = request.path_params["number"]
        token = await self._read(lambda connection: self._token(connection, number))
        if isinstance(token, Response):
            return token
        if token is None:
            return _problem(404, "there is no such status list")
        headers = {"Cache-Control": f"max-age={self._times.ttl}"}
        return Response(token, media_type=MEDIA_TYPE, headers=headers)

    async def issuer(self, request: Request) -> Response:
        """An issuer's keys; those of its retired ones too, under which licences are out."""
        issuer = f"{_origin(self._addresses.base)}/{request.path_params['path']}"
        department = issuer.rpartition("/")[2]
        if issuer != self._addresses.issuer(department):
            return _problem(404, "there is no such issuer")
        public = await self._read(
            lambda c: [row.x for row in c.execute(_PUBLIC, {"of": department})]
        )
        if isinstance(public, Response):
            return public
        return JSONResponse(metadata(issuer, public)) if public else _problem(404, "no such issuer")

    async def license_type(self, request: Request) -> Response:
        """What a type is called and what its licences say (SD-JWT VC, type metadata)."""
        code = request.path_params["code"]
        text = await self._read(lambda c: c.scalar(_OF_TYPE, {"of": code}))
        if isinstance(text, Response):
            return text
        if text is None:
            return _problem(404, "there is no such licence type")
        kind = LicenseType.model_validate_json(text)
        return JSONResponse(type_metadata(kind, self._addresses))

    async def _read(self, work: Callable[[Connection], T]) -> T | Response:
        """Run a read in a thread; 503 while there is no database yet."""

        def run() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        try:
            return await anyio.to_thread.run_sync(run)
        except DBAPIError:
            return _problem(503, "the service has not started yet: ask again in a moment")

    def _token(self, connection: Connection, number: int) -> str | None:
        row = connection.execute(_OF_LIST, {"of": number}).first()
        if row is None:
            return None
        now, copy = self._now(), self._copies.get(number)
        if copy is None or copy.renewal != row.renewal or now >= copy.made_at + self._times.ttl:
            statuses = [
                (each.slot, Status(each.status))
                for each in connection.execute(_CHANGED, {"of": number})
            ]
            wrapped = connection.scalar(_SIGNING, {"of": row.issuer}) or b""
            token = sign_list(
                pack(statuses, self._size(row.used)),
                uri=self._addresses.status_list(number),
                issuer=self._addresses.issuer(row.issuer),
                at=int(now),
                lifetime=self._times.lifetime,
                ttl=self._times.ttl,
                key=SigningJwk(self._vault.unwrap(wrapped)),
            )
            copy = self._copies[number] = _Copy(row.renewal, now, token)
        return copy.token

    def _size(self, used: int) -> int:
        """As large as lists are made, or were made when this one was."""
        whole = -(-used // _PLACES_A_BYTE) * _PLACES_A_BYTE
        return max(self._rules.list_size, whole)


def type_metadata(kind: LicenseType, addresses: Addresses) -> Mapping[str, Any]:
    """The document behind a ``vct``: every claim is disclosed one by one."""
    fields = [
        {
            "path": [item.name],
            "display": [{"locale": "zh-CN", "label": item.title}],
            "mandatory": item.required,
            "sd": "always",
        }
        for item in kind.fields
    ]
    shared = [{"path": [name], "sd": "always"} for name in METADATA]
    display = [{"locale": "zh-CN", "name": kind.name}]
    if kind.name_en:
        display.append({"locale": "en", "name": kind.name_en})
    return {
        "vct": addresses.vct(kind.code),
        "name": kind.name_en or kind.name,
        "display": display,
        "claims": [*fields, *shared],
    }


def _problem(status: int, what: str) -> Response:
    return JSONResponse({"what": what}, status_code=status)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
