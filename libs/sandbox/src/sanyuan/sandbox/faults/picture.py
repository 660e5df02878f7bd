"""The campaign as it runs: how far, who died how often, how soon work went on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox.faults.campaign import Campaign, Strike
from sanyuan.sandbox.language import Words

EVERY_SECONDS = 0.5
BAR_CELLS = 40


@dataclass
class Picture:
    """Drawn at most twice a second, whoever asks."""

    live: Live
    words: Words
    seconds: float
    begun: float = field(default_factory=time.monotonic)
    drawn: float = 0.0

    def __call__(self, campaign: Campaign) -> None:
        """Draw it as it is now."""
        if time.monotonic() - self.drawn >= EVERY_SECONDS:
            self.drawn = time.monotonic()
            self.live.update(self.draw(campaign), refresh=True)

    def draw(self, campaign: Campaign) -> RenderableType:
        """The bar, the figures and the table."""
        passed = min(time.monotonic() - self.begun, self.seconds)
        asked, heard = campaign.asked, campaign.heard
        figures = self.words(
            f"{passed:.0f} / {self.seconds:.0f} 秒　kill -9 {campaign.kills} 次　"
            f"已提问 {asked:,}　已答复 {heard:,}",
            f"{passed:.0f} / {self.seconds:.0f} s   {campaign.kills} × kill -9   "
            f"{asked:,} asked   {heard:,} answered",
        )
        bar = ProgressBar(total=self.seconds, completed=passed, width=BAR_CELLS)
        return Group(bar, Text(figures), table(campaign.strikes, self.words))


@contextmanager
def picture(console: Console, words: Words, seconds: float) -> Iterator[Picture]:
    """A picture that stays when it is over; off a terminal, only its last state."""
    with Live(console=console, auto_refresh=False) as live:
        yield Picture(live, words, seconds)


def table(strikes: list[Strike], words: Words) -> Table:
    """A row for each set of processes that died together."""
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    drawn.add_column(words("被杀", "killed"))
    for title in (
        words("次数", "times"),
        words("在指定步骤", "at a step"),
        words("恢复中位 s", "back, median s"),
        words("最慢 s", "worst s"),
    ):
        drawn.add_column(title, justify="right")
    for who, times in by_victims(strikes).items():
        steps = sum(1 for strike in strikes if strike.who == who and strike.step)
        drawn.add_row(
            " + ".join(who),
            str(len(times)),
            str(steps),
            f"{median(times):.1f}",
            f"{max(times):.1f}",
        )
    return drawn


def by_victims(strikes: list[Strike]) -> dict[tuple[str, ...], list[float]]:
    """Recovery times by who died, single ones first."""
    found: dict[tuple[str, ...], list[float]] = {}
    for strike in sorted(strikes, key=lambda each: (len(each.who), each.who)):
        found.setdefault(strike.who, []).append(strike.recovery)
    return found


def median(times: list[float]) -> float:
    """The middle one, the upper of two."""
    return sorted(times)[len(times) // 2]
