"""Traces from the first hop to the last: W3C trace context in headers, spans in files or over OTLP.

A record carries its trace in the ``traceparent`` header (design §3). Spans are made for sampled
traces alone: always for a narrated case, else one in a hundred; an unsampled record costs nothing
but the copying of its header. Files are OTLP JSON lines (OpenTelemetry "file exporter").
"""

import json
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.record import Record

SAMPLE_RATE: Final = 0.01
MAX_LINKS: Final = 128
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SAMPLED: Final = frozenset("13579bdf")
"""The last bit of the flags, whatever the others say."""
_KINDS: Final = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}


def set_up(service: str, *, folder: Path | None, endpoint: str | None = None) -> None:
    """Send the spans of this process to ``folder``/<service>.jsonl and an OTLP endpoint, if any."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        exporter = FileExporter(folder / f"{service}.jsonl", service)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    if endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Write what is waiting."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()


def new_traceparent(*, sampled: bool, case: str | None = None) -> str:
    """A new span's header in the trace of its case, which is that of its id when that can be one.

    So everything that a case causes is one trace, whoever sends it and whenever.
    """
    flags = "01" if sampled else "00"
    is_trace = case is not None and _TRACE_ID.fullmatch(case) is not None and int(case, 16) > 0
    trace_id = case if is_trace else f"{random.getrandbits(128):032x}"
    return f"00-{trace_id}-{random.getrandbits(64):016x}-{flags}"


def sample(wanted: bool | None) -> bool:  # noqa: FBT001  three answers: yes, no, as the rate says
    """Whether a new trace is sampled."""
    return random.random() < SAMPLE_RATE if wanted is None else wanted  # noqa: S311  no secret


def parse_traceparent(text: str | None) -> SpanContext | None:
    """The context of a header; None for a bad one, which is ignored."""
    match = _TRACEPARENT.fullmatch(text or "")
    if match is None:
        return None
    context = SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16)),
    )
    return context if context.is_valid else None


def is_sampled(text: str | None) -> bool:
    """Whether spans are made for the trace of this header."""
    return text is not None and text[-1:] in _SAMPLED and _TRACEPARENT.fullmatch(text) is not None


def trace_id(text: str | None) -> str | None:
    """The trace of a header, 32 hex digits."""
    match = _TRACEPARENT.fullmatch(text or "")
    return match[1] if match else None


def format_traceparent(context: SpanContext) -> str:
    """The header of a span's context."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def start_span(
    name: str,
    parent: str | None,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    links: Sequence[Link] = (),
    start_ns: int | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Span:
    """A span below ``parent`` (a traceparent), or the root of a new trace."""
    context = parse_traceparent(parent)
    above = None if context is None else trace.set_span_in_context(NonRecordingSpan(context))
    tracer = trace.get_tracer("sanyuan")
    return tracer.start_span(
        name, above, kind, attributes=attributes, links=links, start_time=start_ns
    )


def record_hop(
    name: str,
    traceparent: str | None,
    kind: SpanKind,
    started_ns: int,
    attributes: Mapping[str, AttributeValue],
) -> None:
    """One finished span below ``traceparent``, from ``started_ns`` until now, if sampled."""
    if is_sampled(traceparent):
        start_span(name, traceparent, kind, start_ns=started_ns, attributes=attributes).end()


class BatchTrace:
    """One span for a batch with links, and one below each sampled record's own trace."""

    def __init__(self, batch: Span | None, spans: dict[int, Span]) -> None:
        self._batch = batch
        self._spans = spans

    @classmethod
    def start(cls, name: str, records: Sequence[Record]) -> "BatchTrace":
        """Begin; costs nothing when no record is sampled."""
        sampled = [record for record in records if is_sampled(record.traceparent)]
        if not sampled:
            return cls(None, {})
        contexts = [parse_traceparent(record.traceparent) for record in sampled]
        links = [Link(context) for context in contexts[:MAX_LINKS] if context is not None]
        batch = start_span(name, None, SpanKind.CONSUMER, links=links)
        link = Link(batch.get_span_context())
        spans = {
            id(record): start_span(
                span_name(record),
                record.traceparent,
                SpanKind.CONSUMER,
                links=[link],
                attributes=record_attributes(record),
            )
            for record in sampled
        }
        return cls(batch, spans)

    @property
    def is_sampled(self) -> bool:
        """Whether any record of the batch is traced."""
        return bool(self._spans)

    def of(self, record: Record) -> str | None:
        """The traceparent for what this record causes."""
        span = self._spans.get(id(record))
        return record.traceparent if span is None else format_traceparent(span.get_span_context())

    def end(self, size: int) -> None:
        """The batch is committed."""
        for span in self._spans.values():
            span.end()
        if self._batch is not None:
            self._batch.set_attribute("messaging.batch.message_count", size)
            self._batch.end()


def span_name(record: Record) -> str:
    """The record's type when it is one of ours: no sender's own text gets into a span."""
    kind = record.envelope.type
    return kind if kind in CONTRACTS else "unknown-type"


def record_attributes(record: Record) -> dict[str, AttributeValue]:
    """What a span says of a record: names and places, never content."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.raw.topic,
        "messaging.kafka.offset": record.raw.offset,
        "messaging.destination.partition.id": str(record.raw.partition),
        "sanyuan.case": record.envelope.correlationid or "",
        "sanyuan.source": record.source,
        "sanyuan.sequence": record.envelope.number,
    }


class FileExporter(SpanExporter):
    """Appends OTLP JSON lines."""

    def __init__(self, path: Path, service: str) -> None:
        self._path = path
        self._service = service

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """One line a batch of spans."""
        line = json.dumps(
            {
                "resourceSpans": [
                    {
                        "resource": {"attributes": [_attribute("service.name", self._service)]},
                        "scopeSpans": [
                            {
                                "scope": {"name": "sanyuan"},
                                "spans": [_span(span) for span in spans],
                            }
                        ],
                    }
                ]
            },
            separators=(",", ":"),
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return SpanExportResult.SUCCESS


def _span(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "traceId": f"{context.trace_id:032x}" if context else "",
        "spanId": f"{context.span_id:016x}" if context else "",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or time.time_ns()),
        "attributes": [_attribute(k, v) for k, v in (span.attributes or {}).items()],
        "links": [
            {"traceId": f"{to.trace_id:032x}", "spanId": f"{to.span_id:016x}"}
            for to in (link.context for link in span.links)
        ],
    }


def _attribute(key: str, value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"key": key, "value": {"boolValue": value}}
        case int():
            return {"key": key, "value": {"intValue": str(value)}}
        case float():
            return {"key": key, "value": {"doubleValue": value}}
        case _:
            return {"key": key, "value": {"stringValue": str(value)}}


def otlp_endpoint() -> str | None:
    """Where OpenTelemetry's own environment variable says that spans go."""
    return os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or None
