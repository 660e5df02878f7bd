"""``verify-person`` and ``verify-organisation``: identity at a terminal (design §5)."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sanyuan.client.cli.console import OUT, run, say
from sanyuan.client.inbox import Decision
from sanyuan.client.system import connect

As = Annotated[Path, typer.Option("--as", help="The system file to act with.")]
Purpose = Annotated[str, typer.Option(help="The purpose, one that the agency permitted.")]
Basis = Annotated[str, typer.Option("--legal-basis", help="The law that allows the question.")]
Case = Annotated[str | None, typer.Option(help="The case; a new one by default.")]


def verify_person(
    name: Annotated[str, typer.Argument(help="Name.")],
    number: Annotated[str, typer.Argument(help="Citizen number.")],
    system: As,
    purpose: Purpose,
    legal_basis: Basis,
    mobile: Annotated[str | None, typer.Option(help="Mobile number, the third factor.")] = None,
    case: Case = None,
) -> None:
    """Ask whether a name and a citizen number belong to one person."""

    async def work() -> Decision:
        async with connect(system, say=say) as me:
            return await me.verify_person(
                name=name,
                number=number,
                mobile=mobile,
                purpose=purpose,
                legal_basis=legal_basis,
                case=case,
                sampled=True,
            )

    show(run(work()))


def verify_organisation(
    name: Annotated[str, typer.Argument(help="Name.")],
    code: Annotated[str, typer.Argument(help="Unified social credit code.")],
    system: As,
    purpose: Purpose,
    legal_basis: Basis,
    case: Case = None,
) -> None:
    """Ask whether a name and a credit code belong to one organisation."""

    async def work() -> Decision:
        async with connect(system, say=say) as me:
            return await me.verify_organisation(
                name=name,
                code=code,
                purpose=purpose,
                legal_basis=legal_basis,
                case=case,
                sampled=True,
            )

    show(run(work()))


def show(decision: Decision) -> None:
    """A decision as a table: everything but what was sealed."""
    table = Table.grid(padding=(0, 2))
    table.add_row("decision", decision.type)
    if decision.reason:
        table.add_row("reason", decision.reason)
        table.add_row("detail", str(getattr(decision.message, "detail", "") or ""))
    if assertion := decision.opened.get("assertion"):
        table.add_row("assertion", assertion.decode())
    table.add_row("case", decision.case)
    table.add_row("time", decision.envelope.time)
    OUT.print(table, highlight=False)
