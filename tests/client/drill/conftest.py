"""A log to try things on: several systems, several seals, one whole bundle and a part of one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.client.verify.conftest import AGENCY, FOOD, LogMaker

from sanyuan.client.drill import Ledger, copy_log
from sanyuan.client.verify.source import FolderSource

OTHER = "//cn/departments/11110000000012345X/other"
GONE = "//cn/departments/11110000000012345X/gone"
THIRD = "//cn/departments/11110000000012345X/third"


def dice(seed: str) -> Random:
    """The same throws in every run."""
    return Random(seed)  # noqa: S311  places to try, no secrets


def make_log(folder: Path, rounds: int = 12) -> LogMaker:
    """A log whose seals have one part and three, with a gap that is closed and a key renewed."""
    log = LogMaker(folder / "log", folder / "state")
    log.found()
    for source in (OTHER, THIRD):
        log.register(source)
    random = dice("log")
    stream = {"source": FOOD, "topic": "cn/identity-commands"}
    log.command()
    gap = log.own("log.gap.v1", stream | {"expected": 2, "seen": 4})
    log.command()
    log.own("log.gap-closed.v1", stream | {"expected": 2, "gap": gap})
    supersede(log)
    for round_ in range(rounds):
        for _ in range(20):
            source = random.choice((FOOD, OTHER, THIRD))
            topic = random.choice(("identity-commands", "calls"))
            log.add(source, topic, "identity.verify-person.v1", {"n": len(log.entries)})
        log.seal(split=1 + round_ % 2 * 2)
    log.publish()
    return log


def supersede(log: LogMaker) -> None:
    """A system that lost its outbox and goes on as another source."""
    log.register(GONE)
    log.command(GONE)
    log.seal()
    heads = [["cn/identity-commands", 1, log.streams[GONE, "cn/identity-commands"].head]]
    data = {"source": GONE, "successor": f"{GONE}~2", "heads": heads}
    log.add(AGENCY, "participants", "participant.system-superseded.v1", data)


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The copy that a drill works on."""
    log = make_log(tmp_path_factory.mktemp("drilled"))
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    return copy_log(FolderSource(log.folder), *keys, enough=260)
