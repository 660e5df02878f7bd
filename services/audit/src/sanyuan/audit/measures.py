"""What audit tells Prometheus and `/status`: ages, sizes, lag (never a value of anybody's)."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from sanyuan.audit.facts import Authentic
from sanyuan.audit.sequencer import Batch
from sanyuan.common.record import RawRecord
from sanyuan.common.tlog.checkpoint import Checkpoint

CLOCK_MS: Final = 5000
"""Append times further than this from audit's clock are counted."""
LAG_STEP_MS: Final = 10

_OLDEST = Gauge("sanyuan_audit_oldest_unprocessed_seconds", "age of the oldest record not appended")
_UNSEALED = Gauge("sanyuan_audit_unsealed_seconds", "age of the oldest record under no checkpoint")
_CHECKPOINT_AGE = Gauge("sanyuan_audit_checkpoint_age_seconds", "time since the last checkpoint")
_SIZE = Gauge("sanyuan_audit_log_size", "leaves under the last checkpoint")
_COSIGNED = Gauge("sanyuan_audit_cosigned_size", "leaves under the last cosigned checkpoint")
_BATCH = Histogram(
    "sanyuan_audit_batch_records",
    "records in a batch",
    buckets=(1, 5, 20, 50, 100, 200, 500, 1000, 2000),
)
_REFUSED = Counter("sanyuan_audit_refused", "records that took no place", ["reason"])
_CLOCK = Counter("sanyuan_audit_clock_apart", "append times more than 5 s from audit's clock")


class Measures:
    """The figures of one log."""

    def __init__(self) -> None:
        self._live = False
        self._stamps: Tally[int] = Tally()
        """Append times of the records under no checkpoint."""
        self._lags: Tally[int] = Tally()
        self._oldest = 0.0
        self._published_at = time.time()
        self.head: Checkpoint | None = None
        self.cosigned = 0
        """Size of the last checkpoint that a quorum of witnesses cosigned."""

    def idle(self) -> None:
        """Nothing waits: from here on append times should be near our clock."""
        self._live = True
        self._oldest = 0.0

    def received(self, raws: Sequence[RawRecord], now: float) -> None:
        """Take note of append times; behind our clock is suspicious only when nothing waited."""
        now_ms = int(now * 1000)
        stamps = [raw.timestamp_ms for raw in raws]
        if stamps:
            self._oldest = max(0.0, now - min(stamps) / 1000)
        behind, ahead = now_ms - CLOCK_MS if self._live else 0, now_ms + CLOCK_MS
        if stamps and not behind <= min(stamps) <= max(stamps) <= ahead:
            _CLOCK.inc(sum(1 for stamp in stamps if not behind <= stamp <= ahead))
        self._live = False

    def appended(self, records: Sequence[Authentic], batch: Batch) -> None:
        """Take note of a committed batch."""
        _BATCH.observe(len(records))
        self._stamps.update([record.raw.timestamp_ms for record in records])
        for refused in batch.refused:
            _REFUSED.labels(refused.reason).inc()

    def sealed(self) -> Mapping[int, int]:
        """Return how many records of each append time are now to be published."""
        stamps, self._stamps = self._stamps, Tally()
        return stamps

    def published(self, head: Checkpoint, stamps: Mapping[int, int]) -> None:
        """Take note of a checkpoint that everybody can see."""
        self._published_at = now = time.time()
        now_ms = int(now * 1000)
        for stamp, count in stamps.items():
            self._lags[max(0, now_ms - stamp) // LAG_STEP_MS] += count
        self.head = head
        self.refresh()

    def refresh(self) -> None:
        """Set the gauges to now."""
        now = time.time()
        _OLDEST.set(self._oldest)
        _UNSEALED.set(now - min(self._stamps) / 1000 if self._stamps else 0.0)
        _CHECKPOINT_AGE.set(now - self._published_at)
        _SIZE.set(self.head.size if self.head else 0)
        _COSIGNED.set(self.cosigned)

    def status(self) -> dict[str, Any]:
        """Return the figures; `lags` counts records by lag, in steps of 10 ms, since the start."""
        return {
            "origin": self.head.origin if self.head else None,
            "size": self.head.size if self.head else 0,
            "root": self.head.root.hex() if self.head else None,
            "cosigned_size": self.cosigned,
            "checkpoint_age_s": round(time.time() - self._published_at, 3),
            "oldest_unprocessed_s": round(self._oldest, 3),
            "checkpoint_lag_ms": {"p50": self._quantile(0.5), "p99": self._quantile(0.99)},
            "lag_step_ms": LAG_STEP_MS,
            "lags": {str(step): count for step, count in sorted(self._lags.items())},
        }

    def _quantile(self, share: float) -> int | None:
        wanted = share * self._lags.total()
        for step, count in sorted(self._lags.items()):
            wanted -= count
            if wanted <= 0:
                return (step + 1) * LAG_STEP_MS
        return None
