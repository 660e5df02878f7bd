from collections import Counter

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.demo.load.drawing import (
    Call,
    Draws,
    Exchange,
    Organisation,
    Person,
    Sizes,
    neighbour,
)
from sanyuan.sandbox.demo.load.grants import Wanted, wanted_grants
from sanyuan.sandbox.demo.load.schedule import EVERYBODY, Plan, Step, step_of, verified_before
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.providers.known import knows

NATION = Plan("nation", 1118.0, 60.0, 42, 1_000.0)
SIZES = Sizes(100_000, 20_000)


@pytest.fixture(scope="module")
def wanted(nation: tuple[Resource, ...]) -> tuple[Wanted, ...]:
    return wanted_grants(nation)


@pytest.fixture(scope="module")
def draws(wanted: tuple[Wanted, ...]) -> Draws:
    return Draws(NATION, wanted, SIZES)


@pytest.fixture(scope="module")
def calls(draws: Draws) -> list[tuple[Step, Call]]:
    steps = [step for step in map(step_of, range(NATION.total)) if step.kind == "shared-call"]
    return [(step, draws.call(step)) for step in steps]


def verified(draws: Draws, indexes: int) -> list[Person | Organisation]:
    return [
        draws.verification(Step("verification", department, index))
        for department in EVERYBODY
        for index in range(indexes)
    ]


def test_a_minute_of_the_nation_uses_every_grant_and_every_provider(
    calls: list[tuple[Step, Call]], wanted: tuple[Wanted, ...]
) -> None:
    used = {call.grant for _, call in calls}
    assert used == set(range(2_000))
    assert {wanted[call.grant].provider for _, call in calls} == set(EVERYBODY)


def test_one_call_in_a_hundred_is_made_under_somebody_elses_grant(
    calls: list[tuple[Step, Call]], wanted: tuple[Wanted, ...]
) -> None:
    outside = [(step, call) for step, call in calls if call.outside]
    assert 0.008 < len(outside) / len(calls) < 0.012
    for step, call in calls:
        assert (wanted[call.grant].caller != step.department) == call.outside


def test_a_neighbour_is_another_department_on_the_same_node() -> None:
    for at in EVERYBODY:
        assert neighbour(at) != at
        assert DEPARTMENTS[neighbour(at)].systems[0].node == DEPARTMENTS[at].systems[0].node


def test_nineteen_calls_in_twenty_are_about_somebody_whom_the_provider_knows(
    calls: list[tuple[Step, Call]], wanted: tuple[Wanted, ...]
) -> None:
    known = sum(call.known for _, call in calls)
    assert 0.94 < known / len(calls) < 0.96
    for _, call in calls:
        grant = wanted[call.grant]
        count = SIZES.people if grant.about == "person" else SIZES.organisations
        assert 0 <= call.rank < count
        assert knows(grant.resource, call.rank, count) == call.known


def test_people_are_asked_about_by_zipfs_law(
    calls: list[tuple[Step, Call]], draws: Draws, wanted: tuple[Wanted, ...]
) -> None:
    about = [each.about for each in wanted]
    asked = Counter(call.rank for step, call in calls if about[call.grant] == "person")
    harmonic = sum(1 / rank for rank in range(1, SIZES.people + 1))
    for rank in range(4):
        assert abs(asked[rank] / asked.total() * harmonic * (rank + 1) / 0.95 - 1) < 0.08
    assert len(asked) > 5_000
    people = Counter(each.number for each in verified(draws, 800) if isinstance(each, Person))
    (_, first), (_, second) = people.most_common(2)
    assert 0.07 < first / people.total() < 0.10
    assert 1.6 < first / second < 2.6


def test_three_verifications_in_a_hundred_are_under_anothers_name(draws: Draws) -> None:
    drawn = verified(draws, 800)
    mismatched = [each for each in drawn if isinstance(each, Person) and not each.matches]
    assert 0.027 < len(mismatched) / len(drawn) < 0.033
    for each in drawn:
        if isinstance(each, Person):
            assert 0 <= each.number < SIZES.people
            assert 0 <= each.name < SIZES.people
        else:
            assert 0 <= each.rank < SIZES.organisations


def test_an_exchange_is_about_the_organisation_that_was_verified_for_it(draws: Draws) -> None:
    for department in (0, 17, 52):
        for index in range(300):
            exchange = draws.exchange(Step("license-exchange", department, index))
            before = Step("verification", department, verified_before(index))
            assert draws.verification(before) == Organisation(exchange.rank, index)
            assert exchange.verification == before.index


def test_one_exchange_in_a_hundred_asks_for_more_than_is_granted(draws: Draws) -> None:
    drawn = [
        draws.exchange(Step("license-exchange", department, index))
        for department in EVERYBODY[:20]
        for index in range(1_000)
    ]
    assert 0.007 < sum(each.outside for each in drawn) / len(drawn) < 0.013


def test_draws_are_the_same_after_a_restart_and_others_for_another_seed(
    calls: list[tuple[Step, Call]], wanted: tuple[Wanted, ...]
) -> None:
    steps = [step for step, _ in calls[:500]]
    again, others = Draws(NATION, wanted, SIZES), Plan("nation", 1118.0, 60.0, 43, 1_000.0)
    assert [again.call(step) for step in steps] == [call for _, call in calls[:500]]
    assert [Draws(others, wanted, SIZES).call(step) for step in steps] != [
        c for _, c in calls[:500]
    ]
    exchange: Exchange = again.exchange(Step("license-exchange", 3, 5))
    assert exchange == Draws(NATION, wanted, SIZES).exchange(Step("license-exchange", 3, 5))
