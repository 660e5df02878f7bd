import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.catalogue.keeping import keep_catalogue, load_catalogue
from sanyuan.sandbox.synthetic.departments import DEPARTMENT, DEPARTMENTS, Organ
from sanyuan.sandbox.synthetic.licenses import business_licenses
from sanyuan.sandbox.synthetic.providers.known import KNOWN, in_rank, knows
from sanyuan.sandbox.synthetic.providers.making import (
    Sources,
    database_of,
    make_providers,
    relation_of,
)
from sanyuan.sandbox.synthetic.providers.values import chosen, column
from sanyuan.sandbox.synthetic.registers import Registers, all_organisations

CHOSEN = tuple(
    DEPARTMENT[slug]
    for slug in ("civil-affairs", "human-resources", "taxation", "market-regulation", "sport")
)


@pytest.fixture(scope="module")
def sources(everybody: Registers, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    return Sources(everybody, keep_catalogue(folder / "var", folder / "cache", "cn"))


@pytest.fixture(scope="module")
def folder(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("providers")
    make_providers(folder / "var", folder / "cache", sources, CHOSEN)
    return folder / "var"


def served(sources: Sources, department: Organ) -> Iterator[Resource]:
    for resource in load_catalogue(sources.catalogue, department.code):
        if resource.serving_system:
            yield resource


def rows(folder: Path, department: Organ, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database_of(folder, department))) as database:
        return database.execute(statement).fetchall()


def test_a_department_has_a_relation_for_each_resource_that_can_be_called(
    folder: Path, sources: Sources
) -> None:
    for department in CHOSEN:
        wanted = {
            (each.code, relation_of(each), each.parameters[0].name)
            for each in served(sources, department)
        }
        assert set(rows(folder, department, "SELECT code, relation, key FROM resource")) == wanted
        assert len({relation for _, relation, _ in wanted}) == len(wanted) > 3


def test_a_relation_has_a_column_for_each_item_and_nothing_is_missing_in_it(
    folder: Path, sources: Sources
) -> None:
    for department in CHOSEN:
        with closing(sqlite3.connect(database_of(folder, department))) as database:
            for each in served(sources, department):
                cursor = database.execute(f"SELECT * FROM {relation_of(each)}")  # noqa: S608
                assert [column[0] for column in cursor.description] == [i.name for i in each.items]
                found = cursor.fetchall()
                assert len(found) == KNOWN
                assert all(value not in (None, "") for row in found for value in row)


def test_every_item_that_any_call_answers_has_a_column_that_can_be_filled(
    sources: Sources,
) -> None:
    relations: dict[str, list[str]] = {}
    for each in load_catalogue(sources.catalogue):
        if each.serving_system:
            relations.setdefault(each.provider, []).append(relation_of(each))
            assert all(column(each, item.name, "某部", 20_000) for item in each.items)
    assert len(relations) == len(DEPARTMENTS)
    assert all(len(set(found)) == len(found) for found in relations.values())


def test_a_resource_knows_the_people_of_its_ranks_and_their_names(
    folder: Path, sources: Sources
) -> None:
    with closing(sqlite3.connect(sources.registers.population)) as database:
        people = database.execute("SELECT number, name FROM person ORDER BY number").fetchall()
    ranked = in_rank(people)
    marriage = next(
        each for each in served(sources, DEPARTMENT["civil-affairs"]) if each.name == "婚姻登记信息"
    )
    known = {row for rank, row in enumerate(ranked) if knows(marriage.code, rank, len(ranked))}
    statement = f"SELECT citizen_number, person_name FROM {relation_of(marriage)}"  # noqa: S608
    assert set(rows(folder, DEPARTMENT["civil-affairs"], statement)) == known


def test_what_is_chosen_for_a_subject_is_what_its_provider_answers(
    folder: Path, sources: Sources
) -> None:
    organisations = in_rank(all_organisations(sources.registers))
    department = DEPARTMENT["taxation"]
    taxpayers = next(e for e in served(sources, department) if e.name == "税务登记信息")
    statement = f"SELECT credit_code, status FROM {relation_of(taxpayers)}"  # noqa: S608
    ranks = {each.code: rank for rank, each in enumerate(organisations)}
    found = rows(folder, department, statement)
    assert [status for _, status in found] == [
        chosen(taxpayers, "status", ranks[str(code)]) for code, _ in found
    ]
    assert len({status for _, status in found}) > 1


def test_an_organisation_is_registered_as_its_licence_has_it(
    folder: Path, sources: Sources
) -> None:
    licenses = {each.holder_code: each for each in business_licenses(sources.registers)}
    department = DEPARTMENT["market-regulation"]
    enterprise = next(e for e in served(sources, department) if e.name == "企业登记信息")
    columns = "credit_code, organisation_name, representative, address"
    found = rows(folder, department, f"SELECT {columns} FROM {relation_of(enterprise)}")  # noqa: S608
    for code, name, representative, address in found:
        held = licenses[str(code)]
        assert (name, representative, address) == (
            held.holder_name,
            held.representative,
            held.address,
        )


def test_nothing_is_valid_only_before_it_was_issued(folder: Path, sources: Sources) -> None:
    for department in CHOSEN:
        for each in served(sources, department):
            if {"issue_date", "valid_until"} <= {item.name for item in each.items}:
                statement = (
                    f"SELECT count(*) FROM {relation_of(each)} WHERE valid_until < issue_date"  # noqa: S608
                )
                assert rows(folder, department, statement) == [(0,)]


def test_what_is_cached_is_copied_and_what_is_there_stays(
    folder: Path, sources: Sources, tmp_path: Path
) -> None:
    reports: list[tuple[int, int]] = []
    cache = folder.parent / "cache"
    make_providers(tmp_path, cache, sources, CHOSEN, lambda *done: reports.append(done))
    assert reports == []
    first = database_of(tmp_path, CHOSEN[0])
    assert first.read_bytes() == database_of(folder, CHOSEN[0]).read_bytes()
    first.write_bytes(b"changed by somebody")
    make_providers(tmp_path, cache, sources, CHOSEN)
    assert first.read_bytes() == b"changed by somebody"


def test_the_same_databases_come_again_with_progress(
    folder: Path, sources: Sources, tmp_path: Path
) -> None:
    reports: list[tuple[int, int]] = []
    make_providers(
        tmp_path / "var",
        tmp_path / "cache",
        sources,
        CHOSEN[:2],
        lambda *done: reports.append(done),
    )
    assert reports == [(1, 2), (2, 2)]
    for each in CHOSEN[:2]:
        made = database_of(tmp_path / "var", each)
        assert made.read_bytes() == database_of(folder, each).read_bytes()


def test_a_cache_that_cannot_be_written_says_what_to_do(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(SyntheticDataError, match="XDG_CACHE_HOME"):
        make_providers(tmp_path / "var", tmp_path / "cache", sources, CHOSEN)
