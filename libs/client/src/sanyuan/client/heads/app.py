"""The supervisor's receiver: signed heads in, files out; anybody may read what it has.

Invariant: what was answered with 200 is on the disk. A note counts under a key that `participants`
registers for its source; the receiver reads that topic like everybody else, and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Lifespan

from sanyuan.client.heads.keeping import Notes, Posted, keep, load_folder, write_notes
from sanyuan.client.heads.note import HeadsError, SignedHeads
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import MAX_NOTE_BYTES, VerifierKey

REFRESH_SECONDS: Final = 1.0
"""Between two looks at `participants` for the sake of unknown keys."""
MOMENT: Final = {"Cache-Control": "no-cache"}

log = structlog.get_logger()
Refresh = Callable[[], Awaitable[Directory]]
"""The directory as of now; raises CatchUpError."""


def make_app(
    folder: Path,
    directory: Callable[[], Directory],
    refresh: Refresh,
    *,
    clock: Callable[[], float] = time.time,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Return the application over what the folder holds; raises HeadsError and OSError."""
    receiver = Receiver(folder, directory, refresh, clock)
    return Starlette(
        routes=[
            Route("/heads", receiver.post, methods=["POST"]),
            Route("/heads", receiver.read),
            Route("/health", receiver.health),
        ],
        lifespan=lifespan,
    )


class Receiver:
    """Keeps the newest heads of every source."""

    def __init__(
        self,
        folder: Path,
        directory: Callable[[], Directory],
        refresh: Refresh,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._directory = directory
        self._refresh = refresh
        self._clock = clock
        self._refreshed = 0.0
        self._turn = asyncio.Lock()
        self._kept: dict[str, list[Posted]] = defaultdict(list)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for posted in load_folder(folder):
            self._kept[posted.heads.source].append(posted)

    async def health(self, _request: Request) -> Response:
        """Whether it runs."""
        return PlainTextResponse("ok\n")

    async def read(self, _request: Request) -> Response:
        """Every note that is kept, as `Notes`."""
        notes = Notes.of(list(chain.from_iterable(self._kept.values())))
        return Response(notes.model_dump_json(), media_type="application/json", headers=MOMENT)

    async def post(self, request: Request) -> Response:
        """200 kept, 400 malformed, 403 not signed, 409 taken back or old, 503 no keys yet."""
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_NOTE_BYTES:
                return PlainTextResponse("the note is longer than any valid one\n", 400)
        try:
            note = SignedHeads.parse(raw)
        except HeadsError as error:
            return PlainTextResponse(f"{error}\n", 400)
        try:
            note.verify(await self._key_of(note))
        except HeadsError as error:
            return PlainTextResponse(f"{error}\n", 403)
        except SanyuanError as error:
            return PlainTextResponse(f"{error}\n", 503)
        return await self._keep(note)

    async def _keep(self, note: SignedHeads) -> Response:
        source = note.heads.source
        async with self._turn:
            kept = self._kept[source]
            if kept and note.heads.time <= kept[-1].heads.time:
                return PlainTextResponse("a newer note is here already\n", 409)
            changed, lost = keep(kept, Posted(self._clock(), note))
            await asyncio.to_thread(write_notes, self._folder, source, changed)
            self._kept[source] = changed
        if lost is None:
            return PlainTextResponse("kept\n")
        log.error("a source takes heads back", source=source, topic=lost.topic, last=lost.last)
        return PlainTextResponse(f"an earlier note has more, or other: {lost}\n", 409)

    async def _key_of(self, note: SignedHeads) -> VerifierKey:
        """Raises HeadsError when it is no key of the source, CatchUpError when nobody can say."""
        directory = self._directory()
        source = note.heads.source
        if note.key_id not in directory.keys_of(source) and self._may_refresh():
            directory = await self._refresh()
        key = directory.keys_of(source).get(note.key_id)
        if key is None or directory.is_revoked(source, note.key_id):
            raise HeadsError("no such key is registered for the source, or it was revoked")
        return key

    def _may_refresh(self) -> bool:
        """Strangers must not make the receiver ask the broker as often as they like."""
        now = time.monotonic()
        if self._directory().founding is not None and now < self._refreshed + REFRESH_SECONDS:
            return False
        self._refreshed = now
        return True
