"""Progress of a long step: whoever works reports numbers, whoever shows draws a bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


def silent(what: str, done: int, total: int) -> None:
    """The Report of those who do not want one."""


@contextmanager
def bars(console: Console) -> Iterator[Report]:
    """A Report that draws one bar a step; off a terminal, one line a step when it is over."""
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks = dict[str, int]()

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(progress.task_ids[tasks[what]], completed=done, total=total)

        yield report
