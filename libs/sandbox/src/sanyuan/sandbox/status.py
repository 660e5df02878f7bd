"""`make status`: what runs, since when, what it waits for, as one table (design §10)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psutil
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox import run_folder, services
from sanyuan.sandbox.language import Language, Words
from sanyuan.sandbox.run_folder import State
from sanyuan.sandbox.services import Answer
from sanyuan.sandbox.settings import Settings

MIB: Final = 1 << 20
_CONDITIONS: Final = {"running": "运行", "waiting": "待重启", "stopped": "已停"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One program as a row: what it answers is None when it has no HTTP."""

    state: State
    memory_mib: float | None
    ready: Answer | None
    oldest_s: float | None
    outbox_s: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything of one look."""

    programs: tuple[Shown, ...]
    log: Mapping[str, Any]
    where: str

    @property
    def well(self) -> bool:
        """Whether something runs and all of it works."""
        return bool(self.programs) and all(
            each.state.is_alive() and (each.ready is None or each.ready.ready)
            for each in self.programs
        )


def gather(settings: Settings) -> Status:
    """Look at processes and ask services."""
    ports = services.choose_ports(settings)
    running = run_folder.supervisor(settings.var / "run") is not None
    states = run_folder.states(settings.var / "run") if running else ()
    programs = tuple(_look(state, ports) for state in states)
    log = services.figures(ports["audit"]) if programs else {}
    return Status(programs, log, str(settings.var))


def render(status: Status, language: Language) -> RenderableType:
    """What Rich prints."""
    words = Words(language)
    if not status.programs:
        nothing = words("没有运行。启动：make up", "Nothing is running. Start it: make up")
        return Text.assemble(nothing, ("  " + status.where, "dim"))
    return Group(_programs(status, words), _log(status, words))


def memory_mib(pid: int) -> float | None:
    """Resident memory of a process; None when it has ended."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / MIB
    except psutil.Error:
        return None


def _look(state: State, ports: Mapping[str, int]) -> Shown:
    memory = memory_mib(state.process.pid) if state.process else None
    if state.name not in services.NAMES:
        return Shown(state, memory, None, None, None)
    port = ports[state.name]
    found = services.metrics(port)
    label = f'{{service="{state.name}"}}'
    oldest = found.get(
        f"sanyuan_oldest_unprocessed_seconds{label}",
        found.get("sanyuan_audit_oldest_unprocessed_seconds"),
    )
    outbox = found.get(f"sanyuan_outbox_age_seconds{label}")
    return Shown(state, memory, services.ask(port, "/ready"), oldest, outbox)


def _programs(status: Status, words: Words) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(words("程序", "program"))
    table.add_column(words("状态", "state"))
    table.add_column(words("已运行", "up for"), justify="right")
    table.add_column(words("重启", "restarts"), justify="right")
    table.add_column(words("内存", "memory"), justify="right")
    table.add_column(words("最老待办", "oldest waiting"), justify="right")
    table.add_column(words("发件箱", "outbox age"), justify="right")
    table.add_column(words("就绪", "ready"))
    for each in status.programs:
        table.add_row(
            each.state.name,
            _condition(each, words),
            _age(each.state.since),
            str(each.state.deaths or ""),
            f"{each.memory_mib:,.0f} MiB" if each.memory_mib else "",
            _seconds(each.oldest_s),
            _seconds(each.outbox_s),
            _ready(each, words),
        )
    total = sum(each.memory_mib or 0.0 for each in status.programs)
    table.add_row("", "", "", "", Text(f"{total:,.0f} MiB", style="dim"), "", "", "")
    return table


def _condition(each: Shown, words: Words) -> Text:
    condition = each.state.condition if each.state.is_alive() else "waiting"
    style = "green" if condition == "running" else "yellow"
    return Text(words(_CONDITIONS[condition], condition), style=style)


def _ready(each: Shown, words: Words) -> Text:
    if each.ready is None:
        return Text("")
    if each.ready.ready:
        return Text(words("是", "yes"), style="green")
    silent = words("没有回答", "it does not answer")
    return Text(each.ready.text.strip() or silent, style="yellow")


def _log(status: Status, words: Words) -> RenderableType:
    log = status.log
    if not log:
        return Text(words("日志：没有回答", "log: no answer"), style="yellow")
    lag = log["checkpoint_lag_ms"]
    table = Table.grid(padding=(0, 2))
    table.add_row(words("日志", "log"), log["origin"] or "")
    table.add_row(words("条目", "entries"), f"{log['size']:,}")
    table.add_row(words("最近检查点", "last checkpoint"), _seconds(log["checkpoint_age_s"]))
    if lag["p50"] is not None:
        table.add_row(
            words("入册时延", "checkpoint lag"), f"p50 {lag['p50']} ms   p99 {lag['p99']} ms"
        )
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f} s"


def _age(since: datetime) -> str:
    seconds = int((datetime.now(UTC) - since).total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
