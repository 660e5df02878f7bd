"""What a service tells Prometheus: batches, decisions by reason, ages (never personal data)."""

import time
from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from sanyuan.common.deciding import Outcome
from sanyuan.common.record import RawRecord, Rejection

_BATCH = Histogram(
    "sanyuan_batch_records",
    "records in a batch",
    ["service"],
    buckets=(1, 5, 20, 50, 100, 200, 500),
)
_SECONDS = Histogram("sanyuan_batch_seconds", "time from receipt to commit", ["service"])
_DECISIONS = Counter(
    "sanyuan_decisions", "decisions by type and reason", ["service", "type", "reason"]
)
_REJECTED = Counter("sanyuan_rejected", "records that took no place", ["service", "reason"])
_OLDEST = Gauge(
    "sanyuan_oldest_unprocessed_seconds", "age of the oldest record not decided", ["service"]
)
_OUTBOX_AGE = Gauge(
    "sanyuan_outbox_age_seconds", "age of the oldest row that the broker has not", ["service"]
)
_OUTBOX_BYTES = Gauge("sanyuan_outbox_bytes", "size of rows that no seal covers", ["service"])


class Measures:
    """The metrics of one service."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.decided = 0
        self.oldest_seconds = 0.0

    def batch(
        self,
        raws: Sequence[RawRecord],
        outcomes: Sequence[Outcome],
        rejections: Sequence[Rejection],
        seconds: float,
    ) -> None:
        """Count a committed batch."""
        answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
        self.decided += len(answers)
        oldest = min((raw.timestamp_ms / 1000 for raw in raws), default=time.time())
        self.oldest_seconds = max(0.0, time.time() - oldest)
        _BATCH.labels(self._service).observe(len(raws))
        _SECONDS.labels(self._service).observe(seconds)
        _OLDEST.labels(self._service).set(self.oldest_seconds)
        told = Tally((answer.type.TYPE, str(answer.fields.get("reason", ""))) for answer in answers)
        for (kind, reason), count in told.items():
            _DECISIONS.labels(self._service, kind, reason).inc(count)
        for rejection in rejections:
            _REJECTED.labels(self._service, rejection.reason).inc()

    def idle(self) -> None:
        """Nothing waits."""
        self.oldest_seconds = 0.0
        _OLDEST.labels(self._service).set(0)

    def outbox(self, age: float, size: int) -> None:
        """The outbox as it is now."""
        _OUTBOX_AGE.labels(self._service).set(age)
        _OUTBOX_BYTES.labels(self._service).set(size)
