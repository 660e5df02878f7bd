from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, inspect, text
from sqlmodel import SQLModel
from tests.catalog.asking import (
    CODE,
    CONDITIONS,
    RULES,
    Desk,
    allow,
    ask,
    bounds,
    call,
    remind,
    resource,
    review,
    submit,
)
from tests.catalog.histories import CODES, ELEMENTS, JTIS, histories

from sanyuan.catalog import store
from sanyuan.catalog.decide import decide, wanted
from sanyuan.catalog.domain.answers import Answer
from sanyuan.catalog.domain.requests import Request
from sanyuan.catalog.domain.state import Changes, State, Wanted, evolve
from sanyuan.common.database import table_of


@contextmanager
def memory() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[table_of(model) for model in store.MODELS])
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with memory() as opened:
        yield opened


def run(connection: Connection, requests: list[Request]) -> list[Answer]:
    """What the handler does with a batch."""
    state = store.load(connection, wanted(requests))
    decision = decide(state, requests, RULES)
    store.commit(connection, decision.changes)
    return list(decision.answers)


def everything(state: State) -> Wanted:
    return Wanted(
        described=frozenset(CODES),
        elements=frozenset({*ELEMENTS.values(), "DE00099"}),
        grants=frozenset(state.grants),
        jtis=frozenset(JTIS),
    )


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.integers(0, 30), max_size=4))
def test_what_is_decided_on_loaded_rows_is_what_is_decided_on_everything(
    history: list[Request], cuts: list[int]
) -> None:
    whole = decide(State(), history, RULES)
    bounds_ = [0, *sorted(min(cut, len(history)) for cut in cuts), len(history)]
    with memory() as connection:
        told = [
            answer
            for start, end in pairwise(bounds_)
            for answer in run(connection, history[start:end])
        ]
        expected = evolve(State(), whole.changes)
        assert store.load(connection, everything(expected)) == expected
    assert tuple(told) == whole.answers


def test_more_keys_than_one_statement_takes_are_loaded_in_turns(connection: Connection) -> None:
    desk = Desk()
    desk.publish()
    grants = {desk.grant(): None for _ in range(3)}
    (grant,) = {desk.state.grants[name] for name in grants}
    many = {f"{n:032x}": grant for n in range(1200)}
    store.commit(connection, Changes(grants=many, entries=dict(desk.state.entries)))
    loaded = store.load(connection, Wanted(grants=frozenset(many)))
    assert loaded.grants == many
    assert loaded.entries == desk.state.entries


def test_only_what_was_asked_for_is_loaded(connection: Connection) -> None:
    run(connection, [submit(), review(), ask(), asked := ask()])
    loaded = store.load(connection, Wanted(grants=frozenset({asked.grant})))
    assert loaded.grants.keys() == {asked.grant}
    assert loaded.entries.keys() == {CODE}
    assert not any((loaded.descriptions, loaded.claims, loaded.meters))


def test_grants_that_cannot_change_any_more_are_not_loaded(connection: Connection) -> None:
    short, long = ask(bounds(until=START_LATER)), ask()
    run(connection, [submit(), review(), short, long])
    keys = Wanted(granted=frozenset({CODE}), since=START_LATER)
    assert store.load(connection, keys).grants.keys() == {long.grant}


START_LATER = bounds().until - 1


def test_the_next_deadline_is_the_earliest_that_nobody_was_told_of(
    connection: Connection,
) -> None:
    assert store.next_deadline(connection) is None
    described = resource(sharing=CONDITIONS)
    first, second = ask(), ask()
    run(connection, [submit(described), review(), first, second, allow(first.grant)])
    due = store.next_deadline(connection)
    assert due == datetime(2026, 12, 7, 16, tzinfo=UTC)
    run(connection, [remind(int(due.timestamp()) * 1_000_000)])
    assert store.next_deadline(connection) is None


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT min(due) FROM sharing_grant WHERE due IS NOT NULL", "ix_sharing_grant_due"),
        ("SELECT 1 FROM sharing_grant WHERE resource IN ('1')", "ix_sharing_grant_resource"),
    ],
)
def test_grants_are_found_by_an_index(connection: Connection, query: str, index: str) -> None:
    plan = connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))
    assert index in str(plan.all())


def test_no_table_has_a_column_for_personal_data(connection: Connection) -> None:
    columns = {
        column["name"]
        for model in store.MODELS
        for column in inspect(connection).get_columns(table_of(model).name)
    }
    assert not columns & {"name", "number", "mobile", "person", "holder", "subject", "parameters"}


def test_a_batch_of_calls_writes_meters_only(connection: Connection) -> None:
    grant = ask(bounds(quota=9))
    run(connection, [submit(), review(), grant])
    decision = decide(
        store.load(connection, wanted([call(grant.grant)])), [call(grant.grant)] * 3, RULES
    )
    changes = decision.changes
    assert changes.meters[grant.grant].used == 3
    assert changes == Changes(meters=changes.meters)
