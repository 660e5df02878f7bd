from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.progress import Progress, load, quantile, save, since


def test_what_was_told_is_read_and_nothing_before(tmp_path: Path) -> None:
    assert load(tmp_path) == Progress()
    told = Progress("p", "running", 5, 3, 1, latencies={12: 2, 40: 1}, answered={"//cn/x": 3})
    save(tmp_path, told)
    assert load(tmp_path) == told


@given(st.lists(st.integers(0, 500), min_size=1), st.sampled_from([0.5, 0.99, 1.0]))
def test_a_quantile_is_one_of_the_values_with_its_share_below_it(
    values: list[int], share: float
) -> None:
    counts = {value: values.count(value) for value in values}
    found = quantile(counts, share)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_between_two_looks_only_what_is_new_counts() -> None:
    assert +since({1: 5, 2: 3, 9: 1}, {1: 5, 2: 1}) == {2: 2, 9: 1}


def test_what_a_kill_took_from_the_count_is_counted_without_a_latency() -> None:
    progress = Progress("p", completed=10, answered={"a": 7})
    progress.catch_up("a", 9)
    progress.catch_up("a", 9)
    progress.catch_up("b", 4)
    assert (progress.completed, progress.answered, progress.latencies) == (12, {"a": 9}, {})
