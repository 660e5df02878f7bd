from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.quantiles import quantile, since


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
