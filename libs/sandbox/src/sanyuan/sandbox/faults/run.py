"""``make faults``: a campaign against an installation of its own, in a folder that goes with it."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from rich.console import Console

from sanyuan.client.verify import Report
from sanyuan.sandbox.bench.measures import Measure, as_table, compare, save
from sanyuan.sandbox.demo import evidence
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.faults.campaign import Campaign
from sanyuan.sandbox.faults.nation import STUCK_SECONDS, Nation
from sanyuan.sandbox.faults.picture import by_victims, kinds_table, median, picture
from sanyuan.sandbox.faults.tally import Found, KindTally, commands_of, read_log, tally
from sanyuan.sandbox.faults.tampering import tampered
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.supervisor import Supervisor


def faults(settings: Settings, console: Console, *, seconds: float, rate: float, seed: int) -> bool:
    """Kill for so long, let it settle, count, tamper with copies; writes ``var/faults.json``.

    Returns whether nothing was lost, doubled, wrong or incomplete, and every tampering found. The
    same ``seed`` strikes in the same order. Raises StuckError when work does not go on after a
    kill.
    """
    words = Words(settings.language)
    with tempfile.TemporaryDirectory(prefix="sanyuan-faults-") as folder:
        own = replace(settings, var=Path(folder), kafka_port=None, http_ports={})
        with Supervisor(own.var) as supervisor:
            nation = Nation.bring_up(own, supervisor, console)
            # The campaign ends it: until then there is always something to send.
            nation.begin(rate, seconds + 2 * STUCK_SECONDS, seed)
            campaign = Campaign(nation, Random(seed))  # noqa: S311  which process dies is no secret
            campaign.begin()
            with picture(console, words, campaign, seconds) as nation.show:
                campaign.run(seconds)
                campaign.settle()
            report = evidence.verify(nation.installation, console)
            found, tallies = count(nation, report)
            console.print("", kinds_table(tallies, words), "")
        log, keys = str(own.var / "audit" / "log"), evidence.keys_of(nation.installation)
        missed, tried = tampered(log, *keys, seed, console)
    measures = [missed, *rows(campaign, report, found, tallies), tried]
    save(settings.var / "faults.json", measures)
    console.print("", as_table(measures, words))
    kinds_are_sound = not any(each.faults for each in tallies.values())
    log_is_sound = report.exit_code == 0 and found.misnumbered == 0 and missed.value == 0
    return log_is_sound and kinds_are_sound


def count(nation: Nation, report: Report) -> tuple[Found, dict[Kind, KindTally]]:
    """What the verified log says, and what that makes of each kind."""
    log = str(nation.var / "audit" / "log")
    reading = read_log(log, report.size or 0, *evidence.keys_of(nation.installation))
    found = asyncio.run(reading)
    commands = commands_of(nation.var, nation.runs)
    return found, {kind: tally(kind, commands, nation.ended, found) for kind in KINDS}


def rows(
    campaign: Campaign, report: Report, found: Found, tallies: Mapping[Kind, KindTally]
) -> list[Measure]:
    """What must be zero first, then what there was, and how soon work went on."""
    offered = {
        kind: Measure(f"{kind}: commands offered", each.offered, "commands")
        for kind, each in tallies.items()
    }
    calm = Measure("operation to its end, undisturbed", campaign.undisturbed, "s")
    strikes = campaign.strikes
    return [
        Measure("sanyuan verify", report.exit_code, "exit code"),
        Measure("decision numbers missing or given twice", found.misnumbered, "numbers"),
        *(
            compare(f"{kind}: {what}", value, "commands", offered[kind])
            for kind, each in tallies.items()
            for what, value in (
                ("lost", each.lost),
                ("doubled", each.doubled),
                ("wrong", each.wrong),
            )
        ),
        *(
            measure
            for kind, each in tallies.items()
            for measure in (
                offered[kind],
                compare(f"{kind}: decided", each.decided, "commands", offered[kind]),
                compare(f"{kind}: answered right", each.answered, "operations", offered[kind]),
                compare(f"{kind}: no answer in time", each.late, "operations", offered[kind]),
            )
        ),
        Measure("records in the log", report.size or 0, "records"),
        Measure("kills", campaign.kills, "SIGKILL"),
        Measure("kills at a named step", sum(1 for each in strikes if each.step), "SIGKILL"),
        calm,
        *_recoveries(campaign, calm),
    ]


def _recoveries(campaign: Campaign, calm: Measure) -> list[Measure]:
    found = []
    for who, strikes in by_victims(campaign.strikes).items():
        times = [strike.recovery for strike in strikes]
        found.append(compare(f"{who} killed, work goes on, median", median(times), "s", calm))
        found.append(compare(f"{who} killed, work goes on, worst", max(times), "s", calm))
    return found
