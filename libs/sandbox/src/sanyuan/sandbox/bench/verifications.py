"""Verifications alone, department to department, at a rate: how many, and how long after their due.

Open-loop: each is due at its time whether or not those before were decided, and its delay counts
from then until its assertion was opened. All departments are one process here, ours.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sanyuan.client.progress import Report
from sanyuan.client.system import ConnectedSystem
from sanyuan.common import memory
from sanyuan.common.contracts.identity import PersonVerified
from sanyuan.sandbox.bench.backlog import Place, askers, people, verify
from sanyuan.sandbox.bench.calls import connected

RATE: Final = 1220.0
"""1,200 a second are to be carried, counted to the last decision, which comes after the last due.
"""
SECONDS: Final = 30.0
WARM_SECONDS: Final = 3.0
TICK_SECONDS: Final = 0.01
"""What is due meanwhile is sent together: half of it is in every delay."""
PATIENCE_SECONDS: Final = 60.0
Asking = tuple[ConnectedSystem, str]
"""A system, and the purpose for which it may ask."""


class UnverifiedError(TimeoutError):
    """Verifications were not decided, or not as they should be."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What was carried of an offered rate, and the delays in milliseconds."""

    offered: float
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass
class _Run:
    asking: Sequence[Asking]
    named: Sequence[tuple[str, str]]
    due: dict[Place, float] = field(default_factory=dict)
    decided: dict[Place, float] = field(default_factory=dict)
    """When each was opened; the decision may come before its sender is told its place."""
    wrong: int = 0

    async def receive(self, system: ConnectedSystem) -> None:
        """Take every decision of a system, until cancelled."""
        async for decision in system.decisions():
            if decision.command is not None:
                place = decision.command.source, int(decision.command.sequence)
                verified = isinstance(decision.message, PersonVerified)
                self.wrong += not (verified and decision.opened.get("assertion"))
                self.decided[place] = time.monotonic()

    async def send(self, number: int, at: float) -> None:
        """Send one that is due at ``at``."""
        system, purpose = self.asking[number % len(self.asking)]
        self.due[await verify(system, purpose, self.named[number % len(self.named)])] = at


async def rated(var: Path, report: Report, rate: float = RATE, seconds: float = SECONDS) -> Rated:
    """Offer ``rate`` verifications a second for ``seconds``, after a warm-up that does not count.

    Raises UnverifiedError, and what the SDK raises.
    """
    async with connected(var) as systems:
        asking = [(systems[each.file.source], each.purpose) for each in askers(var)]
        run = _Run(asking, people(var, 5000))
        receivers = [asyncio.create_task(run.receive(each)) for each in systems.values()]
        memory.settle()  # as every process of ours that goes on for long
        try:
            await _offer(run, rate, WARM_SECONDS, lambda *_: None)
            run.due.clear()
            begun = time.monotonic()
            await _offer(run, rate, seconds, report)
        finally:
            for receiver in receivers:
                receiver.cancel()
            await asyncio.gather(*receivers, return_exceptions=True)
    delays = sorted(run.decided[place] - at for place, at in run.due.items())
    ended = max(run.decided[place] for place in run.due)
    return Rated(
        rate,
        len(delays) / (ended - begun),
        1000 * delays[len(delays) // 2],
        1000 * delays[len(delays) * 99 // 100],
    )


async def _offer(run: _Run, rate: float, seconds: float, report: Report) -> None:
    """Send everything at its time, then wait for what was sent."""
    count = round(rate * seconds)
    sends: list[asyncio.Task[None]] = []
    begun = time.monotonic()
    while len(sends) < count:
        first = len(sends)
        for number in range(first, min(count, round((time.monotonic() - begun) * rate))):
            sending = run.send(number, begun + number / rate)
            sends.append(asyncio.create_task(sending))
        report("verifications", len(sends), count)
        await asyncio.sleep(TICK_SECONDS)
    await asyncio.gather(*sends)
    until = time.monotonic() + PATIENCE_SECONDS
    while missing := len(run.due.keys() - run.decided.keys()):
        if time.monotonic() > until:
            raise UnverifiedError(f"{missing} of {count} verifications were not decided")
        await asyncio.sleep(TICK_SECONDS)
    if run.wrong:
        raise UnverifiedError(f"{run.wrong} verifications were not decided as they should be")
