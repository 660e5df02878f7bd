"""The composition root of audit: what runs as `python -m sanyuan.audit`.

HTTP answers from the first moment; the work starts as soon as the service is connected, registered
and the writer of its database. `/ready` says what it waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import structlog
from starlette.applications import Starlette

from sanyuan.audit.api import routes
from sanyuan.audit.service import Standing, work
from sanyuan.audit.settings import Settings
from sanyuan.common import logs, telemetry

log = structlog.get_logger()


def make_app(settings: Settings) -> Starlette:
    """The ASGI application; the work runs in its lifespan."""
    standing = Standing()

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        logs.set_up("audit")
        telemetry.set_up("audit", folder=settings.traces, endpoint=settings.otlp_endpoint)
        task = asyncio.create_task(work(settings, standing), name="audit")
        task.add_done_callback(_end_process)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            telemetry.flush()

    return Starlette(routes=routes(settings, standing), lifespan=lifespan)


def _end_process(task: asyncio.Task[None]) -> None:
    """The work only ends by an error that a restart may mend: leave it to the supervisor."""
    if task.cancelled() or (error := task.exception()) is None:
        return
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    log.error("the service ends", error=f"{type(error).__name__}: {error}")
    os.kill(os.getpid(), signal.SIGTERM)
