"""``request-grant`` and ``grants …``: who may use which fields, for what (design §7)."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sanyuan.client.cli.console import OUT, run, say
from sanyuan.client.cli.options import As, Case, Fields, Reason
from sanyuan.client.cli.resources import finish
from sanyuan.client.cli.verifying import show
from sanyuan.client.faces.catalog import Granted, GrantOutcome, NotGranted, Pending
from sanyuan.client.faces.commands import MalformedCommandError
from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.common.contracts.catalog import Bounds, GrantRequested, GrantTerms

T = TypeVar("T")
grants = typer.Typer(
    no_args_is_help=True, help="数据使用授权 Grants: what is held, asked for, allowed and revoked."
)

Until = Annotated[datetime, typer.Option(help="有效期至 Until when, in UTC.")]
Quota = Annotated[int | None, typer.Option(min=1, help="总次数 Calls in all.")]
Rate = Annotated[int | None, typer.Option(min=1, help="每秒次数 Calls a second.")]
Request = Annotated[str, typer.Argument(help="申请编号 The request's id.")]
HEADINGS = (
    "授权 grant",
    "资源 resource",
    "用途 purpose",
    "数据项 fields",
    "至 until",
    "次数 quota",
)


def request_grant(  # noqa: PLR0913, PLR0917  every field of the message is one
    code: Annotated[str, typer.Argument(help="资源代码 The resource's code.")],
    system: As,
    purpose: Annotated[str, typer.Option(help="用途 For what.")],
    legal_basis: Annotated[str, typer.Option(help="依据 The law that allows it.")],
    until: Until,
    field: Fields = None,
    quota: Quota = None,
    rate: Rate = None,
    wait: Annotated[
        float, typer.Option(help="等待提供方 Seconds to wait for the provider's word.")
    ] = 0.0,
    case: Case = None,
) -> None:
    """申请使用某资源的数据项 Ask for fields of a resource; without --field, for all of them."""

    async def ask(me: ConnectedSystem) -> GrantOutcome:
        outcome = await me.request_grant(
            code,
            fields=field or await every_item(me, code),
            purpose=purpose,
            legal_basis=legal_basis,
            until=until.replace(tzinfo=until.tzinfo or UTC),
            quota=quota,
            rate=rate,
            case=case,
            sampled=True,
        )
        if isinstance(outcome, Pending) and wait > 0:
            return await me.grant_decided(outcome.request, timeout=wait)
        return outcome

    match as_system(system, ask):
        case Granted(terms=terms):
            show_grants([terms])
        case Pending(request=request, decide_by=by):
            OUT.print(f"待提供方决定 Pending until {by:%Y-%m-%d %H:%M} UTC: {request}")
        case NotGranted() as refused:
            show(refused.record)
            raise typer.Exit(1)


@grants.command("list")
def list_grants(system: As) -> None:
    """本机构持有的授权 The grants that this participant holds, from the public facts."""

    async def read(me: ConnectedSystem) -> list[GrantTerms]:
        return (await me.catalogue()).grants_of(me.participant)

    show_grants(as_system(system, read))


@grants.command("pending")
def pending(system: As) -> None:
    """待本机构决定的申请 What others ask of this system's participant."""

    async def read(me: ConnectedSystem) -> list[GrantRequested]:
        await me.read_inbox()
        return [message for message, _ in me.grant_requests()]

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in (
        "申请 request",
        "资源 resource",
        "申请方 by",
        "用途 purpose",
        "数据项 fields",
        "限 by",
    ):
        table.add_column(heading, overflow="fold", no_wrap=heading.endswith("request"))
    for asked in as_system(system, read):
        by = f"{asked.decide_by:%Y-%m-%d}"
        fields = ", ".join(asked.bounds.fields)
        table.add_row(asked.request, asked.resource, asked.grantee, asked.purpose, fields, by)
    OUT.print(table, highlight=False)


@grants.command("allow")
def allow(
    request: Request,
    system: As,
    field: Fields = None,
    until: Annotated[datetime | None, typer.Option(help="有效期至 Until when, in UTC.")] = None,
    quota: Quota = None,
    rate: Rate = None,
) -> None:
    """同意申请，可收窄范围 Allow a request, as asked or within narrower bounds."""

    async def decide(me: ConnectedSystem) -> Decision:
        await me.read_inbox()
        asked = [message for message, _ in me.grant_requests() if message.request == request]
        changed = {"fields": field, "until": until, "quota": quota, "rate": rate}
        return await me.decide_grant(request, allow=True, bounds=narrow(asked, changed))

    finish(as_system(system, decide))


@grants.command("refuse")
def refuse(request: Request, system: As, reason: Reason) -> None:
    """不同意申请 Refuse a request."""
    finish(as_system(system, lambda me: me.decide_grant(request, allow=False, reason=reason)))


@grants.command("revoke")
def revoke(
    grant: Annotated[str, typer.Argument(help="授权编号 The grant's id.")],
    system: As,
    reason: Reason,
) -> None:
    """终止授权 End a grant, as its provider, its holder or the agency."""
    finish(as_system(system, lambda me: me.revoke_grant(grant, reason=reason)))


def as_system(system: Any, work: Callable[[ConnectedSystem], Awaitable[T]]) -> T:  # noqa: ANN401
    """Connect, work, disconnect."""

    async def connected() -> T:
        async with connect(system, say=say) as me:
            return await work(me)

    return run(connected())


async def every_item(me: ConnectedSystem, code: str) -> Sequence[str]:
    """The names of a resource's items; raises MalformedCommandError when it is not in force."""
    published = (await me.catalogue()).resources.get(code)
    if published is None:
        raise MalformedCommandError(
            "no resource with this code is published", where=code, do="look with: sanyuan search"
        )
    return [item.name for item in published.resource.items]


def narrow(asked: Sequence[GrantRequested], changed: dict[str, Any]) -> Bounds | None:
    """What was asked with narrower bounds; None when nothing is narrower."""
    given = {name: value for name, value in changed.items() if value}
    if not given:
        return None
    if not asked:
        raise MalformedCommandError(
            "the request is not in this system's inbox, so its bounds are not known here",
            do="allow it as it was asked, or with the system to which it was sent",
        )
    if isinstance(moment := given.get("until"), datetime):
        given["until"] = moment.replace(tzinfo=moment.tzinfo or UTC)
    try:
        return Bounds.model_validate(asked[0].bounds.model_dump() | given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise MalformedCommandError(
            first["msg"], where=".".join(map(str, first["loc"])) or "bounds"
        ) from None


def show_grants(terms: Sequence[GrantTerms]) -> None:
    """Grants as a table."""
    if not terms:
        OUT.print("没有授权。 No grant.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading.endswith(("grant", "resource")))
    for each in terms:
        bounds = each.bounds
        table.add_row(
            each.grant,
            each.resource,
            each.purpose,
            ", ".join(bounds.fields),
            f"{bounds.until:%Y-%m-%d}",
            str(bounds.quota or "∞"),
        )
    OUT.print(table, highlight=False)
