"""Positions: they move only from where they were expected, and hashes tell forks from copies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sanyuan.common.envelope import hash_value
from sanyuan.common.positions import (
    PositionError,
    forget_taken,
    hash_at,
    load_offsets,
    load_places,
    move_place,
    save_offsets,
)
from sanyuan.common.streams import START, Position

if TYPE_CHECKING:
    from sqlalchemy import Connection

STREAM = ("//cn/services/identity", "identity-commands")
HASHES = [hash_value(b"%d" % number) for number in range(6)]


def test_offsets_are_kept_by_partition(connection: Connection) -> None:
    assert load_offsets(connection) == {}
    save_offsets(connection, {("a", 0): 5, ("a", 1): 7})
    save_offsets(connection, {("a", 1): 8, ("b", 0): 0})
    assert load_offsets(connection) == {("a", 0): 5, ("a", 1): 8, ("b", 0): 0}


def test_a_place_moves_as_far_as_its_hashes(connection: Connection) -> None:
    place = move_place(connection, STREAM, START, HASHES[:2])
    assert place == Position(2, HASHES[1])
    assert move_place(connection, STREAM, place, HASHES[2:3]) == Position(3, HASHES[2])
    assert load_places(connection, [STREAM, ("other", "topic")]) == {STREAM: Position(3, HASHES[2])}


def test_a_place_that_another_moved_does_not_move(connection: Connection) -> None:
    move_place(connection, STREAM, START, HASHES[:2])
    with pytest.raises(PositionError):
        move_place(connection, STREAM, Position(1, HASHES[0]), HASHES[1:2])


def test_every_taken_hash_is_found(connection: Connection) -> None:
    place = move_place(connection, STREAM, START, HASHES[:2])
    move_place(connection, STREAM, place, HASHES[2:5])
    assert [hash_at(connection, STREAM, n) for n in range(1, 6)] == HASHES[:5]
    assert hash_at(connection, STREAM, 6) is None
    assert hash_at(connection, ("other", "topic"), 1) is None


def test_hashes_older_than_the_topic_keeps_are_forgotten(connection: Connection) -> None:
    move_place(connection, STREAM, START, HASHES[:2])
    assert forget_taken(connection, time.time() - 60) == 0
    assert forget_taken(connection, time.time() + 60) == 1
    assert hash_at(connection, STREAM, 1) is None


def test_more_streams_than_a_statement_takes_are_loaded(connection: Connection) -> None:
    streams = [(f"//cn/services/s{number}", "t") for number in range(1000)]
    for stream in streams:
        move_place(connection, stream, START, HASHES[:1])
    assert load_places(connection, streams).keys() == set(streams)
