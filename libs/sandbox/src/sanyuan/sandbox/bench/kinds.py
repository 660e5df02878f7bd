"""What one operation of each kind costs: CPU of every party, in one short load of that kind alone.

The departments are one process here, ours; services, broker and supervisor are its children. The
load has a rate below what two cores carry, and never more than two seconds of it under way; it ends
when every answer is opened and the log has it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sanyuan.client.calls import Answered
from sanyuan.client.faces.catalog import Call
from sanyuan.client.progress import Report
from sanyuan.client.system import ConnectedSystem
from sanyuan.common import memory
from sanyuan.common.contracts.identity import PersonVerified
from sanyuan.common.contracts.license_exchange import LicenseFieldsShared
from sanyuan.sandbox.bench.backlog import askers, people, verify
from sanyuan.sandbox.bench.calls import PROVIDER, SUBJECT, Prepared, connected
from sanyuan.sandbox.bench.exchanges import Exchanger, request
from sanyuan.sandbox.bench.usage import cpu_seconds, family
from sanyuan.sandbox.demo.load.mix import KINDS, Kind

RATES: Final[Mapping[Kind, float]] = {
    "shared-call": 400.0,
    "verification": 600.0,
    "license-exchange": 400.0,
}
TICK_SECONDS: Final = 0.08
WINDOW_SECONDS: Final = 2.0
RIGHT_SHARE: Final = 0.95
"""Of the operations, at least: a machine with other work lets calls come too late."""
WARM_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 1.5
"""Seals, receipts and what they delete come after the last answer."""
PATIENCE_SECONDS: Final = 120.0

Sending = Callable[[int, int], Coroutine[Any, Any, object]]
"""Sends the operations from one number up to another."""
Around = Callable[[Kind], AbstractContextManager[None]]
"""Entered while operations of a kind, and nothing else, are carried out."""


class UnansweredError(TimeoutError):
    """Operations of the benchmark were not answered as they should be."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU that a number of operations took."""

    operations: int
    cpu_seconds: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Operations that one core carries in a second."""
        return self.operations / self.cpu_seconds


class _Loads:
    """The three loads over the same connected systems."""

    def __init__(
        self,
        var: Path,
        systems: Mapping[str, ConnectedSystem],
        prepared: Prepared,
        exchangers: Sequence[Exchanger],
    ) -> None:
        self._systems = systems
        self._calls = list(prepared.terms.items())
        self._exchangers = exchangers
        self._people = people(var, 5000)
        self._askers = [(systems[each.file.source], each.purpose) for each in askers(var)]
        self.ended = dict.fromkeys(KINDS, 0)
        self.right = dict.fromkeys(KINDS, 0)

    def sending(self, kind: Kind) -> Sending:
        """What sends operations of a kind."""
        return {
            "shared-call": self._call,
            "verification": self._verify,
            "license-exchange": self._exchange,
        }[kind]

    def receiving(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What serves calls, and takes and counts every answer, until cancelled."""
        provider = next(each for each in self._systems.values() if each.source.endswith(PROVIDER))
        code = next(iter(self._calls))[1].resource
        yield provider.serve_resources({code: lambda _parameters, _admitted: {"status": "存续"}})
        for system in self._systems.values():
            yield self._take_results(system)
            yield self._take_decisions(system)

    async def _take_results(self, system: ConnectedSystem) -> None:
        async for result in system.answers():
            self.ended["shared-call"] += 1
            self.right["shared-call"] += isinstance(result, Answered) and result.found

    async def _take_decisions(self, system: ConnectedSystem) -> None:
        async for decision in system.decisions():
            if decision.command is None:
                continue
            match decision.command.topic.partition("/")[2]:
                case "identity-commands":
                    self.ended["verification"] += 1
                    verified = isinstance(decision.message, PersonVerified)
                    self.right["verification"] += verified and "assertion" in decision.opened
                case "license-exchange-commands":
                    self.ended["license-exchange"] += 1
                    shared = isinstance(decision.message, LicenseFieldsShared)
                    self.right["license-exchange"] += shared and "answer" in decision.opened
                case _:
                    pass

    async def _call(self, first: int, end: int) -> None:
        batches: dict[str, list[Call]] = {}
        for number in range(first, end):
            source, terms = self._calls[number % len(self._calls)]
            call = Call(terms, {"code": SUBJECT}, sampled=False)
            batches.setdefault(source, []).append(call)
        await asyncio.gather(
            *[self._systems[source].request_calls(calls) for source, calls in batches.items()]
        )

    async def _verify(self, first: int, end: int) -> None:
        sends = []
        for number in range(first, end):
            system, purpose = self._askers[number % len(self._askers)]
            sends.append(verify(system, purpose, self._people[number % len(self._people)]))
        await asyncio.gather(*sends)

    async def _exchange(self, first: int, end: int) -> None:
        ours = (self._exchangers[number % len(self._exchangers)] for number in range(first, end))
        await asyncio.gather(*[request(self._systems[each.source], each) for each in ours])


async def cost_of_kinds(
    var: Path,
    prepared: Prepared,
    exchangers: Sequence[Exchanger],
    seconds: float,
    report: Report,
    around: Around = lambda _: nullcontext(),
) -> dict[Kind, Cost]:
    """Carry out each kind for about ``seconds``.

    Raises UnansweredError, and what the SDK raises.
    """
    costs: dict[Kind, Cost] = {}
    async with connected(var) as systems:
        loads = _Loads(var, systems, prepared, exchangers)
        receivers = [asyncio.ensure_future(each) for each in loads.receiving()]
        memory.settle()  # as every process of ours that goes on for long
        try:
            for kind in KINDS:
                rate = RATES[kind]
                await _carry_out(loads, kind, round(rate * WARM_SECONDS), lambda _: None)
                await asyncio.sleep(SETTLE_SECONDS)
                with around(kind):
                    costs[kind] = await _cost(loads, kind, round(rate * seconds), report)
        finally:
            for receiver in receivers:
                receiver.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*receivers)
    return costs


async def _cost(loads: _Loads, kind: Kind, count: int, report: Report) -> Cost:
    everybody = family()
    answered = loads.right[kind]
    before, started = cpu_seconds(everybody), time.monotonic()
    await _carry_out(loads, kind, count, lambda done: report(kind, done, count))
    seconds = time.monotonic() - started
    await asyncio.sleep(SETTLE_SECONDS)
    right = loads.right[kind] - answered
    if right < count * RIGHT_SHARE:
        raise UnansweredError(f"{count - right} of {count} operations ({kind}) were not answered")
    return Cost(count, cpu_seconds(everybody) - before, seconds)


async def _carry_out(loads: _Loads, kind: Kind, count: int, tell: Callable[[int], None]) -> None:
    before, window = loads.ended[kind], round(RATES[kind] * WINDOW_SECONDS)
    started, sent, send = time.monotonic(), 0, loads.sending(kind)
    end = started + PATIENCE_SECONDS
    while (done := loads.ended[kind] - before) < count:
        if time.monotonic() > end:
            raise UnansweredError(f"{sent - done} of {sent} operations ({kind}) were not answered")
        due = min(count, done + window, round((time.monotonic() - started) * RATES[kind]))
        if due > sent:
            await send(sent, due)
            sent = due
            tell(sent)
        await asyncio.sleep(TICK_SECONDS)
