"""Handing out: each decision to whoever waits for it, else to `decisions`; once in a life."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from sanyuan.client.inbox import Decision
from sanyuan.common.failpoints import failpoint

Ref = tuple[str, str, int]
"""(source, Kafka topic, sequence) of a command of one's own."""
Place = tuple[str, int]
"""(Kafka topic, offset) of a record in an inbox."""
Waiter = asyncio.Future[Decision]


class HandingOut:
    """What was taken and has not reached the application; `collect` what it has."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._waiters: dict[Ref, Waiter] = {}
        self._queues: dict[str, asyncio.Queue[Decision | None]] = {
            source: asyncio.Queue() for source in sources
        }
        self._handed: list[Place] = []

    def expect(self, command: Ref, waiter: Waiter) -> None:
        """Give the decision of a command to ``waiter``."""
        self._waiters[command] = waiter

    def deliver(self, source: str, decision: Decision) -> None:
        """Give a decision in the inbox of ``source`` to whoever waits for it."""
        waiter = self._waiter_of(decision)
        if waiter is not None and not waiter.done():
            waiter.set_result(decision)
            self._handed.append((decision.topic, decision.offset))
        else:
            self._queues[source].put_nowait(decision)

    async def decisions(self, source: str) -> AsyncIterator[Decision]:
        """Everything that nobody waits for, each once, until `end`."""
        queue = self._queues[source]
        while (decision := await queue.get()) is not None:
            failpoint("client.after-take")
            yield decision
            self._handed.append((decision.topic, decision.offset))
        queue.put_nowait(None)

    def collect(self) -> list[Place]:
        """What the application has, since the last time."""
        handed, self._handed = self._handed, []
        return handed

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing comes any more."""
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # whoever waits sees it; nobody waiting is no fault
        for queue in self._queues.values():
            queue.put_nowait(None)

    def _waiter_of(self, decision: Decision) -> Waiter | None:
        command = decision.command
        if command is None or decision.unexpected is not None:
            return None
        topic = command.topic.partition("/")[2]
        return self._waiters.pop((command.source, topic, int(command.sequence)), None)
