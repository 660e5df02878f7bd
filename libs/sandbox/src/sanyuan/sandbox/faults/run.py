"""``make faults``: a campaign against an installation of its own, in a folder that goes with it."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from rich.console import Console

from sanyuan.client.cli.log import find_keys
from sanyuan.client.verify import Report, verify_log
from sanyuan.sandbox.bench.measures import Measure, as_table, compare, save
from sanyuan.sandbox.faults import tally
from sanyuan.sandbox.faults.campaign import Campaign, Strike
from sanyuan.sandbox.faults.picture import by_victims, median, picture
from sanyuan.sandbox.faults.tally import Tally
from sanyuan.sandbox.faults.tampering import tampered
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import bring_up
from sanyuan.sandbox.supervisor import Supervisor


def faults(
    settings: Settings, console: Console, *, seconds: float, rate: float, seed: int
) -> list[Measure]:
    """Kill for so long, let it settle, count; writes ``var/faults.json`` and returns its rows.

    The first rows are what must be zero. The same ``seed`` strikes in the same order. Raises
    StuckError when work does not go on after a kill.
    """
    words = Words(settings.language)
    with tempfile.TemporaryDirectory(prefix="sanyuan-faults-") as folder:
        own = replace(settings, var=Path(folder), kafka_port=None, http_ports={})
        with Supervisor(own.var) as supervisor:
            installation = bring_up(own, OwnRunner(supervisor), console)
            campaign = Campaign(installation, supervisor, rate, Random(seed))  # noqa: S311  which process dies is no secret
            campaign.begin()
            with picture(console, words, seconds) as drawn:
                campaign.show = drawn
                campaign.run(seconds)
                campaign.settle()
                drawn.live.update(drawn.draw(campaign), refresh=True)
            console.print()
            report, counted = _count(campaign)
            log = str(campaign.var / "audit" / "log")
            missed = tampered(log, *find_keys(campaign.var, None, None), seed, console)
    measures = rows(campaign, report, counted, missed)
    save(settings.var / "faults.json", measures)
    console.print(as_table(measures, words))
    return measures


def _count(campaign: Campaign) -> tuple[Report, Tally]:
    log = str(campaign.var / "audit" / "log")
    agency, signer = find_keys(campaign.var, None, None)
    report = verify_log(log, agency, signer, state_dir=campaign.var / "verify")
    counting = tally.count(log, report.size or 0, agency, signer, campaign.folder)
    return report, asyncio.run(counting)


def rows(
    campaign: Campaign, report: Report, counted: Tally, missed: tuple[Measure, Measure]
) -> list[Measure]:
    """What must be zero, what there was, and how soon work went on."""
    asked = Measure("commands asked", counted.asked, "commands")
    calm = Measure("question to answer, undisturbed", campaign.undisturbed, "s")
    return [
        compare("commands without a decision", counted.lost, "commands", asked),
        compare("commands with more than one decision", counted.doubled, "commands", asked),
        compare("decision numbers missing or given twice", counted.misnumbered, "numbers", asked),
        compare("decisions that were never handed out", counted.unheard, "commands", asked),
        compare("commands handed out differently", counted.contradicted, "commands", asked),
        Measure("sanyuan verify", report.exit_code, "exit code"),
        *missed,
        asked,
        compare("commands decided", counted.decided, "commands", asked),
        Measure("records in the log", report.size or 0, "records"),
        Measure("kills", campaign.kills, "SIGKILL"),
        Measure("kills at a named step", _at_steps(campaign.strikes), "SIGKILL"),
        calm,
        *_recoveries(campaign.strikes, calm),
    ]


MUST_BE_ZERO = 7
"""So many of the first rows."""


def is_faultless(measures: Sequence[Measure]) -> bool:
    """Whether nothing was lost, doubled or made incomplete, and every tampering was found."""
    return not any(measure.value for measure in measures[:MUST_BE_ZERO])


def _at_steps(strikes: Sequence[Strike]) -> int:
    return sum(1 for strike in strikes if strike.step)


def _recoveries(strikes: list[Strike], calm: Measure) -> list[Measure]:
    found = []
    for who, times in by_victims(strikes).items():
        name = " + ".join(who)
        found.append(compare(f"{name} killed, work goes on, median", median(times), "s", calm))
        found.append(compare(f"{name} killed, work goes on, worst", max(times), "s", calm))
    return found
