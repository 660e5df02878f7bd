from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.common.conftest import FOOD
from tests.license_exchange.conftest import SEALED, Exchange, of_company

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.license_exchange.store import next_deadline

SOON = datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_without_anything_due_there_is_no_deadline(exchange: Exchange) -> None:
    assert next_deadline(exchange.connection) is None
    exchange.issued(valid_until=None)
    assert next_deadline(exchange.connection) is None


def test_the_next_deadline_is_the_end_of_what_stands(exchange: Exchange) -> None:
    exchange.issued(serial="1", valid_until="2026-12-31")
    name = exchange.issued(serial="2", valid_until="2026-11-30")
    assert next_deadline(exchange.connection) == SOON
    exchange.change(messages.SuspendLicense, name)
    assert next_deadline(exchange.connection) == SOON
    exchange.change(messages.RevokeLicense, name)
    assert next_deadline(exchange.connection) == datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_a_tick_lets_the_next_deadline_come(exchange: Exchange) -> None:
    exchange.issued(serial="1", valid_until="2026-11-30")
    exchange.now = SOON
    exchange.tick()
    assert next_deadline(exchange.connection) is None


def test_an_open_dispute_is_due_until_it_was_told_to_be_late(exchange: Exchange) -> None:
    name = exchange.issued(valid_until=None)
    exchange.share(of_company())
    asked = messages.RaiseDispute(license=name, fields=("area",), statement=SEALED)
    exchange.ask(FOOD, asked, statement={"text": "?"})
    due = next_deadline(exchange.connection)
    assert due == datetime(2026, 12, 7, 16, tzinfo=UTC)
    exchange.now = due
    exchange.tick()
    assert next_deadline(exchange.connection) is None


@pytest.mark.parametrize("scratch", ["sqlite"], indirect=True)
def test_the_indexes_answer_what_is_asked_each_second(exchange: Exchange) -> None:
    for query in (
        "select min(ends_at) from license where state = 'active'",
        "select min(answer_by) from dispute where outcome is null and is_overdue_told is 0",
    ):
        plan = exchange.connection.execute(text(f"explain query plan {query}")).all()
        assert "USING" in str(plan)
        assert "INDEX ix_" in str(plan)


def test_what_means_nothing_any_more_is_forgotten(exchange: Exchange) -> None:
    exchange.issued()
    exchange.present(of_company(purpose=messages.PRESENTATION_PURPOSE))
    exchange.now += timedelta(days=2)
    exchange.verify("0")
    counts = "select count(*) from presentation union all select count(*) from assertion_use"
    assert exchange.connection.execute(text(counts)).scalars().all() == [0, 0]
