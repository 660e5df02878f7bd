"""The count after faults finds what it is there to find."""

from collections import Counter

import pytest

from sanyuan.sandbox.demo.load.journal import Ended
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.schedule import Step, preparation
from sanyuan.sandbox.faults.campaign import Strike
from sanyuan.sandbox.faults.picture import TOGETHER, WITH_BROKER, by_victims, median
from sanyuan.sandbox.faults.tally import Found, KindTally, Place, tally

STEPS = [Step("shared-call", 3, index) for index in range(4)]
PLACES: list[Place] = [("//cn/a", "cn/calls", sequence) for sequence in range(1, 5)]
COMMANDS = dict(zip(PLACES, STEPS, strict=True))


def ends(*outcomes: Outcome) -> list[Ended]:
    return [Ended(step, outcome, 10) for step, outcome in zip(STEPS, outcomes, strict=True)]


GOOD = ends(*[Outcome.ANSWERED] * 3, Outcome.REFUSED_AS_EXPECTED)


def log() -> Found:
    """Three calls are admitted and answered, one is refused."""
    return Found(Counter(PLACES), set(PLACES[:3]), Counter(PLACES[:3]), {"//cn/s": Counter([1, 2])})


def counted(found: Found, ended: list[Ended] = GOOD) -> KindTally:
    return tally("shared-call", COMMANDS, ended, found)


def test_what_is_decided_answered_and_told_once_is_no_fault() -> None:
    result = counted(log())
    assert result == KindTally(4, 4, 4, 0, 0, 0, 0)
    assert result.faults == 0


def test_a_command_without_a_decision_is_lost() -> None:
    found = log()
    del found.decided[PLACES[3]]
    assert counted(found).lost == 1


def test_an_admitted_call_without_an_answer_is_lost() -> None:
    found = log()
    del found.answered[PLACES[0]]
    assert counted(found).lost == 1


def test_an_end_that_nobody_was_told_is_lost() -> None:
    assert counted(log(), GOOD[:-1]).lost == 1


def test_more_than_one_decision_answer_or_end_is_doubled() -> None:
    found = log()
    found.decided[PLACES[0]] += 1
    found.answered[PLACES[1]] += 1
    assert counted(found, [*GOOD, GOOD[2]]).doubled == 3


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.SURPRISING])
def test_another_end_than_the_right_one_is_wrong(outcome: Outcome) -> None:
    ended = [*GOOD[:3], Ended(STEPS[3], outcome, 10)]
    assert (counted(log(), ended).wrong, counted(log(), ended).answered) == (1, 3)


def test_a_call_that_nobody_was_there_to_answer_in_time_is_told_apart() -> None:
    ended = [*GOOD[:3], Ended(STEPS[3], Outcome.FAILED, 10)]
    assert (counted(log(), ended).late, counted(log(), ended).faults) == (1, 0)


def test_other_kinds_are_counted_by_themselves() -> None:
    place: Place = ("//cn/a", "cn/identity-commands", 1)
    commands = COMMANDS | {place: Step("verification", 3, 1)}
    assert tally("shared-call", commands, GOOD, log()).offered == 4
    assert tally("verification", commands, GOOD, log()).lost == 2


def test_a_verification_that_only_prepares_ends_with_its_decision() -> None:
    place: Place = ("//cn/a", "cn/identity-commands", 1)
    found = Found(Counter([place]))
    assert tally("verification", {place: preparation(3)}, [], found).faults == 0


@pytest.mark.parametrize(("given", "faults"), [([1, 2, 3], 0), ([1, 3], 1), ([1, 2, 2], 1)])
def test_numbers_of_decisions_are_given_once_each(given: list[int], faults: int) -> None:
    numbers = {"//cn/services/identity": Counter(given), "//cn/services/catalog": Counter([1])}
    assert Found(numbers=numbers).misnumbered == faults


def test_recoveries_are_told_by_who_died() -> None:
    strikes = [
        Strike(("kafka", "audit"), None, 4.0),
        Strike(("audit",), "audit.after-tiles", 1.0),
        Strike(("audit", "catalog"), None, 2.0),
        Strike(("audit",), None, 3.0),
    ]
    told = {who: [each.recovery for each in those] for who, those in by_victims(strikes).items()}
    assert told == {"audit": [1.0, 3.0], TOGETHER: [2.0], WITH_BROKER: [4.0]}
    assert median([1.0, 3.0, 2.0]) == 2.0
