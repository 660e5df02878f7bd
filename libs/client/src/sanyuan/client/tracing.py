"""A case's trace, read from the OTLP JSON lines that every part writes, as a waterfall."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from sanyuan.common.errors import SanyuanError

BAR_CELLS: Final = (16, 60)
"""A narrow console shortens names, neither bars nor times."""
_GAPS: Final = 4
"""A cell after each column."""
_CASE: Final = "sanyuan.case"
_STYLES: Final = ("cyan", "green", "magenta", "yellow", "blue")


class NoSuchTraceError(SanyuanError):
    """No span of the case was written here."""


@dataclass(frozen=True, slots=True)
class Span:
    """A finished span; times are nanoseconds since 1970."""

    trace: str
    id: str
    parent: str
    service: str
    name: str
    start: int
    end: int
    case: str | None
    links: tuple[str, ...] = field(default=())
    batch: int | None = None
    """How many records the batch had, for the span of a batch and of what was handled in one."""


def read_spans(folder: Path) -> Iterator[Span]:
    """Every span in the folder's ``*.jsonl``; a line that is only half written is passed over."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield from _spans(json.loads(line))


def find_trace(folder: Path, case: str) -> list[Span]:
    """The spans of all traces of a case by their start; raises NoSuchTraceError."""
    spans = {span.id: span for span in read_spans(folder)}
    traces = {span.trace for span in spans.values() if span.case == case}
    own = [span for span in spans.values() if span.trace in traces]
    if not own:
        raise NoSuchTraceError(
            "no span of this case was written here",
            where=str(folder),
            do="only one case in a hundred is traced; a narrated one always is",
        )
    return sorted(
        (replace(span, batch=_batch(span, spans)) for span in own), key=lambda span: span.start
    )


def draw_trace(spans: Sequence[Span], cells: int) -> Table:
    """The waterfall as Rich draws it in ``cells`` columns: one row a span, on one axis."""
    begin = min(span.start for span in spans)
    width = max(1, max(span.end for span in spans) - begin)
    services = list(dict.fromkeys(span.service for span in spans))
    depths = _depths(spans)
    names = [_named(span, depths[span.id]) for span in spans]
    times = [f"{(span.end - span.start) / 1e6:,.1f} ms" for span in spans]
    fixed = max(map(len, services)) + max(map(len, times)) + _GAPS
    least, most = BAR_CELLS
    bar = max(least, min(most, cells - fixed - max(map(len, names))))
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(no_wrap=True, min_width=max(map(len, services)))
    table.add_column(no_wrap=True, max_width=max(0, cells - fixed - bar))
    table.add_column(justify="right", no_wrap=True, min_width=max(map(len, times)))
    table.add_column(no_wrap=True, width=bar)
    for span, name, time in zip(spans, names, times, strict=True):
        style = _STYLES[services.index(span.service) % len(_STYLES)]
        table.add_row(
            Text(span.service, style=style),
            name,
            Text(time, style="dim"),
            Text(_bar(span, begin, width, bar), style=style),
        )
    return table


def _named(span: Span, depth: int) -> Text:
    name = Text("  " * depth + span.name.removesuffix(".v1"))
    if span.batch is not None:
        name.append(f"  batch of {span.batch}", style="dim")
    return name


def _batch(span: Span, spans: Mapping[str, Span]) -> int | None:
    return next((spans[link].batch for link in span.links if link in spans), span.batch)


def _bar(span: Span, begin: int, width: int, cells: int) -> str:
    first = min(cells - 1, (span.start - begin) * cells // width)
    last = max(first + 1, -(-(span.end - begin) * cells // width))
    return " " * first + "━" * (last - first)


def _depths(spans: Iterable[Span]) -> Mapping[str, int]:
    parents = {span.id: span.parent for span in spans}
    depths = dict[str, int]()
    for span, parent in parents.items():
        depth, above = 0, parent
        while above in parents:
            depth, above = depth + 1, parents[above]
        depths[span] = depth
    return depths


def _spans(line: Mapping[str, Any]) -> Iterator[Span]:
    for resource in line["resourceSpans"]:
        service = _text(resource["resource"]["attributes"], "service.name") or "?"
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    trace=span["traceId"],
                    id=span["spanId"],
                    parent=span["parentSpanId"],
                    service=service,
                    name=span["name"],
                    start=int(span["startTimeUnixNano"]),
                    end=int(span["endTimeUnixNano"]),
                    case=_text(span["attributes"], _CASE),
                    links=tuple(link["spanId"] for link in span["links"]),
                    batch=_number(span["attributes"], "messaging.batch.message_count"),
                )


def _number(attributes: Iterable[Mapping[str, Any]], key: str) -> int | None:
    found = next((a["value"].get("intValue") for a in attributes if a["key"] == key), None)
    return None if found is None else int(found)


def _text(attributes: Iterable[Mapping[str, Any]], key: str) -> str | None:
    return next((a["value"].get("stringValue") for a in attributes if a["key"] == key), None)
