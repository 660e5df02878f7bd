"""Each service's whole cycle from a backlog, beside a bare loop in the same run (design §4)."""

import asyncio
from typing import Final

from sanyuan.client.progress import Report
from sanyuan.sandbox.bench.backlog import askers, send_commands
from sanyuan.sandbox.bench.bare import bare_loop
from sanyuan.sandbox.bench.calls import send_calls
from sanyuan.sandbox.bench.cycle import decision_rate, inbox_ends
from sanyuan.sandbox.bench.exchanges import TERMS, send_exchanges
from sanyuan.sandbox.bench.measures import Measure, compare
from sanyuan.sandbox.bench.preparing import Setting
from sanyuan.sandbox.services import NAMES

COMMANDS: Final = "identity-commands"


def measure_cycles(setting: Setting, report: Report, records: int) -> list[Measure]:
    """Identity's twice, the catalog's, license-exchange's; all services are stopped afterwards."""
    setting.stop(*NAMES)
    var = setting.installation.settings.var
    asyncio.run(send_commands(var, records, report, permitted=False))
    bare = Measure(
        "bare consume-produce loop over the same records",
        asyncio.run(bare_loop(setting.admin, COMMANDS, len(askers(var)))),
        "records/s",
    )
    measures = [bare]

    def cycle(name: str, what: str) -> None:
        rate = _cycle(setting, name, records)
        measures.append(compare(f"{name} cycle, {what}", rate, "records/s", bare))

    cycle("identity", "refusals (no sealing)")
    asyncio.run(send_commands(var, records, report, permitted=True))
    cycle("identity", "verifications (all sealing)")
    asyncio.run(send_calls(var, setting.calls, records, report))
    cycle("catalog", "shared calls admitted")
    asyncio.run(send_exchanges(var, setting.exchangers, records, report))
    cycle("license-exchange", "fields shared (all sealing)")
    return measures


def _cycle(setting: Setting, name: str, records: int) -> float:
    """Decisions a second of a service that finds all commands waiting."""
    starts = asyncio.run(inbox_ends(setting.admin))
    setting.start(name, TERMS)
    rate = asyncio.run(decision_rate(setting.admin, starts, records))
    setting.stop(name)
    return rate
