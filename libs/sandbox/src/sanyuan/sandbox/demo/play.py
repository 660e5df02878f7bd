"""`make demo` from the first line to the last (design §10)."""

import asyncio
import secrets
import time
from functools import partial
from typing import Final

import psutil
from rich.console import Console
from rich.text import Text

from sanyuan.client.verify import Report as Verification
from sanyuan.common import ed25519
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import report
from sanyuan.sandbox.demo import evidence, loading
from sanyuan.sandbox.demo.case import Played, play_case
from sanyuan.sandbox.demo.case.props import find_props
from sanyuan.sandbox.demo.cast import choose
from sanyuan.sandbox.demo.lags import Lags
from sanyuan.sandbox.demo.live import Picture
from sanyuan.sandbox.demo.load.layout import published_of
from sanyuan.sandbox.demo.load.orders import order
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.progress import Progress as LoadProgress
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.demo.load.schedule import Plan
from sanyuan.sandbox.demo.memory import MemoryWatch
from sanyuan.sandbox.demo.quantiles import quantile
from sanyuan.sandbox.demo.summary import summarise
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.runner import running
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

PATIENCE_SECONDS: Final = 120.0
"""How long after its last operation was due the load may take before we say so and go on."""
LEAD_SECONDS: Final = 4.0
"""Between the order and the first operation: both processes draw the plan, and verify for it."""


class LoadStuckError(SanyuanError):
    """Answers are missing long after they were asked for."""


def usual_rate() -> float:
    """Operations a second that two cores answer within a second, signatures included.

    One in a hundred is outside of its grant, and the last ones take half a second: of 1,140 offered
    the 1,118 of the nation's average of 2020 are completed.
    """
    return 1140 if ed25519.lanes() == ed25519.LANES else 600


def play(settings: Settings, console: Console, *, rate: float, seconds: float) -> int:
    """Everything, in order; returns the exit code of the verification."""
    words = Words(settings.language)
    with running(settings.var) as runner, MemoryWatch(settings) as memory:
        console.print(_banner(words, settings, kept=runner.kept))
        installation = bring_up(settings, runner, console)
        try:
            props = find_props(installation)
            cast = choose(installation.registers, props.taxpayers)
            loading.start(installation, props.codes, (cast.organisation.code,))
            ready = partial(loading.wait_for_first, installation)
            played = asyncio.run(play_case(installation, console, cast, props, ready))
            loading.wait_for_all(installation, console)
            load, lags = _run_load(installation, console, memory, rate=rate, seconds=seconds)
        finally:
            loading.stop(runner)
        evidence.wait_until_quiet(installation)
        verified = evidence.verify(installation, console)
        evidence.draw(installation, console, played.case, verified)
        measured = _measure(installation, played, load, lags, verified, memory)
        report.write(settings.var / "report.json", measured)
        console.print(summarise(measured, settings.language, str(settings.var / "report.json")))
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


def _run_load(
    installation: Installation,
    console: Console,
    memory: MemoryWatch,
    *,
    rate: float,
    seconds: float,
) -> tuple[LoadProgress, Lags]:
    start = time.time() + LEAD_SECONDS
    plan = Plan(secrets.token_hex(8), rate, seconds, secrets.randbits(32), start)
    order(installation.settings.var, plan)
    picture = Picture(installation, plan, memory)
    limit = time.monotonic() + LEAD_SECONDS + seconds + PATIENCE_SECONDS

    def finished(progress: LoadProgress) -> bool:
        if time.monotonic() > limit:
            raise LoadStuckError(
                f"{plan.total - progress.ended:,} answers are missing",
                where=str(installation.settings.var / "logs"),
                do="see what the services wait for: make status",
            )
        return progress.phase == "done"

    return picture.show(console, finished), picture.lags


def _measure(
    installation: Installation,
    played: Played,
    load: LoadProgress,
    lags: Lags,
    verified: Verification,
    memory: MemoryWatch,
) -> report.Measured:
    return report.Measured(
        departments=len(DEPARTMENTS),
        resources=len(Published(published_of(installation.settings.var)).codes),
        people=installation.registers.count_people(),
        seconds=load.finished,
        operations_per_second=load.completed / load.finished if load.finished else 0.0,
        kinds={
            name: report.Kind(
                offered=kind.offered,
                completed=kind.completed,
                refused=kind.of(Outcome.REFUSED),
                p50_ms=quantile(kind.latencies, 0.5),
                p99_ms=quantile(kind.latencies, 0.99),
            )
            for name, kind in load.kinds.items()
        },
        expected_refusals=load.of(Outcome.REFUSED_AS_EXPECTED),
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
