import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.identity.domain.locks import (
    CLEAR,
    MINUTE,
    TRANSITIONS,
    Clear,
    Counting,
    Locked,
    LockedError,
    LockRules,
    Result,
    Watch,
    observe,
    standing,
)

RULES = LockRules(max_failures=3, window=60 * MINUTE, duration=30 * MINUTE)


def fail(times: int, *, at: int = 0, step: int = 1, watch: Watch = CLEAR) -> Watch:
    for turn in range(times):
        now = at + turn * step
        watch = observe(standing(watch, now, RULES), Result.MISMATCH, now, RULES)
    return watch


def test_the_table_names_every_result_of_every_subject_that_may_be_looked_up() -> None:
    assert set(TRANSITIONS) == {(kind, result) for kind in (Clear, Counting) for result in Result}


def test_so_many_failures_lock_the_subject() -> None:
    assert fail(2) == Counting(2, since=0)
    assert fail(3) == Locked(until=2 + RULES.duration)


def test_one_failure_locks_where_the_rules_allow_none() -> None:
    strict = LockRules(max_failures=1)
    assert observe(CLEAR, Result.MISMATCH, 7, strict) == Locked(7 + strict.duration)


def test_failures_far_apart_never_lock() -> None:
    assert fail(20, step=RULES.window // 2) == Counting(2, since=18 * RULES.window // 2)


def test_a_success_forgives_nothing() -> None:
    watch = fail(2)
    assert observe(watch, Result.MATCH, 5, RULES) == watch


def test_a_lock_ends_by_itself_and_counting_starts_anew() -> None:
    locked = fail(3)
    assert isinstance(locked, Locked)
    assert standing(locked, locked.until - 1, RULES) == locked
    assert standing(locked, locked.until, RULES) == CLEAR
    assert fail(1, at=locked.until, watch=locked) == Counting(1, since=locked.until)


def test_a_locked_subject_is_never_looked_up() -> None:
    with pytest.raises(LockedError):
        observe(Locked(10), Result.MATCH, 5, RULES)


@given(st.lists(st.integers(0, 2 * RULES.window), max_size=60))
def test_nobody_gets_more_tries_in_a_window_than_the_rules_give(pauses: list[int]) -> None:
    now, watch, tries = 0, standing(CLEAR, 0, RULES), list[int]()
    for pause in pauses:
        now += pause
        watch = standing(watch, now, RULES)
        if not isinstance(watch, Locked):
            tries.append(now)
            watch = observe(watch, Result.MISMATCH, now, RULES)
    for first in tries:
        # Two fixed windows can touch in the span of one.
        within = [at for at in tries if first <= at < first + RULES.duration]
        assert len(within) <= 2 * RULES.max_failures - 1
