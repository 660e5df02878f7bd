"""The connector: a desk at a broker. It waits for what it needs and ends its parts together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import structlog
from aiokafka.errors import KafkaError

from sanyuan.client.connector.desk import MODELS, Desk
from sanyuan.client.connector.errors import ConnectorClosedError
from sanyuan.client.connector.older import Older
from sanyuan.client.connector.reading import InboxReader, by_user
from sanyuan.client.connector.receiving import RETRY_SECONDS
from sanyuan.client.heads.posting import HEADS_SECONDS, HeadsPoster
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.positions import Partition
from sanyuan.common.producing import Producer
from sanyuan.common.relay import Sent
from sanyuan.common.service.waiting import Say, wait_for_lock, wait_registered
from sanyuan.common.systems import SystemFile

POLL_SECONDS: Final = 0.02

log = structlog.get_logger()


class Connector(Desk):
    """Open with `open`; every method belongs to the event loop that opened it."""

    def __init__(
        self,
        systems: Sequence[SystemFile],
        database: Database,
        heads_seconds: float = HEADS_SECONDS,
    ) -> None:
        self._systems = list(systems)
        self._participants = Participants(systems[0])
        self._follower: Follower | None = None
        self._producer = Producer(database, systems, lambda: self.directory)
        super().__init__(systems, database, self._producer, lambda: self.directory, self.refresh)
        self.receiver.older = Older(systems, self._starts)
        self._heads = HeadsPoster(systems, database, heads_seconds)
        self._readers = [InboxReader(group, self.receiver) for group in by_user(systems)]
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        systems: Sequence[SystemFile],
        database: Path,
        *,
        say: Say = lambda _: None,
        on_sent: Sent | None = None,
        heads_seconds: float = HEADS_SECONDS,
    ) -> AsyncIterator[Self]:
        """Connect; waits, saying so, for the lock, the registration and the broker.

        Every ``heads_seconds`` the supervisor is told where the streams of the systems end.

        Raises SystemFileError, DatabaseError, RestoredBackupError.
        """
        opened = await wait_for_lock(lambda: Database.open(f"sqlite:///{database}", MODELS), say)
        connector = cls(systems, opened, heads_seconds)
        connector._producer.relay.on_sent = on_sent
        try:
            await connector._start(say)
            yield connector
        finally:
            await connector._stop()
            opened.close()

    @property
    def directory(self) -> Directory:
        """Everything that ``participants`` says, as far as it was read."""
        return self._participants.directory

    async def refresh(self) -> Directory:
        """The directory as of now; raises CatchUpError."""
        if self._follower is not None:
            await self._follower.catch_up()
        return self.directory

    async def drained(self) -> None:
        """Wait until the broker has acknowledged everything that was sent."""
        await self._producer.relay.drained()

    async def read_inbox(self, inbox: str) -> None:
        """Wait until everything that an inbox holds now was taken; raises what ended us."""
        end: int | None = None
        while end is None or self.receiver.offsets.get((inbox, 0), 0) < end:
            self._check_alive()
            if end is None:
                end = (await self._ends({inbox})).get(inbox)
            await asyncio.sleep(POLL_SECONDS)

    def failure(self) -> BaseException | None:
        """Why nothing goes on, when it does not."""
        return super().failure() or self._producer.failure()

    async def _start(self, say: Say) -> None:
        first = self._systems[0]
        self._follower = await Follower.start(first, {"participants": self._participants.apply})
        for system in self._systems:
            await wait_registered(system, self._follower, self._participants, say)
        await self._producer.start()
        await self.load()
        standing = dict(self.receiver.offsets)
        readers = [reader.run() for reader in self._readers]
        self._tasks = [asyncio.create_task(work) for work in (*self.work(self._ends), *readers)]
        self._tasks.append(asyncio.create_task(self._heads.run(), name="heads"))
        self._tasks.append(asyncio.create_task(self._take_expired(standing), name="expired"))
        for task in self._tasks:
            task.add_done_callback(self._note_end)

    async def _ends(self, inboxes: set[str]) -> Mapping[str, int]:
        """Where inboxes end; those of a broker that does not say so are left out."""
        found: dict[str, int] = {}
        for reader in self._readers:
            try:
                found |= await reader.ends(inboxes)
            except KafkaError as error:
                log.warning("the end of an inbox is not known", error=type(error).__name__)
        return found

    async def _take_expired(self, standing: Mapping[Partition, int]) -> None:
        """Take from the log what inboxes have lost since they were read, with nothing after it."""
        inboxes = {system.inbox for system in self._systems if system.inbox}
        for reader in self._readers:
            await reader.connected.wait()
        starts = await self._starts(inboxes)
        services = {s.source for s in self.directory.systems.values() if s.role == "service"}
        for inbox, start in starts.items():
            if start > standing.get((inbox, 0), 0) and self.receiver.older is not None:
                senders = services | await self.receiver.senders(inbox)
                logged = await self.receiver.older.logged(inbox, senders)
                await self.read_inbox(inbox)
                await self.receiver.take_expired(inbox, logged)

    async def _starts(self, inboxes: set[str]) -> Mapping[str, int]:
        """Where inboxes begin: the broker keeps nothing before."""
        while True:
            try:
                found = [await reader.starts(inboxes) for reader in self._readers]
            except KafkaError as error:
                log.warning("the start of an inbox is not known", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return {topic: start for starts in found for topic, start in starts.items()}

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._producer.stop()
        if self._follower is not None:
            await self._follower.stop()
        await self.forget_handed()
        await self._heads.last()
        self.end(
            ConnectorClosedError("the connector was closed", do="open it again and wait there")
        )

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the connection ends", error=f"{type(error).__name__}: {error}")
            self.end(error)
