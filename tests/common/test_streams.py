"""Strict streams: whatever happens on the way, a reader has taken a prefix, each record once."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.envelope import ZERO_HASH, hash_value
from sanyuan.common.streams import START, Position, Verdict, judge

LENGTH = 8
VALUES = [b"value %d" % number for number in range(1, LENGTH + 1)]
HASHES = [hash_value(value) for value in VALUES]
PREVIOUS = [ZERO_HASH, *HASHES]
PLACES = st.integers(1, LENGTH)


@dataclass
class Reader:
    position: Position = START
    hashes: tuple[str, ...] = ()

    def read(self, sequence: int, previous: str, own_hash: str) -> Verdict:
        known = self.hashes[sequence - 1] if 0 < sequence <= len(self.hashes) else None
        verdict = judge(self.position, sequence, previous, own_hash, known)
        if verdict is Verdict.TAKE:
            self.position = Position(sequence, own_hash)
            self.hashes += (own_hash,)
        return verdict

    def deliver(self, sequence: int) -> Verdict:
        return self.read(sequence, PREVIOUS[sequence - 1], HASHES[sequence - 1])


@given(st.lists(PLACES))
def test_under_loss_repetition_and_reordering_a_reader_has_a_prefix_each_once(
    delivered: list[int],
) -> None:
    reader = Reader()
    for sequence in delivered:
        assert reader.deliver(sequence) in {Verdict.TAKE, Verdict.SKIP, Verdict.AHEAD}
        assert reader.hashes == tuple(HASHES[: reader.position.sequence])


@given(st.lists(PLACES), st.lists(st.integers(0, LENGTH - 1), max_size=3))
def test_a_producer_that_resends_to_its_head_makes_the_stream_complete(
    delivered: list[int], unconfirmed: list[int]
) -> None:
    reader = Reader()
    for sequence in delivered:
        reader.deliver(sequence)
    # Confirmed is at most what was taken; it resends from there, and again after each failure.
    for behind in [*unconfirmed, 0]:
        first = max(1, reader.position.sequence + 1 - behind)
        for sequence in range(first, LENGTH + 1):
            reader.deliver(sequence)
    assert reader.hashes == tuple(HASHES)


@given(PLACES, st.data())
def test_another_value_at_a_place_that_was_taken_is_forked(taken: int, data: st.DataObject) -> None:
    reader = Reader()
    for sequence in range(1, taken + 1):
        reader.deliver(sequence)
    at = data.draw(st.integers(1, taken))
    assert reader.read(at, PREVIOUS[at - 1], hash_value(b"another")) is Verdict.FORKED
    assert reader.hashes == tuple(HASHES[:taken])


def test_the_next_place_under_a_wrong_previous_is_chain_and_stays_open() -> None:
    reader = Reader()
    reader.deliver(1)
    assert reader.read(2, ZERO_HASH, HASHES[1]) is Verdict.CHAIN
    assert reader.deliver(2) is Verdict.TAKE


def test_a_later_place_is_dropped_and_not_kept() -> None:
    reader = Reader()
    assert reader.deliver(2) is Verdict.AHEAD
    assert reader.deliver(1) is Verdict.TAKE
    assert reader.position.sequence == 1


def test_a_repetition_is_skipped_silently() -> None:
    reader = Reader()
    assert [reader.deliver(1), reader.deliver(1)] == [Verdict.TAKE, Verdict.SKIP]


def test_a_repetition_whose_hash_is_no_longer_kept_is_skipped() -> None:
    position = Position(5, HASHES[4])
    assert judge(position, 2, PREVIOUS[1], hash_value(b"another"), None) is Verdict.SKIP


def test_the_head_itself_is_always_known() -> None:
    position = Position(5, HASHES[4])
    assert judge(position, 5, PREVIOUS[4], hash_value(b"another"), None) is Verdict.FORKED
