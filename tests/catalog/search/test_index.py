from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from tests.catalog.listings import AT, Shelf, make_resource, publish

from sanyuan.catalog.search import Entry, Publication, Search, index, unindex

CODES = [f"307010/{number:06d}" for number in range(1, 5)]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path) as shelf:
        yield shelf


def everything(shelf: Shelf) -> list[Entry]:
    with shelf.catalogue.snapshot() as snapshot:
        return list(snapshot.entries())


def moments(entry: Entry) -> tuple[int, int]:
    """First issued and last modified, in µs."""
    issued, modified = (
        (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        for moment in (entry.issued, entry.modified)
    )
    return issued, modified


def rows(shelf: Shelf) -> set[int]:
    def count(connection: Connection) -> set[int]:
        tables = ("listed", "listed_text", "listed_words")
        return {
            connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608
            for table in tables
        }

    return shelf.database.run(count)


def test_what_is_published_is_found_as_it_was_published(shelf: Shelf) -> None:
    resource = make_resource("户籍登记信息")
    shelf.publish(resource)
    (entry,) = everything(shelf)
    assert (entry.resource, entry.revision, *moments(entry)) == (resource, 1, AT, AT)
    assert entry.provider.name == "公安部"


def test_a_revision_takes_the_place_of_the_one_before(shelf: Shelf) -> None:
    shelf.publish(make_resource("户籍登记信息"))
    shelf.publish(make_resource("居民户口信息"), revision=2, at=AT + 5)
    (entry,) = everything(shelf)
    assert (entry.revision, *moments(entry)) == (2, AT, AT + 5)
    assert shelf.names("户籍") == []
    assert shelf.names("户口") == ["居民户口信息"]
    assert rows(shelf) == {1}


def test_two_revisions_in_one_batch_leave_the_second(shelf: Shelf) -> None:
    first, second = make_resource("户籍登记信息"), make_resource("居民户口信息")
    shelf.enter([publish(first, 1, AT), publish(second, 2, AT + 5)])
    (entry,) = everything(shelf)
    assert (entry.resource, entry.revision, *moments(entry)) == (second, 2, AT, AT + 5)


def test_a_withdrawn_resource_is_not_found(shelf: Shelf) -> None:
    shelf.publish(make_resource(), make_resource(code=CODES[1]))
    shelf.withdraw(CODES[0], "999999/000009")
    assert [entry.resource.code for entry in everything(shelf)] == [CODES[1]]
    assert shelf.catalogue.search(Search(text="户籍")).total == 1
    assert rows(shelf) == {1}


def test_what_was_withdrawn_may_be_published_anew(shelf: Shelf) -> None:
    shelf.publish(make_resource())
    shelf.withdraw(CODES[0])
    shelf.publish(make_resource(), at=AT + 9)
    (entry,) = everything(shelf)
    assert moments(entry) == (AT + 9, AT + 9)


def test_nothing_is_found_of_a_transaction_that_failed(shelf: Shelf) -> None:
    def fail(connection: Connection) -> None:
        index(connection, [publish(make_resource())])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shelf.write(fail)
    assert everything(shelf) == []
    assert shelf.catalogue.revision() == 0
    assert rows(shelf) == {0}


def test_more_resources_than_one_statement_can_name(shelf: Shelf) -> None:
    many = [make_resource(code=f"307010/{number:06d}") for number in range(1, 1203)]
    shelf.publish(*many)
    shelf.publish(*many, revision=2)
    assert rows(shelf) == {1202}
    shelf.withdraw(*(resource.code for resource in many))
    assert rows(shelf) == {0}


Change = Publication | str
PUBLISHED = st.builds(
    lambda code, name, revision: publish(make_resource(name, code=code), revision, AT + revision),
    st.sampled_from(CODES),
    st.sampled_from(["户籍登记", "婚姻登记", "Food permits"]),
    st.integers(1, 9),
)
CHANGES = st.lists(st.one_of(PUBLISHED, st.sampled_from(CODES)), max_size=12)


def apply(shelf: Shelf, changes: Sequence[Change]) -> None:
    """One transaction, in the order of the changes."""

    def work(connection: Connection) -> None:
        pending: list[Publication] = []
        for change in changes:
            if isinstance(change, Publication):
                pending.append(change)
            else:
                index(connection, pending)
                pending = []
                unindex(connection, [change])
        index(connection, pending)

    shelf.write(work)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES, st.lists(st.integers(0, 12), max_size=4))
def test_the_listing_is_the_same_however_history_is_cut(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Change], cuts: list[int]
) -> None:
    left = []
    for places in ([], sorted(cuts)):
        with Shelf.open(tmp_path_factory.mktemp("shelf")) as shelf:
            for first, last in pairwise([0, *places, len(changes)]):
                apply(shelf, changes[first:last])
            left.append((everything(shelf), shelf.catalogue.revision(), rows(shelf)))
    assert left[0] == left[1]
