"""The load as it runs: a picture twice a second, drawn from files and metrics."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox import services
from sanyuan.sandbox.demo.departments import folder_of
from sanyuan.sandbox.demo.memory import MemoryWatch
from sanyuan.sandbox.demo.progress import Progress, load, quantile, since
from sanyuan.sandbox.demo.schedule import Plan
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.starting import Installation

PICTURES_A_SECOND: Final = 2
BAR_CELLS: Final = 40
_OLDEST: Final = 'sanyuan_oldest_unprocessed_seconds{service="identity"}'
_OUTBOX: Final = 'sanyuan_outbox_age_seconds{service="identity"}'


@dataclass(slots=True)
class Lags:
    """Checkpoint lags (append time to publication, ms) since the load began."""

    step: int = 10
    before: dict[int, int] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)

    def begin(self, status: Mapping[str, Any]) -> None:
        """Leave out what was before."""
        self.before = _lags(status)

    def look(self, status: Mapping[str, Any]) -> None:
        """Take the service's counts as they are now; a restarted one counts from nothing."""
        now = _lags(status)
        if not now:
            return
        if sum(now.values()) < sum(self.before.values()):
            self.before = {}
        self.step = int(status["lag_step_ms"])
        self.counts = since(now, self.before)

    def quantile(self, share: float) -> int | None:
        """In ms, rounded up to the service's step."""
        found = quantile(self.counts, share)
        return None if found is None else (found + 1) * self.step


class Picture:
    """What is on the screen while the load runs."""

    def __init__(self, installation: Installation, plan: Plan, memory: MemoryWatch) -> None:
        self._ports = installation.ports
        self._folder = folder_of(installation.settings.var)
        self._words = Words(installation.settings.language)
        self._plan = plan
        self._memory = memory
        self._rates: list[tuple[float, int]] = []
        self.lags = Lags()
        self.lags.begin(services.figures(self._ports["audit"]))

    def show(self, console: Console, finished: Callable[[Progress], bool]) -> Progress:
        """Draw until it is finished; the last picture stays."""
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                progress = self._progress()
                live.update(self._draw(progress), refresh=True)
                if finished(progress):
                    return progress
                time.sleep(1 / PICTURES_A_SECOND)

    def _progress(self) -> Progress:
        progress = load(self._folder)
        return progress if progress.plan == self._plan.id else Progress()

    def _draw(self, progress: Progress) -> RenderableType:
        status = services.figures(self._ports["audit"])
        self.lags.look(status)
        return Group(self._heading(progress), self._table(progress, status))

    def _heading(self, progress: Progress) -> RenderableType:
        plan, words = self._plan, self._words
        title = words(
            f"负载　53 个部门同时核验，每秒 {plan.rate:,.0f} 次，{plan.seconds:g} 秒",
            f"Load: 53 departments verify, {plan.rate:,.0f} a second for {plan.seconds:g} s",
        )
        grid = Table.grid(padding=(0, 1))
        done = progress.completed + progress.refused
        bar = ProgressBar(total=plan.total, completed=done, width=BAR_CELLS)
        grid.add_row(" ", bar, Text(f"{done:,} / {plan.total:,}", style="dim"))
        return Group(Text(f"\n{title}\n", style="bold"), grid, Text(""))

    def _table(self, progress: Progress, status: Mapping[str, Any]) -> Table:
        words = self._words
        identity = services.metrics(self._ports["identity"])
        ms = progress.latencies
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        rows = (
            (words("  速率", "  rate"), f"{self._rate(progress):,.0f} /s"),
            (
                words("  时延", "  latency"),
                _pair(quantile(ms, 0.5), quantile(ms, 0.99))
                + words(
                    "   从计划时刻到打开答复", "   from the scheduled time to the opened answer"
                ),
            ),
            (
                words("  决定", "  decisions"),
                words(
                    f"一致 {progress.completed - progress.mismatches:,}　"
                    f"不一致 {progress.mismatches:,}　拒绝 {progress.refused:,}",
                    f"{progress.completed - progress.mismatches:,} yes   "
                    f"{progress.mismatches:,} no   {progress.refused:,} refused",
                ),
            ),
            (
                words("  排队", "  waiting"),
                "   ".join(
                    (
                        f"identity {identity.get(_OLDEST, 0.0):.1f} s",
                        f"audit {status.get('oldest_unprocessed_s', 0.0):.1f} s",
                        f"{words('发件箱', 'outbox')} {identity.get(_OUTBOX, 0.0):.1f} s",
                    )
                ),
            ),
            (
                words("  日志", "  log"),
                f"{status.get('size', 0):,} "
                + words("条，入册 ", "entries, checkpoint lag ")
                + _pair(self.lags.quantile(0.5), self.lags.quantile(0.99)),
            ),
            (words("  内存", "  memory"), f"{self._memory.now:,.0f} MiB"),
        )
        for row in rows:
            table.add_row(*row)
        return table

    def _rate(self, progress: Progress) -> float:
        """Decisions a second over the last three seconds, or over all when it is done."""
        done = progress.completed + progress.refused
        if progress.phase == "done" and progress.finished:
            return done / progress.finished
        self._rates = [*self._rates[-6:], (time.monotonic(), done)]
        (begun, before), (now, after) = self._rates[0], self._rates[-1]
        return (after - before) / (now - begun) if now > begun else 0.0


def _pair(p50: int | None, p99: int | None) -> str:
    return "–" if p50 is None else f"p50 {p50:,} ms   p99 {p99:,} ms"


def _lags(status: Mapping[str, Any]) -> dict[int, int]:
    return {int(step): count for step, count in status.get("lags", {}).items()}
