"""Catalogue, licences and grants on their way into the domain, with a bar (design §10).

The load processes do the work; here somebody waits for it. What the case needs is there first.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of, name_of
from sanyuan.sandbox.demo.load.orders import put_first, read_first
from sanyuan.sandbox.demo.load.process import program
from sanyuan.sandbox.demo.load.progress import PROGRESS, Progress, load, together
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.runner import Runner, mourner
from sanyuan.sandbox.starting import Installation

PATIENCE_SECONDS: Final = 300.0
LIVES: Final = 3
"""The supervisor starts a load process again; what keeps dying needs somebody to look."""
_POLL_SECONDS: Final = 0.2


class LoadingError(SanyuanError):
    """Catalogue, licences or grants do not come into the domain."""


def start(
    installation: Installation, resources: tuple[str, ...] = (), holders: tuple[str, ...] = ()
) -> None:
    """Start the load processes; these resources and holders' licences go first."""
    put_first(installation.settings.var, resources, holders)
    for process in PROCESSES:
        # What an earlier life has told says nothing of this one.
        (folder_of(installation.settings.var, process) / PROGRESS).unlink(missing_ok=True)
        installation.runner.start(program(installation.settings.var, process))


def stop(runner: Runner) -> None:
    """Stop them."""
    for process in reversed(PROCESSES):
        runner.stop(name_of(process))


def wait_for_first(installation: Installation) -> None:
    """Return once what goes first is there, at once when nothing does; raises LoadingError."""
    if read_first(installation.settings.var):
        _wait(installation, lambda progress: progress.ready_for_case, lambda _: None)


def wait_for_all(installation: Installation, console: Console) -> Progress:
    """Return once everything is there, with a bar while it is not; raises LoadingError."""
    words = Words(installation.settings.language)
    title = words("目录、授权与证照", "Catalogue, grants and licences")
    columns = (
        TextColumn(f"  {title}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("publish", total=1)

        def show(progress: Progress) -> None:
            total = max(1, progress.to_publish)
            bar.update(task, completed=progress.published, total=total)

        return _wait(installation, _is_loaded, show)


def _is_loaded(progress: Progress) -> bool:
    return progress.phase in ("waiting", "running", "done")


def _wait(
    installation: Installation, until: Callable[[Progress], bool], show: Callable[[Progress], None]
) -> Progress:
    var = installation.settings.var
    died = [mourner(installation.runner, name_of(each), LIVES) for each in PROCESSES]
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        progress = whole(var)
        show(progress)
        if until(progress):
            return progress
        if any(each() for each in died) or time.monotonic() > end:
            raise LoadingError(
                f"{progress.published:,} of {progress.to_publish:,} resources, grants and licences "
                "are there, and no more come",
                where=str(var / "logs"),
                do="see what the load processes say there",
            )
        time.sleep(_POLL_SECONDS)


def whole(var: Path) -> Progress:
    """Both processes together, whatever their plans."""
    return together([load(folder_of(var, each)) for each in PROCESSES], None)
