"""HTTP reads: the log by tlog-tiles, heads of streams, health (design §8). Nothing here writes.

Checkpoints, hash tiles and heads are public. Entries (bundles, `/follow`) need a token of one
minute (`sanyuan.common.access`); what its reader may not see is blank, or left out of the stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from sanyuan.audit.folder import CHECKPOINT, COSIGNED, LogFolder
from sanyuan.audit.reading import MayRead, may_read, show_bundle
from sanyuan.audit.service import Standing
from sanyuan.audit.settings import Settings
from sanyuan.audit.streaming import events
from sanyuan.common.access import PARTIAL, AccessError, read_token
from sanyuan.common.errors import SanyuanError
from sanyuan.common.tlog.checkpoint import parse_size
from sanyuan.common.tlog.tiles import ENTRIES, Tile, TileError

TEXT: Final = "text/plain; charset=utf-8"
BINARY: Final = "application/octet-stream"
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
MOMENT: Final = {"Cache-Control": "no-cache"}
ENTRUSTED: Final = {"Cache-Control": "private, no-store", "Vary": "Authorization"}
"""Of entries: no cache may show them to anybody else, or go on showing what is withheld."""
STREAM: Final = {**ENTRUSTED, "X-Accel-Buffering": "no"}
EVENTS: Final = "text/event-stream"
MAX_FOLLOWERS: Final = 32
OK: Final = 200

SERVICE: Final = "audit"
_BEARER: Final = "bearer "

log = structlog.get_logger()


class _NotAllowedError(Exception):
    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def routes(settings: Settings, standing: Standing) -> list[BaseRoute]:
    """Return the routes; the log lies under `/log/` and under `/log/<year>/`."""
    reads = _Reads(LogFolder(settings.log_folder), standing)
    return [
        Route("/health", reads.health),
        Route("/ready", reads.ready),
        Route("/status", reads.status),
        Route("/streams", reads.streams),
        Route("/follow", reads.follow),
        Route("/log/{year:int}/{path:path}", reads.log),
        Route("/log/{path:path}", reads.log),
        Route("/metrics", reads.metrics),
    ]


class _Reads:
    def __init__(self, folder: LogFolder, standing: Standing) -> None:
        self._folder = folder
        self._standing = standing
        self._followers = 0

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(self, _request: Request) -> Response:
        trouble = self._standing.trouble()
        return PlainTextResponse(f"{trouble or 'ready'}\n", 503 if trouble else 200)

    async def status(self, _request: Request) -> Response:
        self._standing.measures.refresh()
        return JSONResponse(self._standing.measures.status(), headers=MOMENT)

    async def metrics(self, _request: Request) -> Response:
        self._standing.measures.refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def streams(self, request: Request) -> Response:
        """`?source=`: topic, last place and head of each of its streams in the log."""
        source = request.query_params.get("source")
        if not source:
            return JSONResponse({"error": "name a source: /streams?source=//…"}, 400)
        if self._standing.waiting:
            return JSONResponse({"error": self._standing.waiting}, 503)
        found = self._standing.streams.get(source, {})
        rows = [
            {"topic": topic, "last": last, "head": head}
            for topic, (last, head) in sorted(found.items())
        ]
        return JSONResponse({"source": source, "streams": rows}, headers=MOMENT)

    async def follow(self, request: Request) -> Response:
        """`?from=` or `Last-Event-ID`: the audit stream from there on, see `streaming`."""
        try:
            check = self._reader(request)
        except _NotAllowedError as refusal:
            return refusal.answer
        head = self._standing.announced.head
        if head is None:
            return PlainTextResponse("there is no checkpoint yet\n", 503)
        seen = request.headers.get("last-event-id")
        start = parse_size(request.query_params.get("from", "0") if seen is None else seen)
        if start is None:
            return PlainTextResponse("an index is a decimal without leading zeroes\n", 400)
        start += seen is not None
        if start > head.size:
            return PlainTextResponse(f"the log has {head.size} entries\n", 409)
        if self._followers >= MAX_FOLLOWERS:
            return PlainTextResponse("too many follow already\n", 503, {"Retry-After": "10"})
        return StreamingResponse(self._events(start, check), media_type=EVENTS, headers=STREAM)

    async def _events(self, start: int, check: MayRead | None) -> AsyncIterator[bytes]:
        self._followers += 1
        try:
            async for each in events(self._folder, self._standing.announced, start, check):
                yield each
        except SanyuanError as error:
            log.error("a follower is cut off", error=str(error))  # noqa: TRY400 -- it says where
        finally:
            self._followers -= 1

    async def log(self, request: Request) -> Response:
        """The checkpoint, the cosigned one, a hash tile or an entry bundle, by its one spelling."""
        year = request.path_params.get("year")
        head = self._standing.measures.head
        folder = self._folder.path
        if year is not None and (head is None or not head.origin.endswith(f"/{year}")):
            folder /= str(year)
            if not (folder / CHECKPOINT).exists():
                return PlainTextResponse("there is no log of that year\n", 404)
        path = request.path_params["path"]
        if path in (CHECKPOINT, COSIGNED):
            return await self._file(folder / path, TEXT, MOMENT)
        try:
            tile = Tile.parse(path)
        except TileError:
            return PlainTextResponse("no such tile\n", 404)
        if tile.level == ENTRIES:
            return await self._bundle(request, folder / path)
        return await self._file(folder / path, BINARY, FOREVER)

    async def _bundle(self, request: Request, path: Path) -> Response:
        """An entry bundle, as far as its reader may see it."""
        try:
            check = self._reader(request)
        except _NotAllowedError as refusal:
            return refusal.answer
        found = await self._file(path, BINARY, ENTRUSTED)
        if check is None or found.status_code != OK:
            return found
        shown = await asyncio.to_thread(show_bundle, bytes(found.body), check)
        return Response(shown, media_type=BINARY, headers={**ENTRUSTED, PARTIAL: "own"})

    async def _file(self, path: Path, kind: str, headers: dict[str, str]) -> Response:
        try:
            raw = await anyio.Path(path).read_bytes()
        except FileNotFoundError:
            return PlainTextResponse("not there\n", 404)
        return Response(raw, media_type=kind, headers=headers)

    def _reader(self, request: Request) -> MayRead | None:
        """What the request's reader may see, None: everything; raises _NotAllowedError."""
        participants = self._standing.participants
        if participants is None:
            raise _NotAllowedError(PlainTextResponse(f"{self._standing.waiting}\n", 503))
        said = request.headers.get("authorization", "")
        if said[: len(_BEARER)].lower() != _BEARER:
            raise _unauthorized("Bearer", "entries need a token: see docs/audit.md")
        try:
            directory = participants.directory
            reader = read_token(said[len(_BEARER) :].strip(), directory, SERVICE, time.time())
        except AccessError as error:
            raise _unauthorized('Bearer error="invalid_token"', error.what) from None
        return may_read(reader, directory)


def _unauthorized(challenge: str, what: str) -> _NotAllowedError:
    """RFC 6750 §3: what kind of token is wanted, and what is wrong with the one that came."""
    headers = {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
    return _NotAllowedError(PlainTextResponse(f"{what}\n", 401, headers))
