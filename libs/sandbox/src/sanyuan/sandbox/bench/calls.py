"""A backlog of shared calls: made while the catalog is down, admitted once it is up again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sanyuan.client.connector import Connector
from sanyuan.client.faces.catalog import Call, Granted
from sanyuan.client.joining import system_path
from sanyuan.client.progress import Report
from sanyuan.client.system import ConnectedSystem, state_folder
from sanyuan.common.contracts.catalog import GrantTerms, Item, Resource, Reviewed, Sharing
from sanyuan.common.errors import SanyuanError
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.bench.backlog import AT_ONCE, askers
from sanyuan.sandbox.members import AGENCY_SOURCE

PROVIDER: Final = "market-regulation"
CODE: Final = "306999/900001"
SUBJECT: Final = "91110000600037341L"


class NotPreparedError(SanyuanError):
    """The catalog does not grant what the benchmark calls."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The grants of the systems that call, by their sources."""

    terms: Mapping[str, GrantTerms]


async def prepare(var: Path) -> Prepared:
    """Publish a resource and have it granted to every department but its own.

    Raises NotPreparedError, and what the SDK raises.
    """
    provider = SystemFile.load(system_path(var, PROVIDER))
    own = provider.source.split("/")[4]
    async with connected(var) as systems, office(var) as agency:
        submitted = await systems[provider.source].publish_resource(_resource(provider.source, own))
        reviewed = Reviewed(resource=CODE, revision=1, publish=True)
        await agency.review_resources([reviewed])
        callers = [source for source in systems if source.split("/")[4] != own]
        outcomes = await asyncio.gather(*[_ask(systems[source]) for source in callers])
    terms = {
        source: outcome.terms
        for source, outcome in zip(callers, outcomes, strict=True)
        if isinstance(outcome, Granted)
    }
    if len(terms) != len(callers):
        raise NotPreparedError(
            f"{len(callers) - len(terms)} of {len(callers)} grants are missing",
            where=submitted.reason or CODE,
        )
    return Prepared(terms)


async def send_calls(var: Path, prepared: Prepared, count: int, report: Report) -> None:
    """Make ``count`` calls; all are on the topic once this returns."""
    callers = list(prepared.terms)
    async with connected(var) as systems:
        for start in range(0, count, AT_ONCE):
            end = min(count, start + AT_ONCE)
            calls: dict[str, list[Call]] = {source: [] for source in callers}
            for number in range(start, end):
                source = callers[number % len(callers)]
                call = Call(prepared.terms[source], {"code": SUBJECT}, sampled=False)
                calls[source].append(call)
            await asyncio.gather(
                *[systems[source].request_calls(own) for source, own in calls.items() if own]
            )
            report("calls", end, count)


@asynccontextmanager
async def connected(var: Path) -> AsyncIterator[dict[str, ConnectedSystem]]:
    """All systems that the benchmark ever uses: they share one outbox."""
    files = [asker.file for asker in askers(var)]
    async with Connector.open(files, var / "bench" / "client.db") as connector:
        yield {file.source: ConnectedSystem(connector, file) for file in files}
        await connector.drained()


@asynccontextmanager
async def office(var: Path) -> AsyncIterator[ConnectedSystem]:
    """The agency's own system."""
    agency = SystemFile.load(system_path(var, AGENCY_SOURCE.name))
    database = state_folder(system_path(var, AGENCY_SOURCE.name)) / "client.db"
    async with Connector.open([agency], database) as connector:
        yield ConnectedSystem(connector, agency)


async def _ask(system: ConnectedSystem) -> object:
    return await system.request_grant(
        CODE,
        fields=("status",),
        purpose="benchmark",
        legal_basis="bench",
        until=datetime.now(UTC) + timedelta(days=1),
        sampled=False,
    )


def _resource(serving: str, provider: str) -> Resource:
    return Resource(
        code=CODE,
        classification=("部门", "市场监管", "基准"),
        name="基准测试用登记状态",
        summary="只用于测量",
        provider=provider,
        format="service-interface",
        items=(Item(name="status", title="状态", type="C"),),
        parameters=(Item(name="code", title="代码", type="C"),),
        sharing=Sharing(type="unconditional"),
        update_cycle="real-time",
        serving_system=serving,
    )
