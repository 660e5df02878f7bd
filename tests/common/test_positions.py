"""Positions: they move only from where they were expected, and hashes tell forks from copies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sanyuan.common.envelope import hash_value
from sanyuan.common.positions import (
    KnownPlaces,
    Move,
    PositionError,
    forget_taken,
    hash_at,
    load_offsets,
    load_places,
    move_places,
    save_offsets,
)
from sanyuan.common.streams import START, Position

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sanyuan.common.outbox import Stream


STREAM = ("//cn/services/identity", "identity-commands")
HASHES = [hash_value(b"%d" % number) for number in range(6)]


def move_place(
    connection: Connection, stream: Stream, expected: Position, hashes: list[str]
) -> Position:
    move = Move(stream, expected, hashes)
    move_places(connection, [move])
    return move.place


def test_offsets_are_kept_by_partition(connection: Connection) -> None:
    assert load_offsets(connection) == {}
    save_offsets(connection, {("a", 0): 5, ("a", 1): 7})
    save_offsets(connection, {("a", 1): 8, ("b", 0): 0})
    assert load_offsets(connection) == {("a", 0): 5, ("a", 1): 8, ("b", 0): 0}


def move(
    connection: Connection, expected: Position, *hashes: str, stream: Stream = STREAM
) -> Position:
    moved = Move(stream, expected, hashes)
    move_places(connection, [moved])
    return moved.place


def test_a_place_moves_as_far_as_its_hashes(connection: Connection) -> None:
    place = move(connection, START, *HASHES[:2])
    assert place == Position(2, HASHES[1])
    assert move(connection, place, HASHES[2]) == Position(3, HASHES[2])
    assert load_places(connection, [STREAM, ("other", "topic")]) == {STREAM: Position(3, HASHES[2])}


def test_a_place_that_another_moved_does_not_move(connection: Connection) -> None:
    place = move(connection, START, *HASHES[:2])
    other = ("other", "topic")
    beside = move(connection, START, HASHES[0], stream=other)
    with pytest.raises(PositionError):
        move(connection, Position(1, HASHES[0]), HASHES[1])
    stale, good = Move(STREAM, Position(1, HASHES[0]), HASHES[1:2]), Move(other, beside, HASHES[1:])
    with pytest.raises(PositionError):
        move_places(connection, [good, stale])
    assert place.sequence == 2


def test_known_places_are_those_of_the_database(connection: Connection) -> None:
    place, other = move(connection, START, *HASHES[:2]), ("other", "topic")
    known = KnownPlaces()
    assert known.load(connection, [STREAM, other]) == {STREAM: place, other: START}
    known.move(connection, [Move(STREAM, place, HASHES[2:3]), Move(other, START, HASHES[:1])])
    fresh = KnownPlaces().load(connection, [STREAM, other])
    assert known.load(connection, [STREAM, other]) == fresh
    assert fresh[STREAM] == Position(3, HASHES[2])


def test_what_was_rolled_back_is_not_known(connection: Connection) -> None:
    known = KnownPlaces()
    known.load(connection, [STREAM])
    known.move(connection, [Move(STREAM, START, HASHES[:2])])
    connection.rollback()
    known.forget()
    assert known.load(connection, [STREAM]) == {STREAM: START}


def test_nothing_moves_when_nothing_is_taken(connection: Connection) -> None:
    move_places(connection, [])
    assert load_places(connection, []) == {}


def test_every_taken_hash_is_found(connection: Connection) -> None:
    place = move(connection, START, *HASHES[:2])
    move(connection, place, *HASHES[2:5])
    assert [hash_at(connection, STREAM, n) for n in range(1, 6)] == HASHES[:5]
    assert hash_at(connection, STREAM, 6) is None
    assert hash_at(connection, ("other", "topic"), 1) is None


def test_hashes_older_than_the_topic_keeps_are_forgotten(connection: Connection) -> None:
    move(connection, START, *HASHES[:2])
    assert forget_taken(connection, time.time() - 60) == 0
    assert forget_taken(connection, time.time() + 60) == 1
    assert hash_at(connection, STREAM, 1) is None


def test_more_streams_than_a_statement_takes_are_loaded(connection: Connection) -> None:
    streams = [(f"//cn/services/s{number}", "t") for number in range(1000)]
    move_places(connection, [Move(stream, START, HASHES[:1]) for stream in streams])
    assert load_places(connection, streams).keys() == set(streams)
