"""What is kept about assertions, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection
from tests.stores import Scratch

from sanyuan.common.assertions.store import (
    KEPT_SECONDS,
    MODELS,
    commit,
    forget_expired,
    load,
    observe,
)
from sanyuan.common.assertions.uses import Counting, Known, Use
from sanyuan.common.contracts.identity import MAX_LIFETIME_SECONDS, AssertionRevoked
from sanyuan.common.deciding import Fact

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
AT = int(NOW.timestamp()) * 1_000_000
JTIS = [f"{n:032x}" for n in range(1_200)]


@pytest.fixture
def connection(scratch: Scratch) -> Iterator[Connection]:
    with scratch(MODELS) as opened:
        yield opened


def fact(jti: str, at: datetime = NOW) -> Fact:
    return Fact(AssertionRevoked(jti=jti), at, None)


def test_what_was_counted_is_loaded_for_a_whole_batch(connection: Connection) -> None:
    uses = {jti: Use(n + 1, n + 2, AT) for n, jti in enumerate(JTIS)}
    commit(connection, Counting(Known(), uses))
    assert load(connection, JTIS[:700]) == Known(
        {jti: n + 1 for n, jti in enumerate(JTIS[:700])}, frozenset()
    )
    assert load(connection, []) == Known()


def test_a_later_batch_replaces_the_count(connection: Connection) -> None:
    for used in (1, 2):
        commit(connection, Counting(Known(), {JTIS[0]: Use(used, 9, AT)}))
    assert load(connection, JTIS[:1]).used == {JTIS[0]: 2}


def test_a_revocation_is_known_from_its_fact_on_and_may_come_again(connection: Connection) -> None:
    observe(connection, [fact(JTIS[0]), fact(JTIS[0]), fact(JTIS[1])])
    observe(connection, [fact(JTIS[0])])
    assert load(connection, JTIS[:3]).revoked == {JTIS[0], JTIS[1]}


def test_an_expired_count_is_forgotten(connection: Connection) -> None:
    commit(connection, Counting(Known(), {JTIS[0]: Use(1, 2, AT), JTIS[1]: Use(1, 2, AT + 1)}))
    forget_expired(connection, AT)
    assert load(connection, JTIS[:2]).used == {JTIS[1]: 1}


def test_a_revocation_outlives_every_assertion_that_was_out(connection: Connection) -> None:
    observe(connection, [fact(JTIS[0])])
    last_end = NOW + timedelta(seconds=MAX_LIFETIME_SECONDS)
    forget_expired(connection, int(last_end.timestamp()) * 1_000_000)
    assert load(connection, JTIS[:1]).revoked == {JTIS[0]}
    forget_expired(connection, AT + KEPT_SECONDS * 1_000_000)
    assert load(connection, JTIS[:1]) == Known()
