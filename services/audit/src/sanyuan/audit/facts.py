"""Records that were checked, in the form in which they become leaves. No IO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sanyuan.audit.state import Partition, Stream
from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.record import RawRecord, Rejection


class Facts(NamedTuple):
    """What the sequencer needs of an authentic record, small enough to travel."""

    source: str
    number: int
    previous: str
    hash: str
    signature: bytes
    traceparent: str | None = None
    """Only where the record's trace is sampled."""


Outcome = Facts | tuple[Reason, str]
"""The facts, or why it is not authentic: reason and detail."""


class Authentic(NamedTuple):
    """An authentic record as it was read."""

    raw: RawRecord
    facts: Facts

    @property
    def stream(self) -> Stream:
        """(source, Kafka topic)."""
        return self.facts.source, self.raw.topic


@dataclass
class Checked:
    """Authentic records in their order, those of `participants` first, and all others."""

    records: list[Authentic] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)
    """Next offset after everything that was looked at."""

    def add(self, raw: RawRecord, outcome: Outcome) -> None:
        """Sort one outcome in; within a partition they come in order."""
        self.offsets[raw.topic, raw.partition] = raw.offset + 1
        if isinstance(outcome, Facts):
            self.records.append(Authentic(raw, outcome))
        else:
            self.rejections.append(Rejection(raw, *outcome))
