"""``join``, ``agency …`` and ``provision``: how a system becomes part of a domain (design §2)."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, cast

import typer

from sanyuan.client.agency import ROLES, Agency, load_request, open_agency
from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, guard, run, say
from sanyuan.client.joining import join, request_path, system_path
from sanyuan.common.contracts.participants import (
    ParticipantRegistered,
    ParticipantRole,
    ServiceName,
)
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.sources import Role, Source
from sanyuan.common.systems import SystemFile

agency = typer.Typer(no_args_is_help=True, help="The agency's side: who takes part, for what.")

AgencyFile = Annotated[
    Path | None, typer.Option("--as", help="The agency's system file; found in VAR by default.")
]


class AgencyFileError(SanyuanError):
    """It is not clear which system file is the agency's."""


def join_command(
    name: Annotated[str, typer.Argument(help="The system's name, unique in the domain.")],
    participant: Annotated[str, typer.Option(help="Credit code of the organisation.")] = "",
    role: Annotated[str, typer.Option(help=f"{', '.join(ROLES)} or service.")] = "department",
    domain: Annotated[str, typer.Option(help="The domain's name.")] = "cn",
    node: Annotated[str | None, typer.Option(help="The access node to share.")] = None,
    operated_by: Annotated[str | None, typer.Option(help="Credit code of its operator.")] = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """Make a system's keys and the request that the agency admits."""
    source = Source(domain, cast("Role", role), participant or None, name)
    request = guard(lambda: join(var, source, node=node, operated_by=operated_by))
    OUT.print(f"[green]✓[/] {request.source}")
    OUT.print(f"  keys     {system_path(var, name)} (keep them)", highlight=False)
    OUT.print(f"  request  {request_path(var, name)} (send it to the agency)", highlight=False)


@agency.command("admit")
def admit(
    requests: Annotated[list[Path], typer.Argument(help="Request files.")],
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """Register the systems of some requests."""

    async def work() -> None:
        loaded = [load_request(path) for path in requests]
        async with open_agency(find_agency(var, agency_file), say=say) as office:
            new = await office.admit(loaded)
        for request in loaded:
            mark = "[green]✓[/]" if request.source in new else "[dim]already[/]"
            OUT.print(f"{mark} {request.source}", highlight=False)

    run(work())


@agency.command("register")
def register(
    code: Annotated[str, typer.Argument(help="Credit code of the organisation.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    role: Annotated[str, typer.Option(help=", ".join(ROLES))] = "department",
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """Register an organisation."""
    message = guard(
        lambda: ParticipantRegistered(
            participant=code, role=cast("ParticipantRole", role), name=name, name_en=name_en
        )
    )

    async def work(office: Agency) -> None:
        await office.register([message])

    _as_agency(var, agency_file, work)
    OUT.print(f"[green]✓[/] {code} {name}", highlight=False)


@agency.command("permit")
def permit(
    code: Annotated[str, typer.Argument(help="Credit code of the organisation.")],
    service: Annotated[str, typer.Argument(help="identity, license-exchange or catalog.")],
    purposes: Annotated[list[str], typer.Argument(help="All its purposes from now on.")],
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """Say for which purposes an organisation may use a service."""

    async def work(office: Agency) -> None:
        await office.permit(code, cast("ServiceName", service), purposes)

    _as_agency(var, agency_file, work)
    OUT.print(f"[green]✓[/] {code} may use {service} for {', '.join(purposes)}", highlight=False)


@agency.command("revoke-key")
def revoke_key(
    source: Annotated[str, typer.Argument(help="The system's source.")],
    key: Annotated[str, typer.Argument(help="The verifier key, written out.")],
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """Refuse from here on what is signed under a key."""

    async def work(office: Agency) -> None:
        await office.revoke_key(source, str(VerifierKey.parse(key)), reason)

    _as_agency(var, agency_file, work)
    OUT.print(f"[green]✓[/] revoked for {source}", highlight=False)


def find_agency(var: Path, given: Path | None) -> Path:
    """The agency's system file; raises AgencyFileError when it is not the one in ``var``."""
    if given is not None:
        return given
    found = [
        path
        for path in sorted((var / "systems").glob("*.json"))
        if SystemFile.load(path).parsed.role == "agency"
    ]
    if len(found) != 1:
        raise AgencyFileError(
            f"{len(found)} system files here are an agency's",
            where=str(var / "systems"),
            do="name the one with --as FILE",
        )
    return found[0]


def _as_agency(
    var: Path, agency_file: Path | None, work: Callable[[Agency], Awaitable[None]]
) -> None:
    async def connected() -> None:
        async with open_agency(find_agency(var, agency_file), say=say) as office:
            await work(office)

    run(connected())
