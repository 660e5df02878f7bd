"""Steps in front of the user's eyes: one calm line each, with a bar while it lasts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from sanyuan.sandbox.language import Language, Words

TITLE_CELLS: Final = 16
_CHINESE: Final = {
    "Kafka's first start": "Kafka 首次启动",
    "Kafka": "下载 Kafka",
    "Topics": "主题",
    "Permissions": "权限",
    "Users": "用户",
    "Connections": "连接",
    "Keys": "密钥",
    "Registers": "登记簿",
}


class Step:
    """The step that is under way; `detail` is what its line says in the end."""

    def __init__(self, progress: Progress, task: TaskID, words: Words) -> None:
        self._progress = progress
        self._task = task
        self._words = words
        self.detail = ""

    def report(self, what: str, done: int, total: int) -> None:
        """Show progress: a `sanyuan.client.progress.Report`."""
        name = self._words(_CHINESE.get(what, what), what)
        self._progress.update(self._task, what=name, completed=done, total=total)


class Steps:
    """Draws on a console; off a terminal each line appears when its step is over."""

    def __init__(self, console: Console, language: Language) -> None:
        self.console = console
        self._words = Words(language)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step; whatever it raises leaves a crossed line and passes through."""
        begun = time.monotonic()
        columns = (
            SpinnerColumn("dots", style="cyan"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("[dim]{task.fields[what]}"),
        )
        progress = Progress(*columns, console=self.console, transient=True)
        step = Step(progress, progress.add_task(_padded(title), total=None, what=""), self._words)
        try:
            with progress if self.console.is_terminal else nullcontext():
                yield step
        except BaseException:
            self.console.print(_line("✗", "red", title, "", time.monotonic() - begun))
            raise
        self.console.print(_line("✓", "green", title, step.detail, time.monotonic() - begun))


def _line(mark: str, style: str, title: str, detail: str, seconds: float) -> Text:
    return Text.assemble(
        (f" {mark} ", style),
        _padded(title),
        " ",
        Text.from_markup(detail, overflow="fold"),
        (f"  {seconds:.1f} s", "dim"),
    )


def _padded(title: str) -> str:
    return title + " " * max(0, TITLE_CELLS - cell_len(title))
