"""``verify-person`` and ``verify-organisation``: identity at a terminal (design §5)."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from sanyuan.client.cli.console import OUT, run, say
from sanyuan.client.faces import identity as service
from sanyuan.client.inbox import Decision
from sanyuan.client.system import connect

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
As = Annotated[Path, typer.Option("--as", help="The system file to act with.")]
Purpose = Annotated[str, typer.Option(help="The purpose, one that the agency permitted.")]
Basis = Annotated[str, typer.Option("--legal-basis", help="The law that allows the question.")]
Case = Annotated[str | None, typer.Option(help="The case; a new one by default.")]
Audience = Annotated[
    service.Audience, typer.Option(help="The service that the assertion will be shown to.")
]
SaveTo = Annotated[
    Path | None,
    typer.Option("--assertion-to", help="Write the assertion to this file, for --assertion."),
]


def verify_person(  # noqa: PLR0913, PLR0917  every option of the command is one
    name: Annotated[str, typer.Argument(help="Name.")],
    number: Annotated[str, typer.Argument(help="Citizen number.")],
    system: As,
    purpose: Purpose,
    legal_basis: Basis,
    mobile: Annotated[str | None, typer.Option(help="Mobile number, the third factor.")] = None,
    case: Case = None,
    audience: Audience = "license-exchange",
    assertion_to: SaveTo = None,
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
                audience=audience,
                case=case,
                sampled=True,
            )

    show(run(work()), assertion_to)


def verify_organisation(  # noqa: PLR0913, PLR0917  as above
    name: Annotated[str, typer.Argument(help="Name.")],
    code: Annotated[str, typer.Argument(help="Unified social credit code.")],
    system: As,
    purpose: Purpose,
    legal_basis: Basis,
    case: Case = None,
    audience: Audience = "license-exchange",
    assertion_to: SaveTo = None,
) -> None:
    """Ask whether a name and a credit code belong to one organisation."""

    async def work() -> Decision:
        async with connect(system, say=say) as me:
            return await me.verify_organisation(
                name=name,
                code=code,
                purpose=purpose,
                legal_basis=legal_basis,
                audience=audience,
                case=case,
                sampled=True,
            )

    show(run(work()), assertion_to)


def show(decision: Decision, assertion_to: Path | None = None) -> None:
    """A decision as a table; the assertion in a line of its own, or in a file of its owner's."""
    table = Table.grid(padding=(0, 2))
    table.add_row("decision", decision.type)
    if decision.reason:
        table.add_row("reason", decision.reason)
        table.add_row("detail", str(getattr(decision.message, "detail", "") or ""))
    table.add_row("case", decision.case)
    table.add_row("time", decision.envelope.time)
    assertion = decision.opened.get("assertion")
    if assertion and assertion_to is not None:
        with os.fdopen(os.open(assertion_to, _WRITE, 0o600), "wb") as file:
            file.write(assertion)
        table.add_row("assertion", str(assertion_to))
    OUT.print(table, highlight=False)
    if assertion and assertion_to is None:
        OUT.print(f"assertion  {assertion.decode()}", highlight=False, soft_wrap=True)
