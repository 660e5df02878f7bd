"""The SDK's side: all heads of its systems, to the supervisor, idle or not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx
import structlog
from sqlalchemy import Connection, select

from sanyuan.client.heads.note import Head, Heads
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.common.outbox import HEADS
from sanyuan.common.systems import SystemFile

HEADS_SECONDS: Final = 30.0
"""Between two notes of a system."""
SEND_SECONDS: Final = 5.0
LAST_SECONDS: Final = 2.0
URL_NAME: Final = "heads"
"""In a system file's ``urls``: the supervisor's receiver."""

log = structlog.get_logger()


class HeadsPoster:
    """Posts every ``seconds``; start `run` as a task, and call `last` at the end.

    Nothing that the supervisor answers, or does not, ends anything: what cannot be told now is told
    with the next note. Systems without the URL are left out.
    """

    def __init__(self, systems: Sequence[SystemFile], database: Database, seconds: float) -> None:
        self._systems = [system for system in systems if system.urls.get(URL_NAME)]
        self._database = database
        self._seconds = seconds

    async def run(self) -> None:
        """Post for ever; raises what the database raises."""
        if not self._systems:
            return
        async with httpx.AsyncClient(timeout=SEND_SECONDS) as client:
            while True:
                await self._post(client)
                await asyncio.sleep(self._seconds)

    async def last(self) -> None:
        """Post once more, for two seconds at most: the next note may be long in coming."""
        if not self._systems:
            return
        with suppress(TimeoutError, SanyuanError):
            async with asyncio.timeout(LAST_SECONDS), httpx.AsyncClient() as client:
                await self._post(client)

    async def _post(self, client: httpx.AsyncClient) -> None:
        sources = {system.source for system in self._systems}
        found = await self._database.transaction(partial(load_heads, sources=sources))
        now = format_time(datetime.now(UTC))
        await asyncio.gather(
            *(self._post_one(client, system, now, found[system.source]) for system in self._systems)
        )

    async def _post_one(
        self, client: httpx.AsyncClient, system: SystemFile, now: str, found: Mapping[str, Head]
    ) -> None:
        streams = [head._replace(topic=f"{system.domain}/{topic}") for topic, head in found.items()]
        note = Heads.of(system.source, now, streams).sign(system.signing)
        url = f"{system.urls[URL_NAME].rstrip('/')}/heads"
        try:
            answer = await client.post(url, content=note)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("the supervisor was not told our heads", error=type(error).__name__)
            return
        if answer.status_code != httpx.codes.OK:
            said = answer.text.strip()[:200]
            log.error("the supervisor refuses our heads", status=answer.status_code, said=said)


def load_heads(connection: Connection, sources: Collection[str]) -> dict[str, dict[str, Head]]:
    """Source → Kafka topic → the last record of the stream that is durable here."""
    found: dict[str, dict[str, Head]] = defaultdict(dict)
    for row in connection.execute(select(HEADS).where(HEADS.c.source.in_(sources))):
        found[row.source][row.topic] = Head(row.topic, row.sequence, row.hash)
    return found
