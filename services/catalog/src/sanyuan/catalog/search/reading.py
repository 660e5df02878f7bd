"""Reading what is listed, over connections that can only read (SQLite, WAL).

Each answer comes from one snapshot. Invariants: the order is total (score, then code), so that
pages neither repeat nor skip; a total counts what all pages together show.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    bindparam,
    column,
    create_engine,
    event,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from sanyuan.catalog.search.index import COLUMNS, LISTED, REVISION, TEXTS, instant
from sanyuan.catalog.search.words import parse_query
from sanyuan.common.contracts.catalog import Openness, Resource, SharingType
from sanyuan.common.database import read_counter
from sanyuan.common.errors import SanyuanError

_READERS: Final = 4
_ROWS: Final = 200

Matching = Literal["everything", "all", "any"]
"""What a result holds: nothing was asked for, every word is in it, or at least one is."""


class CatalogueUnavailableError(SanyuanError):
    """The catalogue's database cannot be read now."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and which page of it; ``classification`` begins the resource's code."""

    text: str = ""
    provider: str | None = None
    sharing: SharingType | None = None
    openness: Openness | None = None
    classification: str = ""
    page: int = 1
    size: int = 20


class Provider(NamedTuple):
    """Who publishes a resource, by the name that it had then."""

    code: str
    name: str
    name_en: str | None


class Entry(NamedTuple):
    """A listed resource: first ``issued``, last ``modified``."""

    resource: Resource
    revision: int
    issued: datetime
    modified: datetime
    provider: Provider


class Found(NamedTuple):
    """One page of a search, and how many resources all pages have."""

    total: int
    matching: Matching
    entries: tuple[Entry, ...]


_WORDS: Final = table("listed_words", column("rowid"))
_INDEX: Final[ColumnElement[Any]] = literal_column("listed_words")
_MATCHES: Final = _INDEX.op("MATCH")(bindparam("match"))
_SCORE: Final = func.bm25(_INDEX, *COLUMNS.values())
# A name that is exactly the text comes first.
_PLACE: Final = func.instr(LISTED.c.name_key, bindparam("exact")) == 0
_NONE: Final[ColumnElement[Any]] = literal_column("0")
_IN_WORDS: Final = _WORDS.join(LISTED, LISTED.c.id == _WORDS.c.rowid)
_NAMED: Final = func.instr(LISTED.c.name_key, bindparam("literal")) > 0
_NOT_IN_WORDS: Final = LISTED.c.id.not_in(select(_WORDS.c.rowid).where(_MATCHES))
_ENTRIES: Final = select(TEXTS).join_from(LISTED, TEXTS, TEXTS.c.id == LISTED.c.id)
_EVERY_ENTRY: Final = _ENTRIES.order_by(LISTED.c.code)
_ONE_ENTRY: Final = _ENTRIES.where(LISTED.c.code == bindparam("code"))
# SQLite takes the bare columns from the row that has the maximum.
_PROVIDERS: Final = (
    select(
        TEXTS.c.provider,
        TEXTS.c.provider_name,
        TEXTS.c.provider_name_en,
        func.max(TEXTS.c.modified),
    )
    .group_by(TEXTS.c.provider)
    .order_by(TEXTS.c.provider)
)


class Snapshot:
    """The catalogue at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.revision = read_counter(connection, REVISION)

    def entries(self) -> Iterator[Entry]:
        """Every listed resource, by code."""
        streaming = self._connection.execution_options(yield_per=_ROWS)
        return map(_entry, streaming.execute(_EVERY_ENTRY))

    def providers(self) -> list[Provider]:
        """Everybody who provides what is listed, by code, each by the newest name."""
        rows = self._connection.execute(_PROVIDERS)
        return [Provider(row.provider, row.provider_name, row.provider_name_en) for row in rows]

    def find(self, code: str) -> Entry | None:
        """One resource; None when it is not listed."""
        row = self._connection.execute(_ONE_ENTRY, {"code": code}).first()
        return None if row is None else _entry(row)

    def modified(self) -> datetime | None:
        """When the newest listed revision came into force; None without any."""
        newest = self._connection.scalar(select(func.max(TEXTS.c.modified)))
        return None if newest is None else instant(newest)

    def search(self, wanted: Search) -> Found:
        """One page of what is wanted.

        First the resources with every word, then those whose name has the text itself in it: so
        pieces that are no words are found too (证1 in 许可证123). When there is neither, those with
        at least one of the words.
        """
        query, browsed = parse_query(wanted.text), _Part(LISTED, _filters(wanted))
        text = {"literal": query.literal, "exact": f"\n{query.literal}\n"}
        if not query.literal:
            return self._found("everything", wanted, [browsed], text)
        named = browsed.where(_NAMED)
        if not query.every:
            return self._found("all", wanted, [named], text)
        ranked = _Part(_IN_WORDS, browsed.conditions, _PLACE, _SCORE).where(_MATCHES)
        parts = [ranked] if query.one_run else [ranked, named.where(_NOT_IN_WORDS)]
        found = self._found("all", wanted, parts, {**text, "match": query.every})
        if found.total:
            return found
        return self._found("any", wanted, [ranked], {**text, "match": query.some})

    def _found(
        self, matching: Matching, wanted: Search, parts: Sequence["_Part"], binds: dict[str, str]
    ) -> Found:
        """The wanted page of the parts one after the other."""
        total, entries = 0, list[Entry]()
        skip = (wanted.page - 1) * wanted.size
        for part in parts:
            in_part = int(self._connection.execute(part.count, binds).scalar_one())
            missing = wanted.size - len(entries)
            if missing and skip < in_part:
                page = part.page(missing, skip)
                entries += map(_entry, self._connection.execute(page, binds))
            total += in_part
            skip = max(0, skip - in_part)
        return Found(total, matching, tuple(entries))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of what is found, in its order: place, score, code."""

    source: FromClause
    conditions: tuple[ColumnElement[bool], ...]
    place: ColumnElement[Any] = _NONE
    score: ColumnElement[Any] = _NONE

    def where(self, condition: ColumnElement[bool]) -> "_Part":
        return replace(self, conditions=(*self.conditions, condition))

    @property
    def count(self) -> Select[Any]:
        return select(func.count()).select_from(self.source).where(*self.conditions)

    def page(self, size: int, offset: int) -> Select[Any]:
        place, score = self.place.label("place"), self.score.label("score")
        hits = (
            select(LISTED.c.id, LISTED.c.code, place, score)
            .select_from(self.source)
            .where(*self.conditions)
            .order_by("place", "score", LISTED.c.code)
            .limit(size)
            .offset(offset)
            .subquery()
        )
        return (
            select(TEXTS)
            .join_from(hits, TEXTS, TEXTS.c.id == hits.c.id)
            .order_by(hits.c.place, hits.c.score, hits.c.code)
        )


class Catalogue:
    """The listed resources, for any number of threads."""

    def __init__(self, database: Path) -> None:
        url = f"sqlite:///file:{quote(str(database.resolve()))}?mode=ro&uri=true"
        self._engine = create_engine(
            url, poolclass=QueuePool, pool_size=_READERS, connect_args={"check_same_thread": False}
        )
        self._name = database.name
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read at one moment; raises CatalogueUnavailableError."""
        try:
            with self._engine.connect() as connection:
                yield Snapshot(connection)
        except DBAPIError as error:
            raise CatalogueUnavailableError(
                f"the catalogue cannot be read now: {error.orig}",
                where=self._name,
                do="ask again in a moment; /ready says what the service waits for",
            ) from None

    def revision(self) -> int:
        """How many publications and withdrawals there were."""
        with self.snapshot() as snapshot:
            return snapshot.revision

    def find(self, code: str) -> Entry | None:
        """One resource; None when it is not listed."""
        with self.snapshot() as snapshot:
            return snapshot.find(code)

    def search(self, wanted: Search) -> Found:
        """One page; raises CatalogueUnavailableError."""
        with self.snapshot() as snapshot:
            return snapshot.search(wanted)

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def _filters(wanted: Search) -> tuple[ColumnElement[bool], ...]:
    equal = {name: getattr(wanted, name) for name in ("provider", "sharing", "openness")}
    conditions = [LISTED.c[name] == value for name, value in equal.items() if value is not None]
    if wanted.classification:
        # A code has digits and '/' only, and ':' comes right behind them.
        conditions.append(LISTED.c.code >= wanted.classification)
        conditions.append(LISTED.c.code < f"{wanted.classification}:")
    return tuple(conditions)


def _entry(row: Row[Any]) -> Entry:
    provider = Provider(row.provider, row.provider_name, row.provider_name_en)
    resource = Resource.model_validate_json(row.body)
    return Entry(resource, row.revision, instant(row.issued), instant(row.modified), provider)


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401  a DBAPI connection
    connection.isolation_level = None  # our own BEGIN makes the snapshot
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cache_size=-32768")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
