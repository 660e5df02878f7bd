"""Checkpoint lag: from a record's append time to the checkpoint over it, as audit counts it."""

import asyncio
import time
from typing import Final

from sanyuan.client.broker import Broker
from sanyuan.sandbox import services
from sanyuan.sandbox.bench.signed import Writers, fill
from sanyuan.sandbox.demo.lags import Lags

PATIENCE_SECONDS: Final = 60.0
WARM_SECONDS: Final = 2.0


def lag_p99_ms(port: int, broker: Broker, writers: Writers, rate: float, seconds: float) -> int:
    """The lag that 99 of 100 records stay under while ``rate`` a second come for ``seconds``."""
    asyncio.run(fill(broker, writers, round(rate * WARM_SECONDS), rate))
    settle(port)
    lags = Lags()
    lags.begin(services.figures(port))
    count = round(rate * seconds)
    asyncio.run(fill(broker, writers, count, rate))
    end = time.monotonic() + PATIENCE_SECONDS
    while lags.counts.total() < count and time.monotonic() < end:
        time.sleep(0.2)
        lags.look(services.figures(port))
    return lags.quantile(0.99) or 0


def settle(port: int) -> None:
    """Return once audit has nothing to do; raises TimeoutError."""
    end, before = time.monotonic() + 2 * PATIENCE_SECONDS, -1
    while time.monotonic() < end:
        figures = services.figures(port)
        size = int(figures.get("size", -1))
        if size == before and not figures.get("oldest_unprocessed_s"):
            return
        before = size
        time.sleep(1.0)
    raise TimeoutError("the log does not come to rest")
