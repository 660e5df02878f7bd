"""What is left to look at: the verified log, the case in it, and its trace."""

import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from sanyuan.client.casefile import arrange, draw_case, find_case
from sanyuan.client.joining import system_path
from sanyuan.client.tracing import draw_trace, find_trace
from sanyuan.client.verify import Report as Verification
from sanyuan.client.verify import verify_log
from sanyuan.client.verify.findings import Completeness, Integrity
from sanyuan.client.verify.render import print_report
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import services
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.members import AGENCY_SOURCE
from sanyuan.sandbox.starting import Installation

QUIET_SECONDS: Final = 60.0


def keys_of(installation: Installation) -> tuple[VerifierKey, VerifierKey]:
    """The agency's and the log's public keys."""
    agency = SystemFile.load(system_path(installation.settings.var, AGENCY_SOURCE.name))
    return agency.agency, VerifierKey.parse(agency.log_key)


def wait_until_quiet(installation: Installation) -> None:
    """Until the log has everything: nothing waits, and its size has stopped moving."""
    port, end, size = installation.ports["audit"], time.monotonic() + QUIET_SECONDS, -1
    while time.monotonic() < end:
        found = services.metrics(port)
        now = int(found.get("sanyuan_audit_log_size", 0))
        waiting = found.get("sanyuan_audit_oldest_unprocessed_seconds", 1) or found.get(
            "sanyuan_audit_unsealed_seconds", 1
        )
        if now == size and not waiting:
            return
        size = now
        time.sleep(1)


def verify(installation: Installation, console: Console) -> Verification:
    """Verify the whole log with a bar, and print both verdicts."""
    var, words = installation.settings.var, Words(installation.settings.language)
    title = words("核验日志", "Verifying the log")
    columns = (
        TextColumn(f"  {title}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("verify", total=1)
        verified = verify_log(
            str(var / "audit" / "log"),
            *keys_of(installation),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(_verdicts(verified, words))
    if verified.findings:
        print_report(verified, console)
    return verified


def draw(installation: Installation, console: Console, case: str, verified: Verification) -> None:
    """Draw a case as a tree of its records and as a waterfall of its spans."""
    if verified.integrity is not Integrity.SOUND:
        return  # what a forged log says of a case is not worth a picture
    var, words = installation.settings.var, Words(installation.settings.language)
    with open_source(str(var / "audit" / "log")) as source:
        records = find_case(source, *keys_of(installation), case)
    title = words(
        f"办件在日志里：{len(records)} 条记录", f"The case in the log: {len(records)} records"
    )
    console.print(draw_case(title, arrange(records)), highlight=False)
    console.print(words("\n[bold]办件的链路[/]", "\n[bold]The case as a trace[/]"))
    spans = find_trace(var / "traces", case)
    console.print(draw_trace(spans, console.width), highlight=False)


def _verdicts(verified: Verification, words: Words) -> Text:
    integrity = {
        Integrity.SOUND: words(
            "完好：每一条都是签署时的样子", "sound: every entry is as it was signed"
        ),
        Integrity.FORGED: words("被改动过", "FORGED"),
        Integrity.UNKNOWN: words("无法核验", "could not be checked"),
    }[verified.integrity]
    completeness = {
        Completeness.COMPLETE: words(
            "齐全：每条流连续，且被封印", "complete: every stream is contiguous and sealed"
        ),
        Completeness.INCOMPLETE: words(
            "不齐全，日志自己说了缺什么", "INCOMPLETE: the log says what"
        ),
        Completeness.UNKNOWN: words("无法核验", "could not be checked"),
    }[verified.completeness]
    good, bad = "bold green", "bold red"
    new = (verified.size or 0) - verified.checked_from
    return Text.assemble(
        (words("\n核验日志", "\nThe log, verified"), "bold"),
        (
            f"   sanyuan verify   {new:,} / {verified.size or 0:,}   {verified.seconds:.1f} s\n",
            "dim",
        ),
        words("  完整性　", "  integrity     "),
        (integrity, good if verified.integrity is Integrity.SOUND else bad),
        words("\n  齐全性　", "\n  completeness  "),
        (completeness, good if verified.completeness is Completeness.COMPLETE else bad),
        (f"\n  {words('根', 'root')} {verified.root}\n", "dim"),
    )
