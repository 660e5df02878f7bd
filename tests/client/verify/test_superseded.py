"""A source that the agency ended: the log has of it what it had sealed, and goes on without it."""

from __future__ import annotations

import pytest
from tests.client.verify.conftest import AGENCY, FOOD, LogMaker

from sanyuan.client.verify.findings import Grade

TOPIC = "cn/identity-commands"


def supersede(log: LogMaker, last: int, head: str) -> None:
    data = {"source": FOOD, "successor": f"{FOOD}~2", "heads": [[TOPIC, last, head]]}
    log.add(AGENCY, "participants", "participant.system-superseded.v1", data)
    log.register(f"{FOOD}~2")
    log.command(f"{FOOD}~2")
    log.seal()
    log.publish()


def test_a_log_in_which_a_system_goes_on_as_its_next_life_is_sound(log: LogMaker) -> None:
    for _ in range(3):
        log.command()
    stream = log.streams[FOOD, TOPIC]
    supersede(log, 3, stream.head)
    report = log.verify()
    assert (report.exit_code, report.findings) == (0, ())


@pytest.mark.parametrize("last", [3, 4])
def test_a_log_that_has_less_of_it_than_it_had_sealed_is_forged(log: LogMaker, last: int) -> None:
    for _ in range(3):
        log.command()
    found = log.streams[FOOD, TOPIC].head
    supersede(log, last, "a" * 64)
    report = log.verify()
    assert report.exit_code == 20
    [finding] = report.having(Grade.FORGED)
    assert (finding.source, finding.topic, finding.sequence) == (FOOD, TOPIC, last)
    assert (finding.expected, finding.found) == ("a" * 64, found)


def test_what_the_old_source_still_signs_is_in_the_log_and_refused_by_everybody(
    log: LogMaker,
) -> None:
    log.command()
    supersede(log, 1, log.streams[FOOD, TOPIC].head)
    log.command()
    log.seal()
    log.publish()
    assert log.verify().exit_code == 0
