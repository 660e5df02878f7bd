"""A report for people: two verdicts, every finding, and what nobody could check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanyuan.client.verify.findings import Completeness, Finding, Grade, Integrity, Report, Silence

STYLES: Final = {
    Grade.FORGED: "bold red",
    Grade.UNREADABLE: "yellow",
    Grade.INCOMPLETE: "yellow",
    Grade.NOTICE: "cyan",
}
MAX_TIME: Final = 253_402_300_799
"""The end of the year 9999: what a witness says its clock shows may be anything."""
MAX_SILENT: Final = 3
"""Streams shown; `--json` has all of them."""
INTEGRITY: Final = {
    Integrity.SOUND: ("bold green", "sound: every entry is what was signed, where it was put"),
    Integrity.FORGED: ("bold red", "FORGED: see the findings"),
    Integrity.UNKNOWN: ("bold yellow", "could not be checked"),
}
COMPLETENESS: Final = {
    Completeness.COMPLETE: ("bold green", "complete: every stream is contiguous and sealed"),
    Completeness.INCOMPLETE: ("bold yellow", "INCOMPLETE: the log says what is missing"),
    Completeness.UNKNOWN: ("bold yellow", "could not be checked"),
}


def render(report: Report) -> RenderableType:
    """Return what Rich prints."""
    parts: list[RenderableType] = [_summary(report)]
    if report.findings:
        parts.append(_findings(report.findings))
    if report.suppressed:
        parts.append(Text(f"and {report.suppressed} more of the same kinds", style="dim"))
    parts.append(Text("Not checked, because nobody could:", style="dim"))
    parts += [Text(f"  · {each}", style="dim") for each in report.unchecked]
    return Group(*parts)


def print_report(report: Report, console: Console) -> None:
    """Print to `console`."""
    console.print(render(report))


def _summary(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("log", report.origin or report.source)
    if report.size is not None:
        table.add_row("size", f"{report.size:,} entries, root {report.root}")
        new = report.size - report.checked_from
        table.add_row(
            "checked", f"{new:,} entries, {report.streams:,} streams in {report.seconds:.1f} s"
        )
    if report.sealed_at is not None:
        table.add_row("newest seal", _clock(report.sealed_at))
    if report.before is not None:
        before = report.before
        table.add_row("before it", f"{before.origin}, {before.size or 0:,} entries")
    style, text = INTEGRITY[report.integrity]
    table.add_row("integrity", Text(text, style=style))
    style, text = COMPLETENESS[report.completeness]
    table.add_row("completeness", Text(text, style=style))
    for silence in report.silences[:MAX_SILENT]:
        if silence.seconds:
            table.add_row("silent", _silence(silence))
    if report.withheld:
        table.add_row("withheld", f"{report.withheld:,} entries, by orders of the supervisor")
    for witness in report.witnesses:
        seen = f"{witness.name}: {witness.size:,} entries, {_clock(witness.time)}"
        table.add_row("witness seen", Text(seen))
    if report.witnessed_size is not None:
        table.add_row("quorum", f"cosigned the first {report.witnessed_size:,} entries")
    return table


def _silence(silence: Silence) -> Text:
    days, rest = divmod(silence.seconds, 86_400)
    span = f"{days} d {timedelta(seconds=rest)}" if days else f"{timedelta(seconds=rest)}"
    stream = f"{silence.source} {silence.topic}, at {silence.last:,}"
    return Text(f"{stream}, for {span} up to the newest seal")


def _clock(seconds: int) -> str:
    at = datetime.fromtimestamp(max(0, min(seconds, MAX_TIME)), UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _findings(findings: tuple[Finding, ...]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
    for finding in findings:
        table.add_row(Text(finding.grade.value, style=STYLES[finding.grade]), _describe(finding))
    return table


def _describe(finding: Finding) -> Text:
    text = Text(finding.what)
    for name, value in finding.as_json().items():
        if name not in ("grade", "what"):
            text.append(f"\n  {name} ", style="dim")
            text.append(str(value))
    return text
