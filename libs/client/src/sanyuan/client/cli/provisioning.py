"""``provision``: the broker as the directory has it, by whoever administers it (design §2)."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sanyuan.client.agency import load_request
from sanyuan.client.broker import Broker
from sanyuan.client.cli.console import DEFAULT_VAR, ERR, OUT, Var, guard
from sanyuan.client.joining import request_path
from sanyuan.client.progress import Report, bars
from sanyuan.client.provisioning import Provisioned, found, provision
from sanyuan.client.provisioning.reading import read_directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.sources import parse_source
from sanyuan.common.systems import JoinRequest, SystemFile

Urls = Annotated[
    list[str] | None,
    typer.Option("--url", help="Where a service's HTTP reads are, NAME=URL; those known here."),
]
Founding = Annotated[
    bool, typer.Option("--found", help="Only what the agency needs to found the domain.")
]


class AgencyUnknownError(SanyuanError):
    """Nothing here says which agency's key to trust."""


class UrlError(SanyuanError):
    """A --url is not NAME=URL."""


def provision_command(
    founding: Founding = False,  # noqa: FBT002  a flag of the command line
    broker: Annotated[
        Path | None, typer.Option(help="The administrator's file; that of VAR by default.")
    ] = None,
    url: Urls = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """Create topics, users and permissions, and connect the systems of VAR. Idempotent."""
    systems = var / "systems"
    admin = guard(lambda: Broker.load(broker or var / "kafka" / "admin.json"))
    agency = guard(lambda: find_agency_request(var))
    urls = guard(lambda: parse_urls(url) if url else known_urls(systems))

    async def work(report: Report) -> Provisioned:
        source = parse_source(agency.source)
        if founding:
            return await found(source, agency.signing_key, admin, systems, report)
        key = VerifierKey.parse(agency.signing_key)
        directory = await read_directory(agency.source, key, admin)
        return await provision(directory, admin, systems, urls, report)

    with bars(ERR) as report:
        done = guard(lambda: asyncio.run(work(report)))
    tell(done)


def find_agency_request(var: Path) -> JoinRequest:
    """The public half of the agency's keys, as its request has it; raises AgencyUnknownError."""
    for path in sorted(request_path(var, "any").parent.glob("*.json")):
        request = load_request(path)
        if request.role == "agency":
            return request
    raise AgencyUnknownError(
        "no request here is an agency's",
        where=str(var / "requests"),
        do="make it with: sanyuan join NAME --role agency --participant CODE",
    )


def known_urls(systems: Path) -> dict[str, str]:
    """The URLs that connected systems have been given; none before."""
    files = (SystemFile.load(path) for path in sorted(systems.glob("*.json")))
    return next((dict(system.urls) for system in files if system.urls), {})


def parse_urls(texts: list[str]) -> dict[str, str]:
    """Parse NAME=URL; raises UrlError."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, url in pairs:
        if not (name and equals and url.startswith(("http://", "https://"))):
            raise UrlError("a URL is given as NAME=http://…", where=f"{name}{equals}{url}"[:200])
    return {name: url for name, _, url in pairs}


def tell(done: Provisioned) -> None:
    """What changed."""
    changes = {
        "topics": done.topics,
        "users": done.users,
        "permissions granted": done.granted,
        "permissions taken": done.taken,
        "systems connected": len(done.connected),
    }
    changed = ", ".join(f"{number} {what}" for what, number in changes.items() if number)
    OUT.print(f"[green]✓[/] {changed or 'nothing to change'}", highlight=False)
    for name in done.elsewhere:
        OUT.print(f"  {name}: no system file here, so nobody was told its password", style="dim")
