"""Each service's whole cycle from a backlog, beside a bare loop in the same run (design §4)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from sanyuan.client.progress import Report
from sanyuan.sandbox.bench.backlog import send_commands
from sanyuan.sandbox.bench.bare import bare_loop
from sanyuan.sandbox.bench.calls import send_calls
from sanyuan.sandbox.bench.cycle import decision_rate, inbox_ends
from sanyuan.sandbox.bench.exchanges import TERMS, send_exchanges
from sanyuan.sandbox.bench.measures import Measure, compare
from sanyuan.sandbox.bench.preparing import Setting
from sanyuan.sandbox.services import NAMES

BARE_RECORDS: Final = 60_000
Sending = Callable[[], Coroutine[Any, Any, None]]


def measure_cycles(setting: Setting, report: Report, records: int) -> list[Measure]:
    """Identity's twice, the catalog's, license-exchange's; all services are stopped afterwards."""
    setting.stop(*NAMES)
    var = setting.installation.settings.var
    bare = Measure(
        "bare consume-produce loop",
        asyncio.run(bare_loop(setting.admin, BARE_RECORDS)),
        "records/s",
    )

    def cycle(name: str, what: str, send: Sending) -> Measure:
        return compare(what, _cycle(setting, name, send, records), "records/s", bare)

    return [
        bare,
        cycle(
            "identity",
            "identity cycle, refusals (no sealing)",
            lambda: send_commands(var, records, report, permitted=False),
        ),
        cycle(
            "identity",
            "identity cycle, verifications (all sealing)",
            lambda: send_commands(var, records, report, permitted=True),
        ),
        cycle(
            "catalog",
            "catalog cycle, shared calls admitted",
            lambda: send_calls(var, setting.calls, records, report),
        ),
        cycle(
            "license-exchange",
            "license-exchange cycle, fields shared (all sealing)",
            lambda: send_exchanges(var, setting.exchangers, records, report),
        ),
    ]


def _cycle(setting: Setting, name: str, send: Sending, records: int) -> float:
    """Decisions a second of a service that finds all commands waiting."""
    asyncio.run(send())
    starts = asyncio.run(inbox_ends(setting.admin))
    setting.start(name, TERMS)
    rate = asyncio.run(decision_rate(setting.admin, starts, records))
    setting.stop(name)
    return rate
