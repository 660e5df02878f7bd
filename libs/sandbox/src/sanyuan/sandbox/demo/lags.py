"""Checkpoint lags, from append time to publication, as the audit service counts them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sanyuan.sandbox.demo.quantiles import quantile, since


@dataclass(slots=True)
class Lags:
    """Checkpoint lags in ms since the load began."""

    step: int = 10
    before: dict[int, int] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)

    def begin(self, status: Mapping[str, Any]) -> None:
        """Leave out what was before."""
        self.before = _lags(status)

    def look(self, status: Mapping[str, Any]) -> None:
        """Take the service's counts as they are now; a restarted one counts from nothing."""
        now = _lags(status)
        if not now:
            return
        if sum(now.values()) < sum(self.before.values()):
            self.before = {}
        self.step = int(status["lag_step_ms"])
        self.counts = since(now, self.before)

    def quantile(self, share: float) -> int | None:
        """In ms, rounded up to the service's step."""
        found = quantile(self.counts, share)
        return None if found is None else (found + 1) * self.step


def _lags(status: Mapping[str, Any]) -> dict[int, int]:
    return {int(step): count for step, count in status.get("lags", {}).items()}
