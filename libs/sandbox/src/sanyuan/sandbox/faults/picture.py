"""The campaign as it runs: how far, who died how often, how soon work went on."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.faults.campaign import Campaign, Strike
from sanyuan.sandbox.faults.tally import KindTally
from sanyuan.sandbox.kafka import NAME as KAFKA
from sanyuan.sandbox.language import Words

EVERY_SECONDS: Final = 0.5
BAR_CELLS: Final = 40
TOGETHER: Final = "several at once"
WITH_BROKER: Final = f"{KAFKA} and others at once"
_CHINESE: Final = {
    TOGETHER: "多个同时",
    WITH_BROKER: "Kafka 与其他同时",
    "shared-call": "共享调用",
    "verification": "身份核验",
    "license-exchange": "证照交换",
}


@dataclass
class Picture:
    """Drawn at most twice a second, whoever asks."""

    live: Live
    words: Words
    campaign: Campaign
    seconds: float
    begun: float = field(default_factory=time.monotonic)
    drawn: float = 0.0

    def __call__(self) -> None:
        """Draw it as it is now."""
        if time.monotonic() - self.drawn >= EVERY_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Draw it in any case."""
        self.drawn = time.monotonic()
        self.live.update(self._content(), refresh=True)

    def _content(self) -> RenderableType:
        passed = min(time.monotonic() - self.begun, self.seconds)
        offered, ended = self.campaign.nation.offered, len(self.campaign.nation.ended)
        figures = self.words(
            f"{passed:.0f} / {self.seconds:.0f} 秒　kill -9 {self.campaign.kills} 次　"
            f"应办 {offered:,}　办结 {ended:,}",
            f"{passed:.0f} / {self.seconds:.0f} s   {self.campaign.kills} × kill -9   "
            f"{offered:,} offered   {ended:,} ended",
        )
        bar = ProgressBar(total=self.seconds, completed=passed, width=BAR_CELLS)
        table = strikes_table(self.campaign.strikes, self.words)
        return Group(bar, Text(), Text(figures), table)  # a bar does not end its line


@contextmanager
def picture(
    console: Console, words: Words, campaign: Campaign, seconds: float
) -> Iterator[Picture]:
    """A picture that stays when it is over; off a terminal, only its last state."""
    with Live(console=console, auto_refresh=False) as live:
        drawn = Picture(live, words, campaign, seconds)
        yield drawn
        drawn.draw()


def strikes_table(strikes: Sequence[Strike], words: Words) -> Table:
    """A row for each process, and for those that died together."""
    drawn = _table(
        words("被杀", "killed"),
        words("次数", "times"),
        words("在指定步骤", "at a step"),
        words("恢复中位 s", "back, median s"),
        words("最慢 s", "worst s"),
    )
    for name, those in by_victims(strikes).items():
        times = [strike.recovery for strike in those]
        steps = sum(1 for strike in those if strike.step)
        drawn.add_row(
            _say(name, words),
            *(f"{count:,}" for count in (len(those), steps)),
            *(f"{seconds:.1f}" for seconds in (median(times), max(times))),
        )
    return drawn


def kinds_table(tallies: dict[Kind, KindTally], words: Words) -> Table:
    """A row for each kind of operation: what was offered, and what became of it."""
    drawn = _table(
        words("种类", "kind"),
        words("发出", "offered"),
        words("裁定", "decided"),
        words("答复无误", "answered right"),
        words("逾期未答", "no answer in time"),
        words("丢失", "lost"),
        words("重复", "doubled"),
        words("错误", "wrong"),
    )
    for kind in KINDS:
        each = tallies[kind]
        counts = (each.offered, each.decided, each.answered, each.late)
        faults = (each.lost, each.doubled, each.wrong)
        drawn.add_row(
            _say(kind, words),
            *(f"{count:,}" for count in counts),
            *(f"[bold {'red' if count else 'green'}]{count:,}[/]" for count in faults),
        )
    return drawn


def by_victims(strikes: Sequence[Strike]) -> dict[str, list[Strike]]:
    """Strikes by who died, single ones first; what died together is told by whether Kafka did."""
    found: dict[str, list[Strike]] = {}
    for strike in sorted(strikes, key=lambda each: (len(each.who) > 1, each.who)):
        together = WITH_BROKER if KAFKA in strike.who else TOGETHER
        found.setdefault(together if len(strike.who) > 1 else strike.who[0], []).append(strike)
    return found


def median(times: Sequence[float]) -> float:
    """The middle one, the upper of two."""
    return sorted(times)[len(times) // 2]


def _say(name: str, words: Words) -> str:
    return words(_CHINESE.get(name, name), name)


def _table(first: str, *others: str) -> Table:
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    drawn.add_column(first, no_wrap=True)
    for title in others:
        drawn.add_column(title, justify="right")
    return drawn
