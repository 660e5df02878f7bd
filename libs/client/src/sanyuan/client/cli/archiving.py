"""``archive-log``: the entries of an earlier year into cold storage (design §8)."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from sanyuan.client.archiving import archive_log
from sanyuan.client.cli.console import DEFAULT_VAR, ERR, OUT, Var, guard
from sanyuan.client.cli.log import AgencyKey, LogKey, find_keys


def archive_command(
    log: Annotated[
        Path, typer.Argument(help="旧年日志的文件夹 The folder of an earlier year's log.")
    ],
    archive: Annotated[Path, typer.Argument(help="冷存储 The folder to move the entries to.")],
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """旧年日志移入冷存储 Move a closed log's entries away; its hashes and checkpoint stay."""

    def work() -> Path:
        _, signer = find_keys(var, agency_key, log_key)
        with Progress(console=ERR, transient=True) as bar:
            task = bar.add_task("proving", total=1)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            return archive_log(log, archive, signer, progress)

    target = guard(work)
    OUT.print(f"已移入 Moved to {target}", markup=False, highlight=False)
    OUT.print(f"sanyuan verify {log} --archive {archive}", markup=False, highlight=False)
