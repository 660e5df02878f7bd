"""A database that answers: one SELECT, read only, and one clear reason for everything else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.client.exchange import CODE, FIELDS, GRANT, TERMS
from tests.common.conftest import FOOD

from sanyuan.client.calls.answering import CannotAnswerError
from sanyuan.client.sql_answers import SqlAnswerError, SqlAnswers
from sanyuan.common.contracts.catalog import CallAdmitted, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SQL = (
    "SELECT status, registered_on FROM firm WHERE code = :code AND (:year IS NULL OR year = :year)"
)


def admitted(seconds: float = 10) -> CallAdmitted:
    return CallAdmitted.model_validate(
        {
            "command": {
                "source": FOOD,
                "topic": "cn/calls",
                "sequence": "0" * 19 + "1",
                "hash": "0" * 64,
            },
            "decision": 1,
            "asof": {},
            "grant": GRANT,
            "resource": CODE,
            "purpose": TERMS.purpose,
            "fields": FIELDS,
            "caller": FOOD,
            "reply_to": "inbox-food-permits",
            "caller_key": "0" * 16,
            "answer_by": datetime.now(UTC) + timedelta(seconds=seconds),
            "call_id": "an-id",
            "parameters": {
                "sealed": "sha256:" + "0" * 64,
                "from": {"source": FOOD, "topic": "cn/calls", "attachment": "parameters"},
            },
        }
    )


def resource(**changed: Any) -> Resource:  # noqa: ANN401  any field
    def item(name: str, *, required: bool = True) -> dict[str, Any]:
        return {"name": name, "title": name, "type": "C", "required": required}

    return Resource.model_validate(
        {
            "code": CODE,
            "classification": ["类", "项", "目"],
            "name": "企业登记信息",
            "summary": "企业登记状态",
            "provider": "91110000600037341L",
            "format": "service-interface",
            "items": [item("status"), item("registered_on"), item("note", required=False)],
            "parameters": [item("code"), item("year", required=False)],
            "sharing": {"type": "unconditional"},
            "update_cycle": "real-time",
        }
        | changed
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "firms of 2019.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE firm (code, year, status, registered_on, photo)")
        rows = [
            ("91", 2019, "正常", "2019-05-07", b"\x00"),
            ("92", 2019, "吊销", "2019-05-08", None),
            ("92", 2020, "正常", "2020-01-01", None),
        ]
        made.executemany("INSERT INTO firm VALUES (?, ?, ?, ?, ?)", rows)
    return path


def write(folder: Path, sql: str) -> Path:
    path = folder / "query.sql"
    path.write_text(sql, encoding="utf-8")
    return path


@pytest.fixture
def answers(database: Path, tmp_path: Path) -> Iterator[SqlAnswers]:
    opened = SqlAnswers.open(database, write(tmp_path, SQL + ";\n"))
    opened.fit(resource())
    yield opened
    opened.close()


def test_the_query_says_its_columns_and_parameters(answers: SqlAnswers) -> None:
    assert answers.columns == FIELDS
    assert answers.parameters == ("code", "year")


@pytest.mark.asyncio
async def test_the_row_under_the_parameters_is_the_answer(answers: SqlAnswers) -> None:
    found = await answers.answer({"code": "91"}, admitted())
    assert found == {"status": "正常", "registered_on": "2019-05-07"}
    assert await answers.answer({"code": "92", "year": 2020}, admitted()) is not None
    assert await answers.answer({"code": "93"}, admitted()) is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("parameters", "reason", "detail"),
    [
        ({}, "malformed-parameters", "not said: code"),
        ({"code": "91", "secret-name": 1}, "malformed-parameters", "no parameter of the resource"),
        ({"code": ["91"]}, "malformed-parameters", "code is no text"),
        ({"code": 2**70}, "unavailable", "OverflowError"),
        ({"code": "92"}, "other", "more than one entry"),
    ],
)
async def test_what_cannot_be_answered_says_why_and_quotes_nothing(
    answers: SqlAnswers, parameters: dict[str, Any], reason: str, detail: str
) -> None:
    with pytest.raises(CannotAnswerError, match=detail) as refused:
        await answers.answer(parameters, admitted())
    assert refused.value.reason == reason
    assert "secret" not in str(refused.value)


@pytest.mark.asyncio
async def test_a_query_that_outlasts_its_call_is_stopped(database: Path, tmp_path: Path) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT max(i) AS status, :code AS registered_on FROM n"
    )
    opened = SqlAnswers.open(database, write(tmp_path, endless))
    opened.fit(resource())
    with pytest.raises(CannotAnswerError, match="too long"):
        await opened.answer({"code": "91"}, admitted(0.05))
    opened.close()


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "empty"),
        (" ; ", "empty"),
        ("SELEC 1", "not understood"),
        ("SELECT status FROM nowhere", "not understood: no such table"),
        ("SELECT status FROM firm WHERE code = ?", "not understood"),
        ("DELETE FROM firm WHERE code = :code", "no single SELECT"),
        ("SELECT 1 AS status; DROP TABLE firm", "not understood"),
        ("PRAGMA user_version", "no single SELECT"),
    ],
)
def test_a_file_that_is_no_single_select_says_why(
    database: Path, tmp_path: Path, sql: str, why: str
) -> None:
    with pytest.raises(SqlAnswerError, match=why) as refused:
        SqlAnswers.open(database, write(tmp_path, sql))
    assert refused.value.where == str(tmp_path / "query.sql")


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (
            "SELECT status FROM firm",
            "required items without a column of the resource: registered_on",
        ),
        ("SELECT *, 1 AS x FROM firm", "columns that are no items"),
        ("SELECT status, status, registered_on FROM firm", "no items of the resource: status:1"),
        ("SELECT status, registered_on FROM firm WHERE code = :id", "parameters that are none"),
    ],
)
def test_a_query_that_does_not_fit_the_resource_says_why(
    database: Path, tmp_path: Path, sql: str, why: str
) -> None:
    opened = SqlAnswers.open(database, write(tmp_path, sql))
    with pytest.raises(SqlAnswerError, match=why):
        opened.fit(resource())
    opened.close()


def test_a_missing_or_broken_database_says_so(tmp_path: Path) -> None:
    query = write(tmp_path, SQL)
    with pytest.raises(SqlAnswerError, match="no such database"):
        SqlAnswers.open(tmp_path / "none.db", query)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(SqlAnswerError, match="no readable SQLite database"):
        SqlAnswers.open(broken, query)
    with pytest.raises(SqlAnswerError, match="cannot be read"):
        SqlAnswers.open(tmp_path / "none.db", tmp_path / "none.sql")
    binary = tmp_path / "binary.sql"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SqlAnswerError, match="cannot be read"):
        SqlAnswers.open(tmp_path / "none.db", binary)


def test_nothing_can_be_written(answers: SqlAnswers) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        answers._connection.execute("DELETE FROM firm")
