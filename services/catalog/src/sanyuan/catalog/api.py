"""HTTP reads: search, one resource, the catalogue as DCAT-AP (design §7). Nothing here writes.

``GET /resources``, ``GET /resource?code=`` and ``GET /dcat``. Databases and files are read in
threads, over connections that can only read. Every error is JSON: ``what`` happened, ``where``, and
what to ``do``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import anyio
import anyio.to_thread
import orjson
from faststream.asgi.types import ASGIApp
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from sanyuan.catalog.dcat import Exporter, ExportError, Format, Frame, describe_alone, write
from sanyuan.catalog.search import Catalogue, CatalogueUnavailableError, Entry, Search
from sanyuan.common.contracts.catalog import Openness, SharingType
from sanyuan.common.contracts.message import CreditCode
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time

T = TypeVar("T")
Q = TypeVar("Q", bound="_Query")
_SEARCHES: Final = 4
_RETRY_SECONDS: Final = 2
_JSON: Final = "json"
_MEDIA: Final[Mapping[str, str]] = {
    _JSON: "application/json",
    **{form.value: form.media_type for form in Format},
}
_MOMENT: Final = {"Cache-Control": "no-cache", "Vary": "Accept"}


class RequestError(SanyuanError):
    """A request that cannot be answered as it is; ``status`` is HTTP's word for it."""

    def __init__(self, what: str, *, where: str, do: str, status: int = 400) -> None:
        super().__init__(what, where=where, do=do)
        self.status = status


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Wanted(_Query):
    """``/resources``."""

    q: Annotated[str, Field(max_length=200)] = ""
    provider: CreditCode | None = None
    sharing: SharingType | None = None
    openness: Openness | None = None
    classification: Annotated[str, Field(pattern=r"^[0-9]{1,14}(/[0-9]{0,6})?$")] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    size: Annotated[int, Field(ge=1, le=100)] = 20


class _One(_Query):
    """``/resource``."""

    code: Annotated[str, Field(max_length=32)]
    format: str | None = None


class _All(_Query):
    """``/dcat``."""

    format: str | None = None


class Reads:
    """What is read over HTTP; ``exports`` is a folder that the service may write to."""

    def __init__(self, database: Path, exports: Path, frame: Frame) -> None:
        self._catalogue = Catalogue(database)
        self._exporter = Exporter(self._catalogue, frame, exports)
        self._frame = frame
        self._reading = anyio.CapacityLimiter(_SEARCHES)
        self._exporting = anyio.CapacityLimiter(1)

    @property
    def routes(self) -> list[tuple[str, ASGIApp]]:
        """For `sanyuan.common.service.app.Plan`."""
        app = Starlette(
            routes=[
                Route("/resources", self.resources),
                Route("/resource", self.resource),
                Route("/dcat", self.dcat),
            ],
            exception_handlers={
                RequestError: _tell,
                CatalogueUnavailableError: _tell,
                ExportError: _tell,
                HTTPException: _tell_http,
            },
        )
        return [(path, app) for path in ("/resources", "/resource", "/dcat")]

    def close(self) -> None:
        """Give back what is open."""
        self._catalogue.close()

    async def resources(self, request: Request) -> Response:
        """A page of what is found."""
        wanted = _read_query(request, _Wanted)
        search = Search(text=wanted.q, **wanted.model_dump(exclude={"q"}))
        found = await self._read(lambda: self._catalogue.search(search))
        return _json(
            {
                "query": wanted.q,
                "matching": found.matching,
                "total": found.total,
                "page": wanted.page,
                "size": wanted.size,
                "pages": -(-found.total // wanted.size),
                "resources": [_summary(entry) for entry in found.entries],
            }
        )

    async def resource(self, request: Request) -> Response:
        """Everything about one resource, as JSON or RDF."""
        asked = _read_query(request, _One)
        form = _choose(request, asked.format, list(_MEDIA))
        entry = await self._read(lambda: self._catalogue.find(asked.code))
        if entry is None:
            raise RequestError(
                "no resource with this code is published",
                where=f"code={asked.code}",
                do="look for it with /resources?q=",
                status=404,
            )
        if form == _JSON:
            return _json(_detail(entry))
        described = write(describe_alone(entry, self._frame), Format(form))
        return Response(b"".join(described), media_type=_media(form), headers=_MOMENT)

    async def dcat(self, request: Request) -> Response:
        """The whole catalogue as RDF; who has it already is told so."""
        asked = _read_query(request, _All)
        form = Format(_choose(request, asked.format, [form.value for form in Format]))
        etag = await self._read(lambda: self._exporter.etag(form))
        if _has(request, etag):
            return Response(status_code=304, headers={**_MOMENT, "ETag": etag})
        made = await anyio.to_thread.run_sync(self._exporter.export, form, limiter=self._exporting)
        headers = {**_MOMENT, "ETag": made.etag}
        return FileResponse(made.path, media_type=_media(form), headers=headers)

    async def _read(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._reading)


def _read_query(request: Request, kind: type[Q]) -> Q:
    """The parameters, empty ones left out; raises RequestError."""
    given, known = request.query_params, ", ".join(kind.model_fields)
    twice = [name for name in given if len(given.getlist(name)) > 1]
    if twice:
        raise RequestError("a parameter is given twice", where=twice[0][:64], do="give it once")
    try:
        return kind.model_validate({name: text for name, text in given.items() if text})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise RequestError(
            first["msg"], where=str(first["loc"][0])[:64], do=f"parameters here: {known}"
        ) from None


def _choose(request: Request, named: str | None, offered: Sequence[str]) -> str:
    """The form to answer in: ``?format=``, else by ``Accept`` (RFC 9110, 12.5.1)."""
    if named is not None:
        if named not in offered:
            raise RequestError(
                "there is no such format here",
                where=f"format={named[:64]}",
                do=f"formats here: {', '.join(offered)}",
            )
        return named
    accepted = _accepted(request.headers.get("accept", "*/*"))
    qualities = {form: _quality(_MEDIA[form], accepted) for form in offered}
    best = max(offered, key=lambda form: qualities[form])
    if qualities[best] == 0:
        raise RequestError(
            "none of the media types that you accept can be given",
            where="Accept",
            do=f"accept one of: {', '.join(_MEDIA[form] for form in offered)}",
            status=406,
        )
    return best


def _accepted(header: str) -> dict[str, float]:
    accepted: dict[str, float] = {}
    for part in header.split(","):
        media, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word.removeprefix("q=") for word in parameters if word.startswith("q=")]
        try:
            accepted[media] = float(weights[0]) if weights else 1.0
        except ValueError:
            accepted[media] = 0.0
    return accepted


def _quality(media: str, accepted: Mapping[str, float]) -> float:
    for wanted in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if wanted in accepted:
            return accepted[wanted]
    return 0.0


def _has(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _media(form: str) -> str:
    """JSON-LD is UTF-8 by definition, Turtle too, but old clients want to be told."""
    return f"{_MEDIA[form]}; charset=utf-8" if form == Format.TURTLE else _MEDIA[form]


def _summary(entry: Entry) -> dict[str, Any]:
    resource = entry.resource
    return {
        "code": resource.code,
        "name": resource.name,
        "name_en": resource.name_en,
        "summary": resource.summary,
        "summary_en": resource.summary_en,
        "provider": entry.provider._asdict(),
        "classification": resource.classification,
        "format": resource.format,
        "sharing": resource.sharing.type,
        "openness": resource.openness,
        "update_cycle": resource.update_cycle,
        "revision": entry.revision,
        "modified": format_time(entry.modified),
    }


def _detail(entry: Entry) -> dict[str, Any]:
    return {
        "resource": entry.resource.model_dump(mode="json"),
        "provider": entry.provider._asdict(),
        "revision": entry.revision,
        "issued": format_time(entry.issued),
        "modified": format_time(entry.modified),
    }


def _json(content: object, status: int = 200, headers: Mapping[str, str] = _MOMENT) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type=_MEDIA[_JSON])


async def _tell(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestError):
        return _say(error.status, error.what, error.where, error.do)
    what, where, do = (getattr(error, part, None) for part in ("what", "where", "do"))
    return _say(503, what or str(error), where, do, {"Retry-After": str(_RETRY_SECONDS)})


async def _tell_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    do = "this address is read with GET" if status == 405 else "look at docs/catalog-reads.md"  # noqa: PLR2004  Method Not Allowed
    headers = error.headers if isinstance(error, HTTPException) else None
    return _say(status, str(getattr(error, "detail", error)), request.url.path, do, headers)


def _say(
    status: int,
    what: str,
    where: str | None,
    do: str | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return _json({"what": what, "where": where, "do": do}, status, {**_MOMENT, **(headers or {})})
