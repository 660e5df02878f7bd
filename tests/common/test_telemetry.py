"""Traces: in headers and spans, from what is well formed, with nothing of what was sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from tests.common.conftest import FOOD, World, readable

from sanyuan.common.telemetry import (
    BatchTrace,
    FileExporter,
    format_traceparent,
    is_sampled,
    new_traceparent,
    parse_traceparent,
    record_attributes,
    sample,
    span_name,
)

if TYPE_CHECKING:
    from pathlib import Path

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "x",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"ff-{TRACE}-{SPAN}-01",
    ],
)
def test_a_bad_traceparent_is_ignored(bad: str | None) -> None:
    assert parse_traceparent(bad) is None


def test_a_good_one_survives() -> None:
    text = f"00-{TRACE}-{SPAN}-01"
    context = parse_traceparent(text)
    assert context is not None
    assert format_traceparent(context) == text


@pytest.mark.parametrize(
    ("flags", "expected"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_sampled_is_the_last_bit(flags: str, expected: bool) -> None:  # noqa: FBT001  a table
    assert is_sampled(f"00-{TRACE}-{SPAN}-{flags}") is expected


def test_a_bad_traceparent_is_not_sampled() -> None:
    assert not is_sampled("1")
    assert not is_sampled(None)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_new_trace_is_sampled_as_wanted(wanted: bool) -> None:  # noqa: FBT001  a table
    assert is_sampled(new_traceparent(sampled=sample(wanted))) is wanted


@pytest.mark.parametrize("case", [None, "0" * 32, "A" * 32, "2026-permits-17", "a" * 33])
def test_a_case_whose_id_cannot_be_a_trace_gets_a_random_trace(case: str | None) -> None:
    header = new_traceparent(sampled=True, case=case)
    assert parse_traceparent(header) is not None
    assert case is None or case not in header


def test_all_of_a_case_is_one_trace() -> None:
    headers = {new_traceparent(sampled=True, case="0af7651916cd43dd8448eb211c80319c") for _ in "ab"}
    assert len(headers) == 2
    assert {header[3:35] for header in headers} == {"0af7651916cd43dd8448eb211c80319c"}


def test_a_span_is_named_by_our_types_only(world: World) -> None:
    assert span_name(readable(world.send(FOOD))) == "identity.revoke-assertion.v1"
    unknown = world.send(FOOD, kind="11010519491231002X")
    assert span_name(readable(unknown)) == "unknown-type"


def test_a_span_says_places_and_never_content(world: World) -> None:
    record = readable(world.send(FOOD, data={"jti": "secret"}, actor="secret"))
    assert "secret" not in json.dumps(record_attributes(record))


def test_an_unsampled_batch_costs_no_span(world: World) -> None:
    record = readable(world.send(FOOD))
    trace = BatchTrace.start("batch", [record])
    assert trace.of(record) is None
    trace.end(1)


def test_the_file_holds_otlp_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "identity.jsonl"
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(path, "identity")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span(
        "one", kind=SpanKind.CONSUMER, attributes={"n": 1, "ok": True, "x": 0.5, "s": "t"}
    ):
        pass
    provider.shutdown()
    (line,) = path.read_text("utf-8").splitlines()
    scope = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]
    (span,) = scope["spans"]
    assert (span["name"], span["kind"], len(span["traceId"])) == ("one", 5, 32)
    values = {a["key"]: a["value"] for a in span["attributes"]}
    assert values == {
        "n": {"intValue": "1"},
        "ok": {"boolValue": True},
        "x": {"doubleValue": 0.5},
        "s": {"stringValue": "t"},
    }
