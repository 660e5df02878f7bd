"""``recover``: a system that lost its outbox goes on as a new source (design §3)."""

from pathlib import Path
from typing import Annotated

import typer

from sanyuan.client.agency import open_agency
from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, run, say
from sanyuan.client.cli.membership import AgencyFile, AgencyFileError, find_agency
from sanyuan.client.joining import request_path
from sanyuan.client.recovering import Recovery, prepare_recovery


def recover(
    names: Annotated[list[str], typer.Argument(help="Systems that lost their database. 系统名。")],
    database: Annotated[
        Path | None,
        typer.Option(help="The lost or old database, where it is not VAR/state/NAME/client.db."),
    ] = None,
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """丢失发件箱的系统以新来源继续 Go on as a new source after the loss of an outbox.

    Where the agency's file is at hand, it admits the new source at once; else it is sent the
    request. Systems of one database are recovered together.
    """

    async def work() -> None:
        made = [await prepare_recovery(var, name, database) for name in names]
        for each in made:
            _tell(each)
        try:
            agency = find_agency(var, agency_file)
        except AgencyFileError:
            requests = " ".join(str(request_path(var, name)) for name in names)
            OUT.print(
                f"请机构执行 the agency runs: sanyuan agency admit {requests}", soft_wrap=True
            )
            return
        async with open_agency(agency, say=say) as office:
            await office.admit([each.request for each in made])
        for each in made:
            OUT.print(f"[green]✓[/] {each.request.source} 可以连接 may connect", highlight=False)

    run(work())


def _tell(made: Recovery) -> None:
    if made.set_aside is not None:
        OUT.print(f"  旧库 old database  {made.set_aside}", highlight=False, soft_wrap=True)
    OUT.print(f"  {made.before} → {made.request.source}", highlight=False, soft_wrap=True)
