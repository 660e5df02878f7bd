from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, inspect, text
from tests.stores import Scratch, in_memory

from sanyuan.common.database import table_of
from sanyuan.identity.domain.locks import Counting, Locked, LockRules
from sanyuan.identity.domain.state import Changes, Issued, State, Wanted, evolve
from sanyuan.identity.store import MODELS, commit, forget_expired, load

RULES = LockRules(window=1000, duration=500)
SUBJECTS = [sha256(bytes([n])).digest() for n in range(4)]
PARTICIPANTS = ["91110000600037341L", "11100000000013338W"]
JTIS = [f"{n:032x}" for n in range(4)]
EVERYTHING = Wanted(
    subjects=frozenset(SUBJECTS), participants=frozenset(PARTICIPANTS), jtis=frozenset(JTIS)
)
INSTANTS = st.integers(0, 2**52)
WATCHES = st.builds(Counting, st.integers(1, 9), INSTANTS) | st.builds(Locked, INSTANTS)


@pytest.fixture
def connection(scratch: Scratch) -> Iterator[Connection]:
    with scratch(MODELS) as opened:
        yield opened


CHANGES = st.builds(
    Changes,
    secrets=st.dictionaries(
        st.sampled_from(SUBJECTS), st.none() | st.binary(min_size=32, max_size=32)
    ),
    watches=st.dictionaries(
        st.tuples(st.sampled_from(PARTICIPANTS), st.sampled_from(SUBJECTS)), WATCHES
    ),
    buckets=st.dictionaries(st.sampled_from(PARTICIPANTS), INSTANTS),
    issued=st.dictionaries(
        st.sampled_from(JTIS), st.builds(Issued, st.sampled_from(PARTICIPANTS), INSTANTS)
    ),
)


def possible(state: State, change: Changes) -> Changes:
    """An assertion is issued once; all that can happen to it later is that it is revoked."""
    issued = {jti: None if jti in state.issued else new for jti, new in change.issued.items()}
    return replace(change, issued=issued)


HISTORIES = st.lists(CHANGES, max_size=5)


@settings(deadline=None)
@given(HISTORIES)
def test_what_is_loaded_is_what_was_decided(history: list[Changes]) -> None:
    check_history(in_memory, history)


@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("scratch", ["postgresql"], indirect=True)
@given(HISTORIES)
def test_a_server_gives_back_what_was_decided(scratch: Scratch, history: list[Changes]) -> None:
    check_history(scratch, history)


def check_history(scratch: Scratch, history: list[Changes]) -> None:
    with scratch(MODELS) as connection:
        expected = State()
        for change in history:
            made = possible(expected, change)
            commit(connection, load(connection, EVERYTHING), made, RULES)
            expected = evolve(expected, made)
            assert load(connection, EVERYTHING) == expected


def test_only_what_was_asked_for_is_loaded(connection: Connection) -> None:
    change = Changes(
        secrets={SUBJECTS[0]: b"a" * 32, SUBJECTS[1]: b"b" * 32},
        buckets={PARTICIPANTS[0]: 1, PARTICIPANTS[1]: 2},
        issued={JTIS[0]: Issued(PARTICIPANTS[0], 9)},
    )
    commit(connection, State(), change, RULES)
    some = Wanted(subjects=frozenset({SUBJECTS[1]}), participants=frozenset({PARTICIPANTS[0]}))
    assert load(connection, some) == State(
        secrets={SUBJECTS[1]: b"b" * 32}, buckets={PARTICIPANTS[0]: 1}
    )


def test_more_keys_than_one_statement_takes_are_loaded_in_turns(connection: Connection) -> None:
    subjects = [sha256(str(n).encode()).digest() for n in range(1200)]
    commit(connection, State(), Changes(secrets=dict.fromkeys(subjects, b"s" * 32)), RULES)
    assert len(load(connection, Wanted(subjects=frozenset(subjects))).secrets) == 1200


def test_what_has_run_out_is_forgotten(connection: Connection) -> None:
    change = Changes(
        watches={
            (PARTICIPANTS[0], SUBJECTS[0]): Counting(1, since=0),
            (PARTICIPANTS[0], SUBJECTS[1]): Locked(until=1001),
        },
        issued={JTIS[0]: Issued(PARTICIPANTS[0], 1000), JTIS[1]: Issued(PARTICIPANTS[0], 1001)},
    )
    commit(connection, State(), change, RULES)
    forget_expired(connection, at=1000)
    left = load(connection, EVERYTHING)
    assert left.watches == {(PARTICIPANTS[0], SUBJECTS[1]): Locked(until=1001)}
    assert set(left.issued) == {JTIS[1]}


def test_no_table_has_a_column_for_personal_data(connection: Connection) -> None:
    columns = {
        column["name"]
        for model in MODELS
        for column in inspect(connection).get_columns(table_of(model).name)
    }
    assert not columns & {"name", "number", "mobile", "code", "person"}


@pytest.mark.parametrize("scratch", ["sqlite"], indirect=True)
def test_expiry_is_found_by_an_index(connection: Connection) -> None:
    for table in ("subject_watch", "issued_assertion"):
        plan = connection.execute(
            text(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE expires_at <= 1")  # noqa: S608  names of ours
        )
        assert f"ix_{table}_expires_at" in str(plan.all())
