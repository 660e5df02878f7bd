"""``verify --drill``: what the verifier would find, shown on a copy."""

import json
import secrets
from random import Random
from typing import Final

from rich.progress import track

from sanyuan.client.cli.console import ERR, OUT
from sanyuan.client.drill import TAMPERINGS, Outcome, copy_log, tamper
from sanyuan.client.drill.render import render
from sanyuan.client.verify.findings import EXIT_NOT_CHECKED, EXIT_SOUND
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile

_DRAWN: Final = 2**32


def run_drill(
    log: str, keys: tuple[VerifierKey, VerifierKey], reader: SystemFile | None, *, as_json: bool
) -> int:
    """Drill, print and return the exit code: 0 when everything was found, else 30."""
    seed = secrets.randbelow(_DRAWN)
    with open_source(log, reader) as source:
        ledger = copy_log(source, *keys)
    tried = track(TAMPERINGS, "drill", console=ERR, transient=True)
    outcomes = tamper(ledger, Random(seed), tried)  # noqa: S311 -- a place to try, no secret
    if as_json:
        OUT.print_json(json.dumps(_as_json(len(ledger.entries), seed, outcomes)))
    else:
        OUT.print(render(ledger, outcomes))
    return EXIT_SOUND if all(outcome.found for outcome in outcomes) else EXIT_NOT_CHECKED


def _as_json(entries: int, seed: int, outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "entries": entries,
        "seed": seed,
        "tried": len(outcomes),
        "found": sum(outcome.found for outcome in outcomes),
        "outcomes": [outcome.as_json() for outcome in outcomes],
    }
