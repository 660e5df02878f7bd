"""Memory over the size of the log as a small SVG: a logarithmic axis, two lines, no library."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from sanyuan.sandbox.bench.growth import Point

WIDTH: Final = 720
HEIGHT: Final = 360
_LEFT: Final = 70
_RIGHT: Final = 24
_TOP: Final = 56
_BOTTOM: Final = 52
_LINES: Final[tuple[tuple[str, str, Callable[[Point], float]], ...]] = (
    ("the writer 写入", "#0369a1", lambda point: point.writer_mib),
    ("sanyuan verify 核验", "#b45309", lambda point: point.verifier_mib),
)


def memory_plot(points: Sequence[Point]) -> str:
    """Draw peak memory (MiB) against entries; at least one point."""
    first, last = math.log10(points[0].records), math.log10(points[-1].records)
    most = max(max(point.writer_mib, point.verifier_mib) for point in points)
    top = max(100, math.ceil(most / 100) * 100)

    def across(records: int) -> float:
        share = (math.log10(records) - first) / ((last - first) or 1)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def up(mib: float) -> float:
        return HEIGHT - _BOTTOM - mib / top * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-labelledby="title" font-family="system-ui, sans-serif" font-size="13">'
        ),
        '<title id="title">Peak memory by the size of the log</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 22, "Peak memory, MiB (all processes of each) 内存峰值", "start", "#0f172a"),
    ]
    for step in range(5):
        mib = top * step / 4
        parts += [
            f'<path d="M{_LEFT} {up(mib):.1f}H{WIDTH - _RIGHT}" stroke="#e2e8f0"/>',
            _text(_LEFT - 8, up(mib) + 4, f"{mib:,.0f}", "end"),
        ]
    for point in points:
        anchor = "end" if point is points[-1] and len(points) > 1 else "middle"
        x = across(point.records)
        parts.append(_text(x, HEIGHT - _BOTTOM + 22, f"{point.records:,}", anchor))
    parts.append(_text(WIDTH / 2, HEIGHT - 8, "entries in the log 日志条数", "middle"))
    for row, (name, colour, value) in enumerate(_LINES):
        dots = [(across(point.records), up(value(point))) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), point in zip(dots, points, strict=True):
            anchor = "end" if x > WIDTH - 60 else "start"
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
                _text(x, y - 9, f"{value(point):,.0f}", anchor, colour),
            ]
        parts.append(_text(_LEFT + row * 180, 42, f"● {name}", "start", colour))
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#475569") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
