"""The load as it runs: a picture twice a second, drawn from files and metrics."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox import services
from sanyuan.sandbox.demo import nation
from sanyuan.sandbox.demo.lags import Lags
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of
from sanyuan.sandbox.demo.load.mix import Kind
from sanyuan.sandbox.demo.load.progress import Outcome, Progress, load, together
from sanyuan.sandbox.demo.load.schedule import Plan
from sanyuan.sandbox.demo.memory import MemoryWatch
from sanyuan.sandbox.demo.quantiles import quantile
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.starting import Installation

PICTURES_A_SECOND: Final = 2
BAR_CELLS: Final = 40
_WINDOW: Final = 7
"""Looks over which a rate is taken: three seconds."""
_OLDEST: Final = 'sanyuan_oldest_unprocessed_seconds{{service="{}"}}'
_AUDIT_OLDEST: Final = "oldest_unprocessed_s"
Look = tuple[float, dict[Kind, int]]


class Picture:
    """What is on the screen while the load runs."""

    def __init__(self, installation: Installation, plan: Plan, memory: MemoryWatch) -> None:
        self._ports = installation.ports
        self._folders = [folder_of(installation.settings.var, each) for each in PROCESSES]
        self._words = Words(installation.settings.language)
        self._plan = plan
        self._memory = memory
        self._looks: list[Look] = []
        self.lags = Lags()
        self.lags.begin(services.figures(self._ports["audit"]))

    def show(self, console: Console, finished: Callable[[Progress], bool]) -> Progress:
        """Draw until it is finished; the last picture stays."""
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                progress = together(map(load, self._folders), self._plan.id)
                live.update(self._draw(progress), refresh=True)
                if finished(progress):
                    return progress
                time.sleep(1 / PICTURES_A_SECOND)

    def _draw(self, progress: Progress) -> RenderableType:
        status = services.figures(self._ports["audit"])
        self.lags.look(status)
        ended = {kind: each.ended for kind, each in progress.kinds.items()}
        self._looks = [*self._looks[1 - _WINDOW :], (time.monotonic(), ended)]
        return Group(
            heading(progress, self._plan, self._words),
            kinds_table(progress, rates(self._looks, progress), self._words),
            Text(""),
            self._state(progress, status),
        )

    def _state(self, progress: Progress, status: Mapping[str, Any]) -> Table:
        words = self._words
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_row(words("  其中", "  of these"), outcomes(progress, words))
        table.add_row(words("  排队", "  waiting"), self._waiting(status))
        lag = pair(self.lags.quantile(0.5), self.lags.quantile(0.99))
        entries = f"{status.get('size', 0):,} "
        table.add_row(
            words("  日志", "  log"), entries + words("条，入册 ", "entries, checkpoint lag ") + lag
        )
        table.add_row(words("  内存", "  memory"), f"{self._memory.now:,.0f} MiB")
        return table

    def _waiting(self, status: Mapping[str, Any]) -> str:
        """The oldest record that each service has not decided, in seconds."""
        oldest = {
            name: services.metrics(self._ports[name]).get(_OLDEST.format(name), 0.0)
            for name in services.NAMES
            if name != "audit"
        }
        oldest["audit"] = float(status.get(_AUDIT_OLDEST) or 0.0)
        return "   ".join(f"{name} {seconds:.1f} s" for name, seconds in oldest.items())


def heading(progress: Progress, plan: Plan, words: Words) -> RenderableType:
    """What is done, and how far it is."""
    title = words(
        f"全国负载　{nation.DEPARTMENTS} 个部门互为供需，"
        f"每秒 {plan.rate:,.0f} 次，{plan.seconds:g} 秒",
        f"The national load: {nation.DEPARTMENTS} departments call and serve each other, "
        f"{plan.rate:,.0f} a second for {plan.seconds:g} s",
    )
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=plan.total, completed=progress.ended, width=BAR_CELLS)
    grid.add_row(" ", bar, Text(f"{progress.ended:,} / {plan.total:,}", style="dim"))
    return Group(Text(f"\n{title}\n", style="bold"), grid, Text(""))


def kinds_table(progress: Progress, per_second: Mapping[Kind, float], words: Words) -> Table:
    """The three kinds beside the nation's average of 2020."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("")
    table.add_column(words("每秒", "a second"), justify="right", style="bold")
    table.add_column(words("2020 年全国", "nation 2020"), justify="right", style="dim")
    table.add_column(words("完成", "completed"), justify="right")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for figure in nation.FIGURES:
        kind = progress.kinds[figure.kind]
        p50, p99 = (quantile(kind.latencies, share) for share in (0.5, 0.99))
        table.add_row(
            words(*figure.name),
            f"{per_second.get(figure.kind, 0.0):,.0f}",
            f"{figure.per_second:,}",
            f"{kind.completed:,}",
            "–" if p50 is None else f"{p50:,} ms",
            "–" if p99 is None else f"{p99:,} ms",
        )
    return table


def outcomes(progress: Progress, words: Words) -> str:
    """How operations have ended otherwise than by an opened answer."""
    no, expected = progress.of(Outcome.NOT_VERIFIED), progress.of(Outcome.REFUSED_AS_EXPECTED)
    refused, failed = progress.of(Outcome.REFUSED), progress.of(Outcome.FAILED)
    surprising = progress.of(Outcome.SURPRISING)
    text = words(
        f"不一致 {no:,}　越权被拒 {expected:,}　另被拒绝 {refused:,}　无答复 {failed:,}",
        f"{no:,} do not match   {expected:,} beyond a grant   {refused:,} refused   "
        f"{failed:,} unanswered",
    )
    wrong = words(f"　答复有误 {surprising:,}", f"   {surprising:,} wrong")
    return text + (wrong if surprising else "")


def rates(looks: list[Look], progress: Progress) -> dict[Kind, float]:
    """Ended a second of each kind: over the last three seconds, or over all when it is done."""
    if progress.phase == "done" and progress.finished:
        return {kind: each.ended / progress.finished for kind, each in progress.kinds.items()}
    (begun, before), (now, after) = looks[0], looks[-1]
    if now <= begun:
        return {}
    return {kind: (count - before[kind]) / (now - begun) for kind, count in after.items()}


def pair(p50: int | None, p99: int | None) -> str:
    """Two quantiles, or nothing yet."""
    return "–" if p50 is None else f"p50 {p50:,} ms   p99 {p99:,} ms"
