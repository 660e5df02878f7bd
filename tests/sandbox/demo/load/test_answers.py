import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sanyuan.sandbox.demo.load.answers import MalformedParametersError, ProviderDatabase

CODE = "31700101/000001"
NUMBER = "11010519491231002X"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[ProviderDatabase]:
    path = tmp_path / "transport.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE resource(code TEXT PRIMARY KEY, relation TEXT, key TEXT)")
        database.execute("INSERT INTO resource VALUES (?, 'licences', 'citizen_number')", (CODE,))
        database.execute("CREATE TABLE licences(citizen_number PRIMARY KEY, status, amount)")
        database.execute("INSERT INTO licences VALUES (?, '有效', 12.5)", (NUMBER,))
    provider = ProviderDatabase(path)
    yield provider
    provider.close()


def test_a_provider_gives_the_fields_that_are_granted_and_no_other(
    provider: ProviderDatabase,
) -> None:
    assert provider.codes == (CODE,)
    asked = {"citizen_number": NUMBER}
    assert provider.answer(CODE, asked, ("amount", "citizen_number")) == {
        "amount": 12.5,
        "citizen_number": NUMBER,
    }
    assert provider.answer(CODE, asked, ("status",)) == {"status": "有效"}


def test_of_somebody_unknown_there_is_nothing(provider: ProviderDatabase) -> None:
    assert provider.answer(CODE, {"citizen_number": "440524188001010014"}, ("status",)) is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"credit_code": NUMBER},
        {"citizen_number": 11},
        {"citizen_number": NUMBER * 2},
        {"citizen_number": NUMBER, "and": "more"},
    ],
)
def test_a_call_that_says_something_else_is_malformed(
    provider: ProviderDatabase, parameters: dict[str, object]
) -> None:
    with pytest.raises(MalformedParametersError):
        provider.answer(CODE, parameters, ("status",))


def test_a_column_that_is_not_there_is_no_text(provider: ProviderDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError):
        provider.answer(CODE, {"citizen_number": NUMBER}, ("nothing",))


def test_a_provider_cannot_change_its_database(provider: ProviderDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        provider._database.execute("DELETE FROM licences")
