from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.schedule import Plan, Run, draw

SOURCES = [f"s{number}" for number in range(7)]


def run(rate: float = 100.0, seconds: float = 3.0, heads: dict[str, int] | None = None) -> Run:
    heads = heads or {}
    return Run(Plan("p", rate, seconds, 1), 1000.0, {s: heads.get(s, 0) + 1 for s in SOURCES})


def test_operations_are_due_evenly_from_the_start() -> None:
    assert [run().due(operation) for operation in (0, 1, 299)] == [1000.0, 1000.01, 1002.99]


def test_a_run_that_never_began_has_everything_before_it() -> None:
    assert list(run().remaining(SOURCES, {})) == list(range(300))


@given(st.lists(st.integers(0, 60), min_size=7, max_size=7), st.integers(0, 9))
def test_after_a_kill_what_was_sent_is_not_sent_again(sent: list[int], before: int) -> None:
    begun = run(heads=dict.fromkeys(SOURCES, before))
    heads = {source: before + count for source, count in zip(SOURCES, sent, strict=True)}
    left = Counter(operation % 7 for operation in begun.remaining(SOURCES, heads))
    each = Counter(operation % 7 for operation in range(300))
    assert all(left[at] == max(0, each[at] - sent[at]) for at in range(7))


@given(st.integers(0, 299), st.integers(0, 1000))
def test_the_sequence_of_a_command_says_which_operation_it_was(operation: int, before: int) -> None:
    begun = run(heads=dict.fromkeys(SOURCES, before))
    source, sequence = SOURCES[operation % 7], before + 1 + operation // 7
    assert begun.operation(SOURCES, source, sequence) == operation


def test_three_in_a_hundred_are_asked_under_anothers_name() -> None:
    draws = [draw(Plan("p", 1, 1, 42), operation, 1000) for operation in range(100_000)]
    assert 0.027 < sum(not each.matches for each in draws) / len(draws) < 0.033
    assert all(0 <= each.number < 1000 and 0 <= each.name < 1000 for each in draws)
    assert len({each.number for each in draws}) == 1000


def test_a_draw_is_the_same_after_a_restart_and_another_for_another_seed() -> None:
    first = [draw(Plan("p", 1, 1, 1), operation, 1000) for operation in range(100)]
    assert first == [draw(Plan("p", 1, 1, 1), operation, 1000) for operation in range(100)]
    assert first != [draw(Plan("p", 1, 1, 2), operation, 1000) for operation in range(100)]
