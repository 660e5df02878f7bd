"""The benchmark of installations of its own, in folders that go with them (``make bench``).

Two, because the nation's load processes and the benchmark's own systems are the same departments:
two writers of one stream would fork it. Each measure stands beside another one of the same run.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from sanyuan.client.progress import Report, bars
from sanyuan.sandbox.bench.cycles import measure_cycles
from sanyuan.sandbox.bench.flame import Sampler, icicle
from sanyuan.sandbox.bench.growth import Point, measure_growth
from sanyuan.sandbox.bench.kinds import cost_of_kinds
from sanyuan.sandbox.bench.measures import Measure, as_table, compare, save
from sanyuan.sandbox.bench.nation import load_seconds, search_p99_ms
from sanyuan.sandbox.bench.plot import memory_plot
from sanyuan.sandbox.bench.preparing import Setting, prepare_all
from sanyuan.sandbox.bench.supervising import measure_audit
from sanyuan.sandbox.bench.verifications import rated
from sanyuan.sandbox.demo.load.mix import Kind
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor

PARTS: Final = ("nation", "verifications", "kinds", "cycles", "audit", "memory")
SECONDS: Final = 10.0
"""How long each kind of operation, and each rate of records, goes on."""
FLAME: Final = "shared-call"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure, and how much of it."""

    parts: Sequence[str] = PARTS
    records: int = 20_000
    """Commands of each cycle's backlog; audit's is five times as long."""
    sizes: Sequence[int] = (10_000, 100_000)
    """Entries of the logs whose memory is taken."""
    seconds: float = SECONDS
    flame: Path | None = None
    """Where to draw a shared call's samples."""
    plot: Path | None = None
    """Where to draw memory over size."""


def bench(settings: Settings, console: Console, wanted: Wanted) -> list[Measure]:
    """Measure what is wanted, print the table, write ``var/bench.json`` and return the rows."""
    measures = list[Measure]()
    parts = set(wanted.parts)
    if "memory" in parts:
        measures += _memory(console, wanted)
    if "nation" in parts:
        with _installation(settings, console) as installation:
            measures += _nation(installation, console)
    if parts & {"verifications", "kinds", "cycles", "audit"}:
        with _installation(settings, console) as installation:
            measures += _own(installation, console, wanted)
    save(settings.var / "bench.json", measures)
    console.print(as_table(measures, Words(settings.language)))
    return measures


@contextmanager
def _installation(settings: Settings, console: Console) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="sanyuan-bench-") as folder:
        own = replace(settings, var=Path(folder), kafka_port=None, http_ports={})
        with Supervisor(own.var) as supervisor:
            yield bring_up(own, OwnRunner(supervisor), console)


def _nation(installation: Installation, console: Console) -> list[Measure]:
    seconds = load_seconds(installation, console)
    with bars(console) as report:
        search = search_p99_ms(installation.ports["catalog"], installation.catalogue, report)
    return [
        Measure("9,942 resources, 20,000 licences and 2,053 grants loaded", seconds, "s"),
        Measure("search over 9,942 resources, over HTTP, p99", search, "ms"),
    ]


def _own(installation: Installation, console: Console, wanted: Wanted) -> list[Measure]:
    setting = prepare_all(installation)
    measures = list[Measure]()
    with bars(console) as report:
        if "verifications" in wanted.parts:
            measures += _verifications(setting, report)
        if "kinds" in wanted.parts:
            measures += _kinds(setting, report, wanted)
        if "cycles" in wanted.parts:
            measures += measure_cycles(setting, report, wanted.records)
        if "audit" in wanted.parts:
            measures += measure_audit(setting, report, 10 * wanted.records, wanted.seconds)
    return measures


def _memory(console: Console, wanted: Wanted) -> list[Measure]:
    with bars(console) as report:
        points = measure_growth(wanted.sizes, report)
    if wanted.plot is not None:
        wanted.plot.write_text(memory_plot(points), encoding="utf-8")
    return [measure for point in points for measure in _memory_rows(point, points[0])]


def _memory_rows(point: Point, least: Point) -> Iterator[Measure]:
    for who, value, other in (
        ("the log's writer", point.writer_mib, least.writer_mib),
        ("sanyuan verify", point.verifier_mib, least.verifier_mib),
    ):
        base = Measure(f"memory of {who}, {least.records:,} entries", other, "MiB")
        name = f"memory of {who}, {point.records:,} entries"
        yield base if point is least else compare(name, value, "MiB", base)


def _verifications(setting: Setting, report: Report) -> list[Measure]:
    found = uvloop.run(rated(setting.installation.settings.var, report))
    offered = Measure("verifications offered", found.offered, "a second")
    return [
        offered,
        compare("verifications carried, all departments", found.per_second, "a second", offered),
        Measure("from due to opened assertion, p50", found.p50_ms, "ms"),
        Measure("from due to opened assertion, p99", found.p99_ms, "ms"),
    ]


def _kinds(setting: Setting, report: Report, wanted: Wanted) -> list[Measure]:
    around = partial(_sampled, path=wanted.flame)
    var = setting.installation.settings.var
    costs = uvloop.run(
        cost_of_kinds(var, setting.calls, setting.exchangers, wanted.seconds, report, around)
    )
    calls = Measure("shared-call", costs["shared-call"].per_cpu_second, "")
    rows = []
    for kind, cost in costs.items():
        name = f"{kind}s, all parties, at {cost.operations / cost.seconds:,.0f}/s"
        rows.append(compare(name, cost.per_cpu_second, "operations/CPU s", calls))
    return rows


@contextmanager
def _sampled(kind: Kind, path: Path | None) -> Iterator[None]:
    """Draw where the CPU of one kind of operation goes, when a picture of it is wanted."""
    if path is None or kind != FLAME:
        yield
        return
    with Sampler() as sampler:
        yield
    title = f"CPU of a {FLAME}, all parties but the broker (samples of py-spy)"
    path.write_text(icicle(sampler.frames, title), encoding="utf-8")
