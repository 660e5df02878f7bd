"""Serving: every admitted call of one's resources is answered exactly once (design §7).

A call stays in the inbox until the transaction that makes its answer durable; so whoever dies in
between finds it there again, and whoever dies after does not. Answers are made in one loop and made
durable together; only an answer function that has to wait gets a task of its own.
"""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog

from sanyuan.client.calls.answering import (
    BROKEN,
    MAX_DETAIL,
    TOO_LATE,
    Answer,
    CannotAnswerError,
    Failure,
    Fields,
    Given,
    choose,
    draft_answer,
    read_call,
)
from sanyuan.client.connector.handing import fail
from sanyuan.client.connector.sending import Sender
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import CallAdmitted
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.outbox import Draft, OutboxFullError
from sanyuan.common.systems import SystemFile

AT_ONCE: Final = 64
"""Calls whose answers are made before the event loop has its next turn."""
RUNNING: Final = 64
"""Answers of one resource that are waited for at a time."""
FULL_SECONDS: Final = 1.0
OVERLOOKED_SECONDS: Final = 60.0
OVERLOOKED: Final = (
    "a call that nobody here has answered in time: no resource of its code is served"
)

log = structlog.get_logger()
Served = tuple[str, str]
"""(source, resource code)."""


class ServingError(SanyuanError):
    """A resource is served already, or nothing is named to be served."""


class _Waiting(NamedTuple):
    decision: Decision
    since: float


@dataclass(slots=True)
class _Server:
    """Who answers for a resource; ``backlog`` waits while ``running`` answers are waited for."""

    answer: Answer
    end: "asyncio.Future[None]"
    running: int = 0
    backlog: "deque[_Call]" = field(default_factory=deque)


class _Call(NamedTuple):
    """An admitted call on its way to its answer."""

    source: str
    admitted: CallAdmitted
    decision: Decision
    server: _Server


class Serving:
    """Start `run` as a task; `serve` names who answers."""

    def __init__(
        self,
        systems: Mapping[str, SystemFile],
        sender: Sender,
        directory: Callable[[], Directory],
    ) -> None:
        self._systems = systems
        self._sender = sender
        self._directory = directory
        self._servers: dict[Served, _Server] = {}
        self._ready: deque[_Call] = deque()
        self._running: dict[asyncio.Task[Given | Failure], _Call] = {}
        self._finished: list[tuple[_Call, Given | Failure]] = []
        self._unserved: dict[Served, list[_Waiting]] = {}
        self._wake = asyncio.Event()

    def admit(self, source: str, decision: Decision) -> None:
        """Answer an admitted call, or keep it until somebody serves its resource."""
        admitted = decision.message
        if not isinstance(admitted, CallAdmitted):
            raise TypeError(decision.type)
        served = source, admitted.resource
        server = self._servers.get(served)
        if server is None:
            waiting = self._unserved.setdefault(served, [])
            waiting.append(_Waiting(decision, time.monotonic()))
            return
        self._ready.append(_Call(source, admitted, decision, server))
        self._wake.set()

    async def serve(self, source: str, answers: Mapping[str, Answer]) -> None:
        """Answer the calls of resources until cancelled.

        Raises ServingError when one is served already, and what ended the connection.
        """
        served = [(source, code) for code in answers]
        if not served or any(each in self._servers for each in served):
            raise ServingError(
                "a resource is served already" if served else "no resource is named",
                where=f"{source}: {', '.join(answers)}",
            )
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for each, answer in zip(served, answers.values(), strict=True):
            self._servers[each] = _Server(answer, end)
            for waiting in self._unserved.pop(each, ()):
                self.admit(source, waiting.decision)
        try:
            await end
        finally:
            for each in served:
                self._give_back(self._servers.pop(each))

    async def run(self) -> None:
        """Answer for ever; raises what `Sender.send` raises."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready or self._finished:
                await self._answer_some()

    def overlooked(self) -> list[tuple[str, Decision]]:
        """Calls that nobody has served for a minute and that are too late by now."""
        patience, now = time.monotonic() - OVERLOOKED_SECONDS, datetime.now(UTC)
        found: list[tuple[str, Decision]] = []
        for served, calls in list(self._unserved.items()):
            kept: list[_Waiting] = []
            for call in calls:
                if call.since < patience and _is_late(call.decision, now):
                    found.append((served[0], replace(call.decision, unexpected=OVERLOOKED)))
                else:
                    kept.append(call)
            self._unserved[served] = kept
        return found

    def end(self, error: BaseException) -> None:
        """Tell everybody who serves: nothing comes any more."""
        for task in self._running:
            task.cancel()
        fail(error, {server.end for server in self._servers.values()})

    async def _answer_some(self) -> None:
        """Make answers and make them durable together."""
        finished, self._finished = self._finished, []
        while self._ready and len(finished) < AT_ONCE:
            call = self._ready.popleft()
            if call.server.running >= RUNNING:
                call.server.backlog.append(call)
            elif (given := self._ask(call)) is not None:
                finished.append((call, given))
        if not finished:
            return
        now = datetime.now(UTC)
        try:
            await self._sender.send(
                [self._draft(call, given, now) for call, given in finished],
                answered=[call.decision.place for call, _ in finished],
            )
        except OutboxFullError as error:  # lag, never loss (design §3)
            log.warning("answers wait", error=str(error))
            self._finished += finished
            await asyncio.sleep(FULL_SECONDS)

    def _ask(self, call: _Call) -> Given | Failure | None:
        """What the answer function says; None while it has to wait for it."""
        parameters = read_call(call.decision, call.admitted, datetime.now(UTC))
        if isinstance(parameters, Failure):
            return parameters
        try:
            found = call.server.answer(parameters, call.admitted)
            if inspect.isawaitable(found):
                self._start(call, found)
                return None
            return choose(found, call.admitted)
        except Exception as error:  # noqa: BLE001  an answer function may raise anything
            return _failure(error)

    def _start(self, call: _Call, found: Awaitable[Fields]) -> None:
        async def wait() -> Given | Failure:
            try:
                return choose(await found, call.admitted)
            except Exception as error:  # noqa: BLE001  as above
                return _failure(error)

        task = asyncio.create_task(wait())
        call.server.running += 1
        self._running[task] = call
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[Given | Failure]") -> None:
        call = self._running.pop(task)
        server = call.server
        server.running -= 1
        if task.cancelled():  # its server was: the call waits for the next one
            self.admit(call.source, call.decision)
        else:
            self._finished.append((call, task.result()))
        if server.backlog:
            self._ready.append(server.backlog.popleft())
        self._wake.set()

    def _give_back(self, server: _Server) -> None:
        """Keep for the next server what this one leaves."""
        for task, call in self._running.items():
            if call.server is server:
                task.cancel()
        left = [call for call in self._ready if call.server is server] + list(server.backlog)
        self._ready = deque(call for call in self._ready if call.server is not server)
        server.backlog.clear()
        for call in left:
            self.admit(call.source, call.decision)

    def _draft(self, call: _Call, given: Given | Failure, now: datetime) -> Draft:
        if now > call.admitted.answer_by:
            given = TOO_LATE
        caller = self._directory().systems[call.admitted.caller]
        return draft_answer(self._systems[call.source], caller, call.decision, given, now)


def _failure(error: Exception) -> Failure:
    if isinstance(error, CannotAnswerError):
        return Failure(error.reason, error.what[:MAX_DETAIL])
    log.error("an answer function failed", error=type(error).__name__)  # its text may name people
    return BROKEN


def _is_late(decision: Decision, now: datetime) -> bool:
    return isinstance(decision.message, CallAdmitted) and decision.message.answer_by < now
