from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.load.zipf import fraction, mix, zipf


def test_the_first_are_drawn_as_often_as_zipf_says() -> None:
    draws = 200_000
    counted = Counter(zipf(1_000, mix(number)) for number in range(draws))
    harmonic = sum(1 / rank for rank in range(1, 1_001))
    for rank in range(5):
        assert abs(counted[rank] / draws * harmonic * (rank + 1) - 1) < 0.03
    assert sum(counted[rank] for rank in range(10)) / draws > 0.35
    assert len(counted) == 1_000


@given(st.integers(0, (1 << 64) - 1), st.integers(1, 50))
def test_a_rank_is_within_its_count(bits: int, count: int) -> None:
    assert 0 <= zipf(count, bits) < count
    assert 0 <= fraction(bits) < 1


def test_the_extremes_are_the_first_and_the_last() -> None:
    assert zipf(10, 0) == 0
    assert zipf(10, (1 << 64) - 1) == 9
