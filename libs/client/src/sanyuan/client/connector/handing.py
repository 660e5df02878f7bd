"""Handing out: a record to whoever waits for it, else to who asks for the next; once in a life."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sanyuan.client.calls import CallResult, NoAnswer, Ref, ref_of
from sanyuan.client.inbox import Decision, Place
from sanyuan.common.failpoints import failpoint

T = TypeVar("T")
Waiter = asyncio.Future[Decision]
CallWaiter = asyncio.Future[CallResult]


class Handed(NamedTuple):
    """What the application has: rows that may go, and calls whose end it knows."""

    places: Sequence[Place]
    unexpected: Sequence[Place]
    told: Sequence[Ref]


class Tray(Generic[T]):
    """What waits to be handed out, in order; a particular item can be waited for."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._claims: list[tuple[Callable[[T], bool], asyncio.Future[T]]] = []
        self._change = asyncio.Event()
        self._closed = False

    def put(self, item: T) -> bool:
        """Add an item; True when somebody had claimed it and has it now."""
        for claim in self._claims:
            matches, waiter = claim
            if not waiter.done() and matches(item):
                self._claims.remove(claim)
                waiter.set_result(item)
                return True
        self._items.append(item)
        self._change.set()
        return False

    async def get(self) -> T | None:
        """The next item; None once it is closed and empty."""
        while not self._items:
            if self._closed:
                return None
            self._change.clear()
            await self._change.wait()
        return self._items.popleft()

    def waiting(self) -> list[T]:
        """What nobody has taken yet."""
        return list(self._items)

    def take(self, matches: Callable[[T], bool]) -> T | None:
        """The first matching item, which is then nobody else's."""
        for item in self._items:
            if matches(item):
                self._items.remove(item)
                return item
        return None

    def claim(self, matches: Callable[[T], bool]) -> "asyncio.Future[T]":
        """The next matching item that is put."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._claims = [claim for claim in self._claims if not claim[1].done()]
        self._claims.append((matches, waiter))
        return waiter

    def close(self, error: BaseException) -> None:
        """Nothing comes any more."""
        self._closed = True
        self._change.set()
        fail(error, (waiter for _, waiter in self._claims))


class HandingOut:
    """What was taken and has not reached the application; `collect` what it has."""

    def __init__(self, sources: Iterable[str]) -> None:
        named = list(sources)
        self._waiters: dict[Ref, Waiter] = {}
        self._call_waiters: dict[Ref, CallWaiter] = {}
        self._decisions: dict[str, Tray[Decision]] = {source: Tray() for source in named}
        self._results: dict[str, Tray[CallResult]] = {source: Tray() for source in named}
        self._places: list[Place] = []
        self._unexpected: list[Place] = []
        self._told: list[Ref] = []
        self._error: BaseException | None = None

    def expect(self, command: Ref, waiter: Waiter) -> None:
        """Give the decision of a command to ``waiter``."""
        self._waiters[command] = waiter

    def expect_result(self, call: Ref, waiter: CallWaiter) -> None:
        """Give the result of a call to ``waiter``."""
        self._call_waiters[call] = waiter

    def deliver(self, source: str, decision: Decision) -> None:
        """Give a record in the inbox of ``source`` to whoever waits for it."""
        command = decision.command
        if command is not None and decision.unexpected is None:
            waiter = self._waiters.pop(ref_of(command), None)
            if waiter is not None and not waiter.done():
                waiter.set_result(decision)
                self._note(decision)
                return
        if self._decisions[source].put(decision):
            self._note(decision)

    def deliver_result(self, source: str, result: CallResult) -> None:
        """Give the end of a call of ``source`` to whoever waits for it."""
        ref = ref_of(result.call)
        decision_waiter = self._waiters.get(ref)
        if decision_waiter is not None and not isinstance(result, NoAnswer):
            self.deliver(source, result.record)
            return
        waiter = self._call_waiters.pop(ref, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(result)
            self._note_result(result)
        else:
            self._results[source].put(result)

    async def decisions(self, source: str) -> AsyncIterator[Decision]:
        """Every record that nobody waits for, each once; raises the error of `end`."""
        tray = self._decisions[source]
        while (decision := await tray.get()) is not None:
            failpoint("client.after-take")
            yield decision
            self._note(decision)
        self._raise()

    async def results(self, source: str) -> AsyncIterator[CallResult]:
        """Every end of a call that nobody waits for, each once; raises the error of `end`."""
        tray = self._results[source]
        while (result := await tray.get()) is not None:
            yield result
            self._note_result(result)
        self._raise()

    def waiting(self, source: str) -> list[Decision]:
        """The records that nobody has asked for yet."""
        return self._decisions[source].waiting()

    async def claim(self, source: str, matches: Callable[[Decision], bool]) -> Decision:
        """The first matching record, taken out of turn, as soon as there is one."""
        tray = self._decisions[source]
        found = tray.take(matches)
        if found is None:
            return await tray.claim(matches)
        self._note(found)
        return found

    def drop(self, source: str, matches: Callable[[Decision], bool]) -> None:
        """Matching records are handed out, to nobody."""
        while (found := self._decisions[source].take(matches)) is not None:
            self._note(found)

    def collect(self) -> Handed:
        """What the application has, since the last time."""
        handed = Handed(self._places, self._unexpected, self._told)
        self._places, self._unexpected, self._told = [], [], []
        return handed

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing comes any more."""
        self._error = self._error or error
        fail(error, self._waiters.values())
        fail(error, self._call_waiters.values())
        for records in self._decisions.values():
            records.close(error)
        for results in self._results.values():
            results.close(error)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _note(self, decision: Decision) -> None:
        self._places.append(decision.place)
        if decision.unexpected is not None:
            self._unexpected.append(decision.place)

    def _note_result(self, result: CallResult) -> None:
        if isinstance(result, NoAnswer):
            self._told.append(ref_of(result.call))
        else:
            self._note(result.record)


def fail(error: BaseException, waiters: "Iterable[asyncio.Future[Any]]") -> None:
    """Give an error to those who still wait."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
            waiter.exception()  # whoever waits sees it; nobody waiting is no fault
