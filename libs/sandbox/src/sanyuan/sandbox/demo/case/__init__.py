"""The narrated case: somebody opens a restaurant, over all four services (design §5 to §7)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from sanyuan.client.connector import Connector
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem, state_folder
from sanyuan.common import telemetry
from sanyuan.common.ids import new_case
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.demo.case.exchange import Company, Exchanging
from sanyuan.sandbox.demo.case.identity import Verifying
from sanyuan.sandbox.demo.case.props import Props
from sanyuan.sandbox.demo.case.stage import Stage, SurprisingDecisionError
from sanyuan.sandbox.demo.cast import Cast
from sanyuan.sandbox.demo.narration import Narrator
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.starting import Installation

__all__ = ["SYSTEM", "Played", "SurprisingDecisionError", "play_case"]

SYSTEM: Final = "food-permits"
INSPECTOR: Final = "credit-china"
"""Of another department: who is shown the licence."""
NEXT_INSPECTOR: Final = "single-window"
"""Of a third: who is shown it when it was revoked."""
RIVAL: Final = "tax-refund"
"""Of the tax administration: would be a second source."""


@dataclass(frozen=True, slots=True)
class Played:
    """A case that was played: its id, when its first line stood there (Unix seconds), its size."""

    case: str
    first_line: float
    questions: int


async def play_case(
    installation: Installation,
    console: Console,
    cast: Cast,
    props: Props,
    ready: Callable[[], None],
) -> Played:
    """Play it from the first line to the last; raises what the SDK raises.

    ``ready`` returns once the props are in force and the organisation has its business licence; it
    is called, in a thread, when they are needed.
    """
    var, language = installation.settings.var, installation.settings.language
    telemetry.set_up(SYSTEM, folder=var / "traces")
    stage = Stage(new_case(), cast, Narrator(console, Words(language)))
    async with AsyncExitStack() as stack:
        me = await stack.enter_async_context(_connect(var, SYSTEM))
        stage.narrator.open(stage.case)
        assertion = await Verifying(stage, me).play()
        await asyncio.to_thread(ready)
        others = [
            await stack.enter_async_context(_connect(var, name))
            for name in (INSPECTOR, NEXT_INSPECTOR, RIVAL)
        ]
        company = Company(me, *others)
        await Exchanging(stage, company, props, assertion).play()
    telemetry.flush()
    return Played(stage.case, stage.first_line, stage.questions)


@asynccontextmanager
async def _connect(var: Path, name: str) -> AsyncIterator[ConnectedSystem]:
    path = system_path(var, name)
    system = SystemFile.load(path)
    async with Connector.open([system], state_folder(path) / "client.db") as connector:
        yield ConnectedSystem(connector, system)
        await connector.drained()
