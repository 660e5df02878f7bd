from hypothesis import given
from hypothesis import strategies as st

from sanyuan.catalog.domain.grants import (
    GRANT_TRANSITIONS,
    Bounds,
    Grant,
    GrantPhase,
    GrantStep,
    grant_id,
)

LIMITS = st.none() | st.integers(1, 3)
BOUNDS = st.builds(
    Bounds,
    fields=st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple),
    quota=LIMITS,
    rate=LIMITS,
    until=st.integers(1, 3),
)


def test_what_is_over_stays_over() -> None:
    over = {GrantPhase.REFUSED, GrantPhase.REVOKED, GrantPhase.ENDED}
    assert not [step for phase, step in GRANT_TRANSITIONS if phase in over]


def test_a_grant_opens_by_the_providers_word_only() -> None:
    opening = {key for key, phase in GRANT_TRANSITIONS.items() if phase is GrantPhase.OPEN}
    assert opening == {(GrantPhase.PENDING, GrantStep.ALLOW)}


@given(BOUNDS, BOUNDS, BOUNDS)
def test_bounds_are_ordered(first: Bounds, second: Bounds, third: Bounds) -> None:
    assert first.is_within(first)
    if first.is_within(second) and second.is_within(third):
        assert first.is_within(third)
    if first.is_within(second) and second.is_within(first):
        assert set(first.fields) == set(second.fields)
        assert first[1:] == second[1:]


def test_no_limit_is_wider_than_any() -> None:
    limited, unlimited = Bounds(("a",), 5, 5, 9), Bounds(("a",), None, None, 9)
    assert limited.is_within(unlimited)
    assert not unlimited.is_within(limited)


def test_a_grant_stands_until_its_last_microsecond() -> None:
    grant = Grant("r", "g", "s", "p", Bounds(("a",), None, None, 9), GrantPhase.OPEN)
    assert grant.stands(8)
    assert not grant.stands(9)
    assert not grant._replace(phase=GrantPhase.PENDING).stands(8)


def test_an_id_says_nothing_of_the_randomness_that_it_is_made_of() -> None:
    assert len(grant_id(bytes(32))) == 32
    assert grant_id(bytes(32)) != bytes(16).hex()
