from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.synthetic.providers.known import (
    KNOWN,
    OTHERS,
    POPULAR,
    first_other,
    in_rank,
    knows,
)
from sanyuan.sandbox.synthetic.registers import ORGANISATIONS, PEOPLE

CODES = st.from_regex(r"[1-3][0-9]{7}/00000[1-9]", fullmatch=True)


@given(CODES, st.sampled_from((PEOPLE, ORGANISATIONS)))
def test_a_resource_knows_the_popular_and_as_many_others_in_a_row(code: str, count: int) -> None:
    first = first_other(code, count)
    assert POPULAR <= first <= count - OTHERS
    around = range(first - OTHERS, first + 2 * OTHERS)
    others = [rank for rank in around if rank >= POPULAR and knows(code, rank, count)]
    assert others == list(range(first, first + OTHERS))
    assert all(knows(code, rank, count) for rank in range(POPULAR))
    assert not knows(code, -1, count)
    assert KNOWN == 1_000


def test_every_row_of_a_register_has_one_rank() -> None:
    for count in (PEOPLE, ORGANISATIONS):
        assert sorted(in_rank(range(count))) == list(range(count))


def test_neighbours_by_rank_are_no_neighbours_in_the_register() -> None:
    rows = in_rank(range(PEOPLE))
    assert min(abs(a - b) for a, b in pairwise(rows)) > 30_000
