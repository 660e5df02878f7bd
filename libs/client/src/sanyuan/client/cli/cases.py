"""``case`` and ``trace``: what happened in one case, from the log and from the traces."""

from pathlib import Path
from typing import Annotated

import typer

from sanyuan.client.casefile import arrange, draw_case, find_case
from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, guard
from sanyuan.client.cli.log import AgencyKey, Log, LogKey, Reader, find_keys, open_log
from sanyuan.client.follow import Logged
from sanyuan.client.tracing import draw_trace, find_trace

CaseId = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]


def case_command(
    case: CaseId,
    log: Log = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    system: Reader = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """Draw a case's records with their places in the log, each proven."""

    def find() -> list[Logged]:
        keys = find_keys(var, agency_key, log_key)
        with open_log(log, var, system) as source:
            return find_case(source, *keys, case)

    OUT.print(draw_case(case, arrange(guard(find))), highlight=False)


def trace_command(
    case: CaseId,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of OTLP JSON lines; that of VAR by default.")
    ] = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """Draw a case's trace, from the first hop to the last."""
    spans = guard(lambda: find_trace(folder or var / "traces", case))
    OUT.print(draw_trace(spans, OUT.width), highlight=False)
