"""``withhold``: the supervisor takes an entry's bytes out of the log (design §8)."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, run, say
from sanyuan.client.cli.log import AgencyKey, Log, LogKey, find_keys, open_log
from sanyuan.client.system import connect
from sanyuan.client.withholding import log_size, make_order, open_year, wait_for_answer
from sanyuan.common.contracts.log import Withheld, WithholdEntry, WithholdingRefused
from sanyuan.common.envelope import hash_value

EXIT_REFUSED = 1


def withhold(  # noqa: PLR0913, PLR0917  one for each option
    index: Annotated[int, typer.Argument(min=0, help="序号 The entry's index in the log.")],
    system: Annotated[
        Path, typer.Option("--as", help="监管方系统的文件 The file of a system of the supervisor.")
    ],
    ground: Annotated[str, typer.Option(help="理由 The ground, kept in the log for ever.")],
    year: Annotated[
        int | None,
        typer.Option(help="条目所在日志的年份 The year of the entry's log, if an earlier one."),
    ] = None,
    log: Log = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    timeout: Annotated[float, typer.Option(help="等待秒数 Seconds to wait for the answer.")] = 60.0,
    var: Var = DEFAULT_VAR,
) -> None:
    """隐去一个条目 Withhold an entry: its bytes go, its hash and this order stay."""

    async def work() -> Withheld | WithholdingRefused:
        _, signer = find_keys(var, agency_key, log_key)
        with open_log(log, var, system) as source:
            of_year = await asyncio.to_thread(open_year, source, year)
            order = await asyncio.to_thread(make_order, of_year, signer, index, ground)
            start = await asyncio.to_thread(log_size, source, signer)
            async with connect(system, say=say) as me:
                row = await me.send(WithholdEntry, order, {})
                sent = hash_value(row.value)
                return await asyncio.to_thread(
                    wait_for_answer, source, signer, start, sent, timeout
                )

    match run(work()):
        case Withheld(order=order):
            OUT.print(f"已隐去 Withheld: {index}，依据 by the order in entry {order}")
        case WithholdingRefused(order=order, reason=reason):
            OUT.print(f"未隐去 Not withheld: {reason}（见 see entry {order}）")
            raise typer.Exit(EXIT_REFUSED)
