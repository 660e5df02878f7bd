import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sanyuan.client.tracing import NoSuchTraceError, draw_trace, find_trace

CASE = "0af7651916cd43dd8448eb211c80319c"
Links = list[str]


def span(  # noqa: PLR0913  a span has that many facts
    trace: str,
    number: int,
    parent: int | None,
    start: int,
    end: int,
    *,
    case: str | None = None,
    links: list[int] | None = None,
    batch: int | None = None,
) -> dict[str, Any]:
    attributes: list[dict[str, Any]] = []
    if case:
        attributes.append({"key": "sanyuan.case", "value": {"stringValue": case}})
    if batch:
        value = {"intValue": str(batch)}
        attributes.append({"key": "messaging.batch.message_count", "value": value})
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": f"hop {number}",
        "kind": 1,
        "startTimeUnixNano": str(start * 1_000_000),
        "endTimeUnixNano": str(end * 1_000_000),
        "attributes": attributes,
        "links": [{"traceId": "", "spanId": f"{link:016x}"} for link in links or []],
    }


def write(folder: Path, service: str, *spans: dict[str, Any]) -> None:
    name = {"key": "service.name", "value": {"stringValue": service}}
    scope = {"scope": {"name": "sanyuan"}, "spans": list(spans)}
    line = {"resourceSpans": [{"resource": {"attributes": [name]}, "scopeSpans": [scope]}]}
    with (folder / f"{service}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    write(tmp_path, "asker", span(CASE, 1, None, 0, 10, case=CASE), span(CASE, 4, 2, 50, 60))
    write(
        tmp_path,
        "identity",
        span(CASE, 2, 1, 20, 40, links=[3]),
        span("b", 3, None, 20, 41, batch=7),
    )
    write(tmp_path, "identity", span("c", 5, None, 30, 31, case="another"))
    with (tmp_path / "identity.jsonl").open("a") as file:
        file.write('{"resourceSpans": [')
    return tmp_path


def test_all_hops_of_a_case_are_found_by_their_start_across_parts(traces: Path) -> None:
    found = find_trace(traces, CASE)
    assert [(each.service, each.name) for each in found] == [
        ("asker", "hop 1"),
        ("identity", "hop 2"),
        ("asker", "hop 4"),
    ]


def test_a_hop_says_how_large_its_batch_was(traces: Path) -> None:
    assert [each.batch for each in find_trace(traces, CASE)] == [None, 7, None]


def test_a_case_that_was_not_traced_is_one_clear_error(traces: Path) -> None:
    with pytest.raises(NoSuchTraceError, match="no span"):
        find_trace(traces, "nobody's")


def test_the_waterfall_has_a_row_a_hop_below_its_cause_on_one_axis(traces: Path) -> None:
    console = Console(width=100, record=True)
    console.print(draw_trace(find_trace(traces, CASE), console.width))
    rows = console.export_text().splitlines()

    assert [row.split()[0] for row in rows] == ["asker", "identity", "asker"]
    assert "  hop 2  batch of 7" in rows[1]
    assert "    hop 4" in rows[2]
    starts = [row.index("━") for row in rows]
    assert starts == sorted(starts)
    assert len(set(starts)) == 3


def test_a_narrow_console_shortens_names_and_neither_services_nor_times(traces: Path) -> None:
    name = "open license-exchange.presentation-verified.v1"
    long = span(CASE, 5, 1, 45, 58) | {"name": name}
    write(traces, "license-exchange", long)
    console = Console(width=60, record=True)
    console.print(draw_trace(find_trace(traces, CASE), console.width))
    (row,) = [row for row in console.export_text().splitlines() if "open" in row]
    assert row.startswith("license-exchange ")
    assert "… 13.0 ms " in row
    assert "━" in row
