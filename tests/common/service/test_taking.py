"""Taking places against a real database: once, in order, and again after a restart."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlmodel import SQLModel
from tests.common.conftest import FOOD, IDENTITY, TAX, World, change, readable

from sanyuan.common.database import table_of
from sanyuan.common.positions import MODELS, load_places
from sanyuan.common.record import RawRecord, Record
from sanyuan.common.service.taking import take

if TYPE_CHECKING:
    from sqlalchemy import Connection

STREAM = (FOOD, "identity-commands")


def numbers(records: list[Record]) -> list[int]:
    return [record.envelope.number for record in records]


def taken(connection: Connection, *raws: RawRecord) -> tuple[list[int], list[str]]:
    found = take(connection, [readable(raw) for raw in raws])
    return numbers(list(found.records)), [rejection.reason for rejection in found.rejections]


def test_a_stream_is_taken_from_its_start(connection: Connection, world: World) -> None:
    assert taken(connection, *(world.send(FOOD) for _ in range(3))) == ([1, 2, 3], [])
    place = load_places(connection, [STREAM])[STREAM]
    assert (place.sequence, place.hash) == world.heads[STREAM]


def test_the_next_batch_goes_on_where_the_last_one_ended(
    connection: Connection, world: World
) -> None:
    taken(connection, world.send(FOOD), world.send(FOOD))
    assert taken(connection, world.send(FOOD)) == ([3], [])


def test_a_repetition_is_skipped_silently(connection: Connection, world: World) -> None:
    first, second = world.send(FOOD), world.send(FOOD)
    assert taken(connection, first, first, second, first, second) == ([1, 2], [])
    assert taken(connection, first, second) == ([], [])


def test_what_comes_too_early_is_dropped_for_its_stream_only(
    connection: Connection, world: World
) -> None:
    first, second, other = world.send(FOOD), world.send(FOOD), world.send(TAX)
    assert taken(connection, second, other) == ([1], [])
    assert taken(connection, first, second) == ([1, 2], [])


def forge(world: World, at: tuple[int, str]) -> RawRecord:
    """Another value at the place after `at`, signed by the same key."""
    kept = world.heads[STREAM]
    world.heads[STREAM] = at
    other = world.send(FOOD, actor="another")
    world.heads[STREAM] = kept
    return other


def test_another_value_at_a_taken_place_is_forked(connection: Connection, world: World) -> None:
    start = (0, "0" * 64)
    first = world.send(FOOD)
    after_first = world.heads[STREAM]
    second, third = world.send(FOOD), world.send(FOOD)
    assert taken(connection, first, forge(world, start), second) == ([1, 2], ["forked"])
    assert taken(connection, forge(world, start)) == ([], ["forked"])
    assert taken(connection, third, forge(world, after_first)) == ([3], ["forked"])


def test_a_wrong_previous_is_chain_and_the_place_stays_open(
    connection: Connection, world: World
) -> None:
    first = world.send(FOOD)
    wrong = forge(world, (1, "f" * 64))
    second = world.send(FOOD)
    assert taken(connection, first, wrong, second) == ([1, 2], ["chain"])


def test_streams_of_services_are_taken_too(connection: Connection, world: World) -> None:
    assert taken(connection, world.send(IDENTITY, kind="identity.tick.v1")) == ([1], [])


def test_the_same_source_has_one_stream_a_topic(connection: Connection, world: World) -> None:
    records = [world.send(FOOD), world.send(FOOD, topic="catalog-commands"), world.send(FOOD)]
    assert taken(connection, *records) == ([1, 1, 2], [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=24),
    st.lists(st.integers(0, 24), max_size=4),
)
def test_batches_never_matter_and_every_record_is_taken_once(
    deliveries: list[tuple[int, bool]], cuts: list[int]
) -> None:
    """Loss, repetition and reordering, cut into batches anyhow: a prefix, each exactly once."""
    world = World()
    streams = {FOOD: [world.send(FOOD) for _ in range(6)], TAX: [world.send(TAX) for _ in range(6)]}
    raws = [streams[FOOD if food else TAX][at] for at, food in deliveries]
    raws = [change(raw, offset=offset) for offset, raw in enumerate(raws)]
    edges = [0, *sorted(cuts), len(raws)]
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[table_of(model) for model in MODELS])
    found: list[Record] = []
    with engine.begin() as connection:
        for start, end in itertools.pairwise(edges):
            batch = take(connection, [readable(raw) for raw in raws[start:end]])
            assert not batch.rejections
            found += batch.records
    engine.dispose()
    for source in (FOOD, TAX):
        mine = [record for record in found if record.source == source]
        assert numbers(mine) == list(range(1, len(mine) + 1))
        expected = 0
        for raw in raws:
            if raw.key == source.encode() and readable(raw).envelope.number == expected + 1:
                expected += 1
        assert len(mine) == expected
