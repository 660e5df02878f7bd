from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.load.mix import (
    CYCLE,
    KINDS,
    SHARES,
    count_of,
    kind_of,
    operation_of,
    ordinal_of,
)


def test_the_shares_are_those_of_2020() -> None:
    counted = Counter(kind_of(operation) for operation in range(CYCLE))
    assert counted == SHARES
    assert counted["verification"] / counted["shared-call"] == 0.029
    assert counted["license-exchange"] / counted["shared-call"] == 0.0085


def test_every_second_has_its_share_of_each_kind() -> None:
    for begin in range(0, 20 * 1118, 1118):
        counted = Counter(kind_of(operation) for operation in range(begin, begin + 1118))
        assert 30 <= counted["verification"] <= 32
        assert 8 <= counted["license-exchange"] <= 10


@given(st.integers(0, 10**9))
def test_an_operation_is_found_by_its_number_of_its_kind(operation: int) -> None:
    kind, ordinal = kind_of(operation), ordinal_of(operation)
    assert operation_of(kind, ordinal) == operation
    assert count_of(kind, operation) == ordinal


@given(st.integers(0, 10**6))
def test_the_kinds_add_up(operations: int) -> None:
    assert sum(count_of(kind, operations) for kind in KINDS) == operations
