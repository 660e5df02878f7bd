"""The drill for people: what was tried, with which keys, and what found it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanyuan.client.drill.ledger import Ledger
from sanyuan.client.drill.run import Outcome
from sanyuan.client.drill.tampering import Finder, Holds
from sanyuan.client.verify import Finding

HOLDS: Final = {
    Holds.NOTHING: "无密钥 no key",
    Holds.LOG: "日志密钥 the log's key",
    Holds.OPERATOR: "日志与审计密钥 the log's and audit's keys",
    Holds.COLLUSION: "再加发送方密钥 and a sender's key too",
}
FINDERS: Final = {
    Finder.ANYONE: "从零核验 from zero",
    Finder.EARLIER: "以前核验过者 who verified before",
    Finder.WITNESS: "问见证者 who asks a witness",
}
HASH_CHARACTERS: Final = 12
HASH_HEX: Final = 64


def render(ledger: Ledger, outcomes: Sequence[Outcome]) -> RenderableType:
    """Return what Rich prints."""
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for column in ("篡改 tampering", "由谁发现 found by", "发现 finding"):
        table.add_column(column, overflow="fold")
    for holds in Holds:
        table.add_row(Text(HOLDS[holds], style="bold"))
        for outcome in outcomes:
            if outcome.tampering.holds is holds:
                table.add_row(*_row(outcome))
    found = sum(outcome.found for outcome in outcomes)
    unseen = sum(outcome.tampering.finder is not Finder.ANYONE for outcome in outcomes)
    return Group(
        Text(
            f"副本 copy: {len(ledger.entries):,} entries, {len(ledger.streams)} streams, "
            f"{len(ledger.seals)} seals, every key made for the drill"
        ),
        table,
        Text(
            f"发现 found {found} / {len(outcomes)}",
            style="bold green" if found == len(outcomes) else "bold red",
        ),
        Text(
            f"其中 {unseen} 种从零看不出，只有先前的检查点能证明。 "
            f"{unseen} of them leave a log that is consistent in itself: "
            "from zero nobody sees them, an earlier checkpoint does.",
            style="dim",
        ),
    )


def _row(outcome: Outcome) -> tuple[Text, Text, Text]:
    tampering = outcome.tampering
    what = Text(f"  {tampering.chinese}\n  {tampering.english}")
    if outcome.finding is None:
        return what, Text("nobody", style="bold red"), Text(f"exit {outcome.report.exit_code}")
    return what, Text(FINDERS[tampering.finder]), _describe(outcome.finding)


def _describe(finding: Finding) -> Text:
    where = [finding.path] if finding.path else []
    if finding.index is not None:
        where.append(f"index {finding.index}")
    if finding.source:
        where.append(f"{finding.source} {finding.topic} {finding.sequence}")
    text = Text(f"{finding.what}\n")
    text.append(", ".join(where), style="dim")
    if finding.found:
        hashes = [_short(each) for each in (finding.expected, finding.found) if each]
        if len(set(hashes)) < len(hashes):  # they differ further behind
            hashes = [str(finding.expected), finding.found]
        text.append(f" {' ≠ '.join(hashes)}", style="dim")
    return text


def _short(found: str) -> str:
    return found[:HASH_CHARACTERS] if len(found) == HASH_HEX else found
