"""Counting uses: exactly as often as identity allows, by whom it was issued to, never after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from tests.common.assertions.conftest import AUDIENCE, PARTY

from sanyuan.common.assertions.token import Assertion, AssertionRefusal
from sanyuan.common.assertions.uses import Counting, Known, Use

END: Final = 1_000
OTHER: Final = "91110000600037341L"


def assertion(jti: str = "a" * 32, uses: int = 2, expires_at: int = END) -> Assertion:
    return Assertion(
        issuer="//cn/services/identity",
        audience=AUDIENCE,
        party=PARTY,
        jti=jti,
        expires_at=expires_at,
        purpose="food-business-licence",
        case="case",
        uses=uses,
        level="two-factor",
        subject="s",
        sealed_holder="",
    )


def test_an_assertion_is_taken_as_often_as_it_allows() -> None:
    counting = Counting(Known())
    taken = [counting.take(assertion(), PARTY, 1) for _ in range(3)]
    assert taken == [None, None, AssertionRefusal.USED_UP]
    assert counting.taken == {"a" * 32: Use(2, 2, END)}


def test_earlier_uses_count() -> None:
    counting = Counting(Known(used={"a" * 32: 1}))
    assert counting.take(assertion(), PARTY, 1) is None
    assert counting.take(assertion(), PARTY, 1) is AssertionRefusal.USED_UP


def test_an_assertion_ends_at_its_instant() -> None:
    counting = Counting(Known())
    assert counting.take(assertion(), PARTY, END - 1) is None
    assert counting.take(assertion(), PARTY, END) is AssertionRefusal.EXPIRED


def test_a_revoked_assertion_is_never_taken() -> None:
    counting = Counting(Known(revoked=frozenset({"a" * 32})))
    assert counting.take(assertion(), PARTY, 1) is AssertionRefusal.REVOKED


def test_only_who_obtained_an_assertion_may_show_it() -> None:
    counting = Counting(Known())
    assert counting.take(assertion(), OTHER, 1) is AssertionRefusal.NOT_FOR_YOU
    assert counting.take(assertion(), None, 1) is AssertionRefusal.NOT_FOR_YOU
    assert counting.taken == {}


def test_checking_takes_nothing() -> None:
    counting = Counting(Known())
    for _ in range(3):
        assert counting.check(assertion(uses=1), PARTY, 1) is None
    assert counting.taken == {}


class Show(NamedTuple):
    jti: str
    party: str
    at: int


SHOWS = st.lists(
    st.builds(
        Show,
        st.sampled_from(["a" * 32, "b" * 32, "c" * 32]),
        st.sampled_from([PARTY, OTHER]),
        st.integers(END - 5, END + 1),
    ),
    max_size=20,
).map(lambda shows: sorted(shows, key=lambda show: show.at))
REVOKED = frozenset({"c" * 32})


def answers(counting: Counting, shows: Sequence[Show]) -> list[AssertionRefusal | None]:
    return [counting.take(assertion(show.jti), show.party, show.at) for show in shows]


@given(SHOWS, st.integers(0, 20))
def test_any_split_of_a_batch_gives_the_same_answers(shows: list[Show], at: int) -> None:
    whole = Counting(Known(revoked=REVOKED))
    expected = answers(whole, shows)
    first = Counting(Known(revoked=REVOKED))
    found = answers(first, shows[:at])
    used = {jti: use.used for jti, use in first.taken.items()}
    second = Counting(Known(used, REVOKED))
    assert found + answers(second, shows[at:]) == expected
    assert first.taken | second.taken == whole.taken


@given(SHOWS)
def test_no_assertion_is_taken_more_often_than_it_allows(shows: list[Show]) -> None:
    counting = Counting(Known(revoked=REVOKED))
    taken = [
        show.jti
        for show, refusal in zip(shows, answers(counting, shows), strict=True)
        if refusal is None
    ]
    assert all(taken.count(jti) <= 2 for jti in taken)
    assert not REVOKED & set(taken)
