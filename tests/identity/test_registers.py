import sqlite3
from pathlib import Path

import pytest

from sanyuan.identity.domain.subjects import RegisteredOrganisation, RegisteredPerson
from sanyuan.identity.registers import (
    RegisterUnavailableError,
    SqlLegalEntityRegister,
    SqlPopulationRegister,
    open_register,
)

NUMBER = "11010519491231002X"
CODE = "91110000600037341L"


@pytest.fixture
def population(tmp_path: Path) -> Path:
    path = tmp_path / "population.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE person(number TEXT PRIMARY KEY, name TEXT, mobile TEXT)")
        people = [(NUMBER, "阿甲•阿乙", "13800138000"), ("440524188001010014", "丙", None)]
        database.executemany("INSERT INTO person VALUES (?, ?, ?)", people)
    database.close()
    return path


def test_people_are_found_in_bulk_and_normalised(population: Path) -> None:
    register = SqlPopulationRegister(open_register(population))
    many = [f"{n:018d}" for n in range(1100)]
    assert register.find([*many, NUMBER, "440524188001010014"]) == {
        NUMBER: RegisteredPerson("阿甲·阿乙", "13800138000"),
        "440524188001010014": RegisteredPerson("丙", ""),
    }
    assert register.find([]) == {}
    register.close()


def test_organisations_are_found_with_their_representative(tmp_path: Path) -> None:
    path = tmp_path / "legal-entity.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE organisation(code TEXT PRIMARY KEY, name TEXT,"
            " representative_name TEXT, representative_number TEXT)"
        )
        database.execute("INSERT INTO organisation VALUES (?, '甲（乙）', '丙', ?)", (CODE, NUMBER))
    database.close()
    register = SqlLegalEntityRegister(open_register(path))
    assert register.find([CODE]) == {CODE: RegisteredOrganisation("甲(乙)", "丙", NUMBER)}
    register.close()


def test_a_missing_register_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RegisterUnavailableError, match="make up"):
        open_register(tmp_path / "population.db")


def test_a_register_that_fails_is_an_error_without_content(tmp_path: Path) -> None:
    path = tmp_path / "population.db"
    path.write_bytes(b"no database" * 100)
    register = SqlPopulationRegister(open_register(path))
    with pytest.raises(RegisterUnavailableError) as raised:
        register.find([NUMBER])
    assert NUMBER not in str(raised.value)
    register.close()


def test_a_register_is_never_written(population: Path) -> None:
    engine = open_register(population)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM person")
    engine.dispose()
