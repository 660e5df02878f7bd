"""The witness over HTTP, by C2SP tlog-witness: submission and monitoring below one prefix.

`GET /<origin hash>/misbehaviour` is ours: evidence against the log, if it ever showed us two trees.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, assert_never

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sanyuan.client.witness.deciding import (
    Conflict,
    Consistent,
    Inconsistent,
    Logs,
    Malformed,
    NotSigned,
    UnknownLog,
)
from sanyuan.client.witness.store import Answered, answer, load_evidence, load_note
from sanyuan.common.database import Database
from sanyuan.common.tlog.cosignature import Cosigner
from sanyuan.common.tlog.witnessing import MAX_REQUEST_BYTES, SIZE_TYPE

TEXT: Final = "text/plain; charset=utf-8"
MOMENT: Final = {"Cache-Control": "no-cache"}

log = structlog.get_logger()


def make_app(
    database: Database, cosigner: Cosigner, logs: Logs, clock: Callable[[], float] = time.time
) -> Starlette:
    """Return the application; the database stays the caller's to close."""
    witness = _Witness(database, cosigner, logs, clock)
    return Starlette(
        routes=[
            Route("/add-checkpoint", witness.add_checkpoint, methods=["POST"]),
            Route("/{hashed}/checkpoint", witness.checkpoint),
            Route("/{hashed}/misbehaviour", witness.misbehaviour),
            Route("/health", witness.health),
        ]
    )


class _Witness:
    def __init__(
        self, database: Database, cosigner: Cosigner, logs: Logs, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._cosigner = cosigner
        self._logs = logs
        self._clock = clock

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def add_checkpoint(self, request: Request) -> Response:
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_REQUEST_BYTES:
                return PlainTextResponse("the request is longer than any valid one\n", 400)
        at = int(self._clock())
        answered = await self._database.transaction(
            lambda each: answer(each, raw, self._logs, self._cosigner, at)
        )
        if answered.decision.evidence is not None:
            log.error("a log signed two histories", answer=type(answered.decision.answer).__name__)
        return _respond(answered)

    async def checkpoint(self, request: Request) -> Response:
        hashed = request.path_params["hashed"]
        return _text(await self._database.transaction(lambda each: load_note(each, hashed)))

    async def misbehaviour(self, request: Request) -> Response:
        hashed = request.path_params["hashed"]
        return _text(await self._database.transaction(lambda each: load_evidence(each, hashed)))


def _text(found: bytes | None) -> Response:
    if found is None:
        return PlainTextResponse("there is none\n", 404)
    return Response(found, media_type=TEXT, headers=MOMENT)


def _respond(answered: Answered) -> Response:
    decided = answered.decision.answer
    match decided:
        case Consistent():
            return Response(f"{answered.line}\n", media_type=TEXT)
        case Malformed(what):
            return PlainTextResponse(f"{what}\n", 400)
        case NotSigned(what):
            return PlainTextResponse(f"{what}\n", 403)
        case UnknownLog():
            return PlainTextResponse("this witness does not know the log\n", 404)
        case Conflict(size):
            return Response(f"{size}\n", 409, headers={"Content-Type": SIZE_TYPE})
        case Inconsistent(what):
            return PlainTextResponse(f"{what}\n", 422)
        case _:
            assert_never(decided)
