from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.rates import Rate, take

SECOND = 1_000_000


def taken(rate: Rate, instants: list[int]) -> list[bool]:
    full_at, answers = 0, []
    for at in instants:
        after = take(rate, full_at, at)
        answers.append(after is not None)
        full_at = full_at if after is None else after
    return answers


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    rate = Rate(per_second=10, burst=3)
    at = 5 * SECOND
    assert taken(rate, [at] * 4) == [True, True, True, False]
    assert taken(rate, [at] * 3 + [at + SECOND // 10] * 2) == [True] * 4 + [False]


def test_a_refusal_costs_no_token() -> None:
    rate = Rate(per_second=10, burst=1)
    tries = [0, *range(1, 100_000, 1_000), 100_000]
    assert taken(rate, tries) == [True, *[False] * 100, True]


@given(
    st.integers(1, 1000),
    st.integers(1, 50),
    st.lists(st.integers(0, 200_000), min_size=1, max_size=200),
)
def test_no_span_sees_more_than_burst_and_rate(
    per_second: int, burst: int, pauses: list[int]
) -> None:
    rate = Rate(per_second, burst)
    instants = [sum(pauses[: place + 1]) for place in range(len(pauses))]
    given_out = [at for at, allowed in zip(instants, taken(rate, instants), strict=True) if allowed]
    interval = SECOND // per_second
    for place, start in enumerate(given_out):
        for count, end in enumerate(given_out[place:], start=1):
            assert count <= burst + (end - start) // interval
