"""The published resources as readers see them: three tables in the catalogue's own database.

`index` and `unindex` run in the transaction that publishes, revises or withdraws, so that what can
be found is what is published, at every moment and after every crash. Invariants:
- ``listed``, ``listed_text`` and ``listed_words`` (FTS5) have the same ids.
- The counter ``catalogue-revision`` counts publications and withdrawals, one by one, so that it is
  a function of history however the history was cut into batches.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, event, func, select, text
from sqlmodel import BigInteger, Field, LargeBinary, SQLModel

from sanyuan.catalog.search.words import fold, tokens
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.database import read_counter, table_of, upsert, write_counter

REVISION: Final = "catalogue-revision"
_CHUNK: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Publication(NamedTuple):
    """A revision of a resource that is in force from ``at`` (µs since 1970) on."""

    resource: Resource
    revision: int
    at: int
    provider_name: str
    provider_name_en: str | None = None


class Listed(SQLModel, table=True):
    """What a published resource is filtered and ordered by: narrow, so that a scan is short.

    ``name_key`` is the folded name and English name, each between line feeds.
    """

    __tablename__ = "listed"
    id: int = Field(primary_key=True)
    code: str = Field(unique=True)
    name_key: str
    provider: str
    sharing: str
    openness: str


class ListedText(SQLModel, table=True):
    """The resource itself as JSON of the contract; ``issued`` and ``modified`` in µs since 1970."""

    __tablename__ = "listed_text"
    id: int = Field(primary_key=True)
    revision: int
    issued: int = Field(sa_type=BigInteger)
    modified: int = Field(sa_type=BigInteger)
    provider: str = Field(index=True)
    provider_name: str
    provider_name_en: str | None = None
    body: bytes = Field(sa_type=LargeBinary)


MODELS: Final = (Listed, ListedText)
LISTED: Final = table_of(Listed)
TEXTS: Final = table_of(ListedText)
COLUMNS: Final = {
    "name": 10.0,
    "items": 5.0,
    "classification": 3.0,
    "summary": 2.0,
    "provider": 1.0,
}
"""Of the full-text index, with their weights in the ranking."""

# ``ascii`` takes every character beyond ASCII as a letter of a token, and so leaves our tokens as
# they are; ``unicode61`` would drop the Chinese characters that Unicode 6.1 did not know.
_CREATE_WORDS: Final = (
    f"CREATE VIRTUAL TABLE listed_words USING fts5({', '.join(COLUMNS)}, tokenize='ascii')"
)
_INSERT_WORDS: Final = text(
    f"INSERT INTO listed_words(rowid, {', '.join(COLUMNS)}) "  # noqa: S608  names of our own
    f"VALUES (:id, {', '.join(f':{column}' for column in COLUMNS)})"
)
_DELETE_WORDS: Final = text("DELETE FROM listed_words WHERE rowid = :of")
_DELETE_LISTED: Final = delete(LISTED).where(LISTED.c.id == bindparam("of"))
_DELETE_TEXT: Final = delete(TEXTS).where(TEXTS.c.id == bindparam("of"))
_STANDING: Final = (
    select(LISTED.c.code, LISTED.c.id, TEXTS.c.issued)
    .join(TEXTS, TEXTS.c.id == LISTED.c.id)
    .where(LISTED.c.code.in_(bindparam("codes", expanding=True)))
)


@event.listens_for(LISTED, "after_create")
def _create_words(_table: object, connection: Connection, **_: object) -> None:
    connection.exec_driver_sql(_CREATE_WORDS)


def index(connection: Connection, publications: Sequence[Publication]) -> None:
    """List these publications, each in the place of its resource's earlier revision."""
    if not publications:
        return
    newest = {publication.resource.code: publication for publication in publications}
    first = {found.resource.code: found.at for found in reversed(publications)}
    standing = _standing(connection, newest)
    fresh = count(int(connection.scalar(select(func.max(LISTED.c.id))) or 0) + 1)
    rows = [
        (standing.get(code) or (next(fresh), first[code]), publication)
        for code, publication in newest.items()
    ]
    _execute(connection, _DELETE_WORDS, [{"of": number} for number, _ in standing.values()])
    upsert(connection, LISTED, [_listed(number, found) for (number, _), found in rows])
    upsert(connection, TEXTS, [_text(number, issued, found) for (number, issued), found in rows])
    _execute(connection, _INSERT_WORDS, [_words(number, found) for (number, _), found in rows])
    _count(connection, len(publications))


def unindex(connection: Connection, codes: Collection[str]) -> None:
    """Take these resources out; what is not listed is ignored."""
    gone = [{"of": number} for number, _ in _standing(connection, codes).values()]
    for statement in (_DELETE_WORDS, _DELETE_LISTED, _DELETE_TEXT):
        _execute(connection, statement, gone)
    _count(connection, len(gone))


def instant(microseconds: int) -> datetime:
    """A moment as the tables keep it."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _standing(connection: Connection, codes: Collection[str]) -> dict[str, tuple[int, int]]:
    """Code → id and first publication of what is listed."""
    found: dict[str, tuple[int, int]] = {}
    for chunk in _chunks(codes):
        for row in connection.execute(_STANDING, {"codes": chunk}):
            found[row.code] = (row.id, row.issued)
    return found


def _chunks(codes: Collection[str]) -> Iterator[list[str]]:
    remaining = iter(codes)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _execute(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:  # noqa: ANN401  any Core statement
    if rows:
        connection.execute(statement, rows)


def _count(connection: Connection, changes: int) -> None:
    if changes:
        write_counter(connection, REVISION, read_counter(connection, REVISION) + changes)


def _listed(number: int, publication: Publication) -> dict[str, Any]:
    resource = publication.resource
    return {
        "id": number,
        "code": resource.code,
        "name_key": f"\n{fold(resource.name)}\n{fold(resource.name_en or '')}\n",
        "provider": resource.provider,
        "sharing": resource.sharing.type,
        "openness": resource.openness,
    }


def _text(number: int, issued: int, publication: Publication) -> dict[str, Any]:
    return {
        "id": number,
        "revision": publication.revision,
        "issued": issued,
        "modified": publication.at,
        "provider": publication.resource.provider,
        "provider_name": publication.provider_name,
        "provider_name_en": publication.provider_name_en,
        "body": publication.resource.model_dump_json().encode(),
    }


def _words(number: int, publication: Publication) -> dict[str, Any]:
    """The text that is searched, by column; what stands in two fields is never one word."""
    resource = publication.resource
    items = (*resource.items, *resource.parameters)
    fields = {
        "name": (resource.name, resource.name_en),
        "items": (*(item.title for item in items), *(item.name for item in items)),
        "classification": (resource.code, *resource.classification),
        "summary": (resource.summary, resource.summary_en),
        "provider": (publication.provider_name, publication.provider_name_en, resource.provider),
    }
    words = {name: tokens("\n".join(filter(None, parts))) for name, parts in fields.items()}
    return {"id": number, **words}
