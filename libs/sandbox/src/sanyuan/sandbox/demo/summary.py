"""The end of the demo: what was done here beside what the nation did by 2020, as one table."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanyuan.sandbox.demo import nation
from sanyuan.sandbox.language import Language, Words
from sanyuan.sandbox.report import Measured

_NOTHING: Final = "–"


def summarise(measured: Measured, language: Language, where: str) -> RenderableType:
    """What Rich prints; ``where`` is the report's file."""
    words = Words(language)
    return Group(
        Text(words("\n小结\n", "\nIn short\n"), style="bold"),
        _table(measured, words),
        Text(_rest(measured, words)),
        Text(f"  {where}", style="dim"),
    )


def _table(measured: Measured, words: Words) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("")
    table.add_column(words("2020 年全国", "nation 2020"), justify="right", style="dim")
    table.add_column(words("每秒", "a second"), justify="right", style="dim")
    table.add_column(words("本机每秒", "here"), justify="right", style="bold")
    table.add_column(words("完成", "completed"), justify="right")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for figure in nation.FIGURES:
        done = measured.kinds[figure.kind]
        table.add_row(
            words(*figure.name),
            words(*figure.total),
            f"{figure.per_second:,}",
            _rate(done.completed, measured.seconds),
            f"{done.completed:,}",
            _ms(done.p50_ms),
            _ms(done.p99_ms),
        )
    table.add_row(
        words("合计", "all"),
        "",
        f"{nation.PER_SECOND:,}",
        f"{measured.operations_per_second:,.0f}",
        f"{_sum(measured)[0]:,}",
        "",
        "",
        end_section=True,
    )
    for name, theirs, ours in _sizes(measured, words):
        table.add_row(name, theirs, "", ours, "", "", "")
    return table


def _sizes(measured: Measured, words: Words) -> tuple[tuple[str, str, str], ...]:
    return (
        (words("部门", "departments"), f"{nation.DEPARTMENTS}", f"{measured.departments}"),
        (words("资源", "resources"), f"{nation.RESOURCES:,}", f"{measured.resources:,}"),
        (words("人", "people"), words(*nation.USERS), f"{measured.people:,}"),
    )


def _rest(measured: Measured, words: Words) -> str:
    completed, offered, refused = _sum(measured)
    lags = f"p50 {_ms(measured.lag_p50_ms)}", f"p99 {_ms(measured.lag_p99_ms)}"
    return words(
        f"\n  应完成 {offered:,}，已完成 {completed:,}，因负载拒绝 {refused:,}；"
        f"越权 {measured.expected_refusals:,} 次按预期拒绝\n"
        f"  入册 {'，'.join(lags)}；内存至多 {measured.memory_mib:,.0f} MiB；"
        f"{measured.first_line_s:.1f} 秒后第一行",
        f"\n  {completed:,} of {offered:,} completed, {refused:,} refused for load; "
        f"{measured.expected_refusals:,} beyond a grant, refused as expected\n"
        f"  checkpoint lag {', '.join(lags)}; at most {measured.memory_mib:,.0f} MiB; "
        f"first line after {measured.first_line_s:.1f} s",
    )


def _sum(measured: Measured) -> tuple[int, int, int]:
    """Completed, offered and refused of all kinds."""
    kinds = measured.kinds.values()
    return (
        sum(kind.completed for kind in kinds),
        sum(kind.offered for kind in kinds),
        sum(kind.refused for kind in kinds),
    )


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds else _NOTHING


def _ms(value: int | None) -> str:
    return _NOTHING if value is None else f"{value:,} ms"
