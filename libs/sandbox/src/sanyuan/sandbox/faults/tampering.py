"""Two thousand random tamperings with a copy of the log that the kills have left (design §9.6)."""

from random import Random
from typing import Final

from rich.console import Console

from sanyuan.client.drill import TAMPERINGS, copy_log, tamper
from sanyuan.client.progress import bars
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import VerifierKey
from sanyuan.sandbox.bench.measures import Measure, compare

EDITS: Final = 2_000
"""At least; each known way as often as any other, each time at another place."""
ENTRIES: Final = 400
"""Of the copy, and up to its next seal: more than one bundle, and each verification is short."""


def tampered(
    log: str, agency: VerifierKey, signer: VerifierKey, seed: int, console: Console
) -> tuple[Measure, Measure]:
    """Return what was not found, or not named, and how much was tried."""
    with open_source(log) as source:
        ledger = copy_log(source, agency, signer, ENTRIES)
    rounds = -(-EDITS // len(TAMPERINGS))
    random = Random(seed)  # noqa: S311  places to try, no secrets
    missed = tried = 0
    with bars(console) as report:
        for done in range(rounds):
            outcomes = tamper(ledger, random, TAMPERINGS)
            missed += sum(not outcome.found for outcome in outcomes)
            tried += len(outcomes)
            report("tampering", done + 1, rounds)
    all_tried = Measure(f"tamperings tried, {len(TAMPERINGS)} ways", tried, "tamperings")
    return compare("tamperings not found or not named", missed, "tamperings", all_tried), all_tried
