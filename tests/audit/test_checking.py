"""Checking in other processes says what checking here says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.common.follower import Participants

if TYPE_CHECKING:
    from tests.audit.conftest import Lab

FOOD = "//cn/departments/11110000000012345X/food-permits"
OTHER = "//cn/departments/11110000000012345X/other"


@pytest.mark.asyncio
async def test_processes_and_threads_agree(lab: Lab) -> None:
    for _ in range(300):
        lab.command()
    lab.command(OTHER)
    lab.put("identity-commands", FOOD, None)
    lab.put("identity-commands", FOOD, lab.command().value, headers=[("signature", b"x")])
    outcomes = []
    for jobs in (1, 2):
        checker = Checker("cn", jobs)
        try:
            outcomes.append(await check(checker, lab))
        finally:
            checker.close()
    one, two = outcomes
    assert (one.records, one.rejections, one.offsets) == (two.records, two.rejections, two.offsets)
    assert len(one.records) == len(lab.topics["participants", 0]) + 301
    assert [each.reason for each in one.rejections] == ["unknown-key", "unreadable", "unreadable"]


async def check(checker: Checker, lab: Lab) -> Checked:
    raws = [
        raw
        for partition, records in sorted(lab.topics.items())
        if partition[0] != "participants"
        for raw in records
    ]
    participants = Participants(lab.system())
    return await checker.check(lab.topics["participants", 0], raws, participants)


@pytest.mark.asyncio
async def test_each_batch_is_judged_by_the_registrations_before_it_however_many_are_begun(
    lab: Lab,
) -> None:
    early, late = lab.command(OTHER), lab.command(OTHER)
    founding = [*lab.topics["participants", 0]]
    lab.register(OTHER)
    registration = lab.topics["participants", 0][len(founding) :]
    participants, checker = Participants(lab.system()), Checker("cn", 1)
    try:
        before = checker.check(founding, [early], participants)
        after = checker.check(registration, [late], participants)
        first, second = await before, await after
    finally:
        checker.close()
    assert [each.reason for each in first.rejections] == ["unknown-key"]
    assert [each.raw for each in second.records] == [*registration, late]
