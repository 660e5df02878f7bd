"""`make demo` from the first line to the last (design §10)."""

import asyncio
import secrets
import sqlite3
import sys
import time
from contextlib import closing
from typing import Final

import psutil
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
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import report, services
from sanyuan.sandbox.demo import departments
from sanyuan.sandbox.demo.case import Played, play_case
from sanyuan.sandbox.demo.live import Lags, Picture
from sanyuan.sandbox.demo.memory import MemoryWatch
from sanyuan.sandbox.demo.progress import Progress as LoadProgress
from sanyuan.sandbox.demo.progress import quantile
from sanyuan.sandbox.demo.schedule import Plan
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.members import AGENCY_SOURCE
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.runner import running
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

PATIENCE_SECONDS: Final = 120.0
"""How long after its last operation was due the load may take before we say so and go on."""
QUIET_SECONDS: Final = 60.0


class LoadStuckError(SanyuanError):
    """Decisions are missing long after they were asked for."""


def play(settings: Settings, console: Console, *, rate: float, seconds: float) -> int:
    """Everything, in order; returns the exit code of the verification."""
    words = Words(settings.language)
    with running(settings.var) as runner, MemoryWatch(settings) as memory:
        console.print(_banner(words, settings, kept=runner.kept))
        installation = bring_up(settings, runner, console)
        runner.start(_departments(settings))
        try:
            played = asyncio.run(play_case(installation, console))
            load, lags = _run_load(installation, console, memory, rate=rate, seconds=seconds)
        finally:
            runner.stop(departments.NAME)
        _wait_until_quiet(installation)
        verified = _verify(installation, console)
        _draw(installation, console, played, verified)
        measured = _measure(installation, played, load, lags, verified, memory)
        report.write(settings.var / "report.json", measured)
        _tell_report(console, words, settings, measured)
        if not runner.kept:
            console.print(f"[dim]{words('正在停止……', 'Stopping …')}[/]")
    _say_goodbye(console, words, played, kept=runner.kept)
    return verified.exit_code


def _banner(words: Words, settings: Settings, *, kept: bool) -> Text:
    fresh = not (settings.var / "systems").exists()
    state = (
        words("从零建立一个域", "a domain from nothing")
        if fresh
        else words("接着上次的域", "going on with the domain that is there")
    )
    if kept:
        state = words("用正在运行的这一个", "using the one that is running")
    return Text.assemble(
        ("\n三元 Sanyuan", "bold"),
        words("　政务数据的事件骨干，三方互证", "  three parties keep each other honest"),
        (f"\n{state}  {settings.var}\n", "dim"),
    )


def _departments(settings: Settings) -> Program:
    command = (sys.executable, "-m", departments.__name__, str(settings.var))
    return Program(departments.NAME, command, settings.var)


def _run_load(
    installation: Installation,
    console: Console,
    memory: MemoryWatch,
    *,
    rate: float,
    seconds: float,
) -> tuple[LoadProgress, Lags]:
    plan = Plan(secrets.token_hex(8), rate, seconds, secrets.randbits(32))
    departments.order(installation.settings.var, plan)
    picture = Picture(installation, plan, memory)
    limit = time.monotonic() + seconds + PATIENCE_SECONDS

    def finished(progress: LoadProgress) -> bool:
        if time.monotonic() > limit:
            raise LoadStuckError(
                f"{plan.total - progress.completed - progress.refused} decisions are missing",
                where=str(installation.settings.var / "logs"),
                do="see what the services wait for: make status",
            )
        return progress.phase == "done"

    return picture.show(console, finished), picture.lags


def _wait_until_quiet(installation: Installation) -> None:
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


def _verify(installation: Installation, console: Console) -> Verification:
    var, words = installation.settings.var, Words(installation.settings.language)
    agency = SystemFile.load(system_path(var, AGENCY_SOURCE.name))
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
            agency.agency,
            VerifierKey.parse(agency.log_key),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(_verdicts(verified, words))
    if verified.findings:
        print_report(verified, console)
    return verified


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


def _draw(
    installation: Installation, console: Console, played: Played, verified: Verification
) -> None:
    if verified.integrity is not Integrity.SOUND:
        return  # what a forged log says of a case is not worth a picture
    var, words = installation.settings.var, Words(installation.settings.language)
    agency = SystemFile.load(system_path(var, AGENCY_SOURCE.name))
    with open_source(str(var / "audit" / "log")) as source:
        records = find_case(source, agency.agency, VerifierKey.parse(agency.log_key), played.case)
    title = words(
        f"办件在日志里：{len(records)} 条记录", f"The case in the log: {len(records)} records"
    )
    console.print(draw_case(title, arrange(records)), highlight=False)
    console.print(words("\n[bold]办件的链路[/]", "\n[bold]The case as a trace[/]"))
    spans = find_trace(var / "traces", played.case)
    console.print(draw_trace(spans, console.width), highlight=False)


def _measure(
    installation: Installation,
    played: Played,
    load: LoadProgress,
    lags: Lags,
    verified: Verification,
    memory: MemoryWatch,
) -> report.Measured:
    done = load.completed + load.refused
    return report.Measured(
        departments=len(DEPARTMENTS),
        people=_count_people(installation),
        seconds=load.finished,
        operations_per_second=done / load.finished if load.finished else 0.0,
        verification=report.Kind(
            offered=load.offered,
            completed=load.completed,
            refused=load.refused,
            p50_ms=quantile(load.latencies, 0.5),
            p99_ms=quantile(load.latencies, 0.99),
        ),
        lag_p50_ms=lags.quantile(0.5),
        lag_p99_ms=lags.quantile(0.99),
        verified=verified,
        memory_mib=memory.peak,
        first_line_s=played.first_line - _begun(),
    )


def _begun() -> float:
    """When the command was given: the start of `make`, if that is what started us."""
    ours = psutil.Process()
    parent = ours.parent()
    if parent is not None and parent.name() in ("make", "gmake"):
        return float(parent.create_time())
    return float(ours.create_time())


def _count_people(installation: Installation) -> int:
    register = installation.registers.population
    with closing(sqlite3.connect(f"file:{register}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM person").fetchone()[0])


def _tell_report(
    console: Console, words: Words, settings: Settings, measured: report.Measured
) -> None:
    kind = measured.verification
    console.print(
        words(
            f"\n[bold]小结[/]\n"
            f"  每秒 {measured.operations_per_second:,.0f} 次核验，"
            f"p50 {kind.p50_ms} ms，p99 {kind.p99_ms} ms；"
            f"{kind.completed:,} / {kind.offered:,} 完成\n"
            f"  入册 p50 {measured.lag_p50_ms} ms，p99 {measured.lag_p99_ms} ms；"
            f"内存至多 {measured.memory_mib:,.0f} MiB；"
            f"{measured.first_line_s:.1f} 秒后第一行\n"
            f"  [dim]{settings.var / 'report.json'}[/]",
            f"\n[bold]In short[/]\n"
            f"  {measured.operations_per_second:,.0f} verifications a second, "
            f"p50 {kind.p50_ms} ms, p99 {kind.p99_ms} ms; "
            f"{kind.completed:,} of {kind.offered:,} completed\n"
            f"  checkpoint lag p50 {measured.lag_p50_ms} ms, p99 {measured.lag_p99_ms} ms; "
            f"at most {measured.memory_mib:,.0f} MiB; "
            f"first line after {measured.first_line_s:.1f} s\n"
            f"  [dim]{settings.var / 'report.json'}[/]",
        ),
        highlight=False,
    )


def _say_goodbye(console: Console, words: Words, played: Played, *, kept: bool) -> None:
    more = f"sanyuan case {played.case}"
    end = (
        words("仍在运行。停止：make down", "Still running. Stop it: make down")
        if kept
        else words(
            "已全部停止，数据都在。再来：make demo　留着运行：make up",
            "Everything is stopped, nothing is lost. Again: make demo   Keep it running: make up",
        )
    )
    console.print(f"\n{end}\n[dim].venv/bin/{more}[/]\n", highlight=False)
