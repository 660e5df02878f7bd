"""The benchmark of an installation of its own, in a folder that goes with it."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from sanyuan.client.cli.log import find_keys
from sanyuan.client.progress import bars
from sanyuan.client.verify import verify_log
from sanyuan.sandbox import services
from sanyuan.sandbox.bench.appending import append_rate, log_size
from sanyuan.sandbox.bench.backlog import send_commands
from sanyuan.sandbox.bench.bare import bare_loop
from sanyuan.sandbox.bench.calls import Prepared, prepare, send_calls
from sanyuan.sandbox.bench.cycle import decision_rate, inbox_ends
from sanyuan.sandbox.bench.measures import Measure, as_table, compare, save
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor

BARE_RECORDS: Final = 60_000


def bench(settings: Settings, console: Console, *, records: int) -> list[Measure]:
    """Measure everything, print the table, write ``var/bench.json`` and return the rows."""
    with _installation(settings, console) as installation:
        measures = _Bench(installation, console, records).run()
    save(settings.var / "bench.json", measures)
    console.print(as_table(measures, Words(settings.language)))
    return measures


@contextmanager
def _installation(settings: Settings, console: Console) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="sanyuan-bench-") as folder:
        own = replace(settings, var=Path(folder), kafka_port=None, http_ports={})
        with Supervisor(own.var) as supervisor:
            yield bring_up(own, OwnRunner(supervisor), console)


class _Bench:
    def __init__(self, installation: Installation, console: Console, records: int) -> None:
        self._installation = installation
        self._var = installation.settings.var
        self._console = console
        self._records = records

    def run(self) -> list[Measure]:
        """Each measure beside the bare loop of this run."""
        runner = self._installation.runner
        prepared = asyncio.run(prepare(self._var))
        for name in ("identity", "catalog", "license-exchange", "audit"):
            runner.stop(name)
        admin = self._installation.kafka.admin
        rate = asyncio.run(bare_loop(admin, BARE_RECORDS))
        bare = Measure("bare consume-produce loop", rate, "records/s")
        refused = self._cycle(permitted=False)
        verified = self._cycle(permitted=True)
        admitted = self._admit(prepared)
        appended = self._append()
        checked = self._verify()
        return [
            bare,
            compare("identity cycle, refusals (no sealing)", refused, "records/s", bare),
            compare("identity cycle, verifications (all sealing)", verified, "records/s", bare),
            compare("catalog cycle, shared calls admitted", admitted, "records/s", bare),
            compare("audit append, every signature checked", appended, "records/s", bare),
            compare("sanyuan verify, from zero", checked, "records/s", bare),
        ]

    def _cycle(self, *, permitted: bool) -> float:
        installation = self._installation
        self._send(permitted=permitted)
        admin = installation.kafka.admin
        starts = asyncio.run(inbox_ends(admin))
        self._start("identity")
        rate = asyncio.run(decision_rate(admin, starts, self._records))
        installation.runner.stop("identity")
        return rate

    def _admit(self, prepared: Prepared) -> float:
        admin = self._installation.kafka.admin
        with bars(self._console) as report:
            asyncio.run(send_calls(self._var, prepared, self._records, report))
        starts = asyncio.run(inbox_ends(admin))
        self._start("catalog")
        rate = asyncio.run(decision_rate(admin, starts, self._records))
        self._installation.runner.stop("catalog")
        return rate

    def _append(self) -> float:
        """Audit was down all the time: commands and decisions of all cycles wait for it."""
        log = self._var / "audit" / "log"
        start = log_size(log)
        self._start("audit")
        return append_rate(log, start, 6 * self._records)

    def _verify(self) -> float:
        log = self._var / "audit" / "log"
        self._installation.runner.stop("audit")
        agency, signer = find_keys(self._var, None, None)
        started = time.perf_counter()
        report = verify_log(str(log), agency, signer, state_dir=self._var / "verify")
        return (report.size or 0) / (time.perf_counter() - started)

    def _send(self, *, permitted: bool) -> None:
        with bars(self._console) as report:
            asyncio.run(send_commands(self._var, self._records, report, permitted=permitted))

    def _start(self, name: str) -> None:
        installation = self._installation
        port = installation.ports[name]
        installation.runner.start(services.program(name, self._var, port))
