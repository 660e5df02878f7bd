"""A batch's rows: each table is read once and written once, in the transaction of the caller.

What is written is durable once the caller commits.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, delete, func, or_, select

from sanyuan.catalog.domain.grants import Bounds, Grant, GrantPhase, Meter
from sanyuan.catalog.domain.resources import Entry, Phase, Serving
from sanyuan.catalog.domain.state import Changes, Revision, State, Wanted
from sanyuan.catalog.store.tables import CLAIMS, DESCRIPTIONS, ENTRIES, GRANTS, METERS
from sanyuan.common.assertions import store as assertions
from sanyuan.common.assertions.uses import Counting, Known
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.database import run_many, upsert

_CHUNK: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_KEYS: Final[BindParameter[Any]] = bindparam("keys", expanding=True)
_METERED: Final = select(GRANTS, METERS.c.used, METERS.c.full_at).join_from(
    GRANTS, METERS, METERS.c.id == GRANTS.c.id, isouter=True
)
_OF_GRANTS: Final = _METERED.where(GRANTS.c.id.in_(_KEYS))
_ALIVE: Final = _METERED.where(
    GRANTS.c.resource.in_(_KEYS),
    or_(
        GRANTS.c.phase == GrantPhase.PENDING.value,
        (GRANTS.c.phase == GrantPhase.OPEN.value) & (GRANTS.c.until > bindparam("since")),
    ),
)
_LATE: Final = _METERED.where(GRANTS.c.due <= bindparam("at"))
_OF_ENTRIES: Final = select(ENTRIES).where(ENTRIES.c.code.in_(_KEYS))
_OF_DESCRIPTIONS: Final = select(DESCRIPTIONS).where(DESCRIPTIONS.c.code.in_(_KEYS))
_OF_CLAIMS: Final = select(CLAIMS).where(CLAIMS.c.element.in_(_KEYS))
_NEXT_DUE: Final = select(func.min(GRANTS.c.due)).where(GRANTS.c.due.is_not(None))


def load(connection: Connection, wanted: Wanted) -> State:
    """The rows of a batch."""
    rows = _grant_rows(connection, wanted)
    grants = {row.id: _grant(row) for row in rows}
    codes = {grant.resource for grant in grants.values()} | wanted.described
    return State(
        entries={row.code: _entry(row) for row in _rows(connection, _OF_ENTRIES, codes)},
        descriptions={
            (row.code, row.revision): Resource.model_validate_json(row.description)
            for row in _rows(connection, _OF_DESCRIPTIONS, wanted.described)
        },
        claims={row.element: row.code for row in _rows(connection, _OF_CLAIMS, wanted.elements)},
        grants=grants,
        meters={row.id: Meter(row.used, row.full_at) for row in rows if row.used is not None},
        known=assertions.load(connection, wanted.jtis) if wanted.jtis else Known(),
    )


def commit(connection: Connection, changes: Changes) -> None:
    """Write the changes."""
    upsert(connection, METERS, [{"id": k, **m._asdict()} for k, m in changes.meters.items()])
    if changes.uses:
        assertions.commit(connection, Counting(Known(), changes.uses))
    upsert(connection, GRANTS, [_grant_row(k, g) for k, g in changes.grants.items()])
    upsert(connection, ENTRIES, [_entry_row(k, e) for k, e in changes.entries.items()])
    _write_descriptions(connection, changes.descriptions)
    _write_claims(connection, changes.claims)


def forget_expired(connection: Connection, at: int) -> None:
    """Remove what means nothing any more at ``at`` (µs); decisions are the same without."""
    assertions.forget_expired(connection, at)


def next_deadline(connection: Connection) -> datetime | None:
    """The earliest deadline of a request that nobody was reminded of."""
    due = connection.scalar(_NEXT_DUE)
    return None if due is None else _EPOCH + due * _MICROSECOND


_FORGET_DESCRIPTION: Final = delete(DESCRIPTIONS).where(
    DESCRIPTIONS.c.code == bindparam("of_code"),
    DESCRIPTIONS.c.revision == bindparam("of_revision"),
)
_RELEASE: Final = delete(CLAIMS).where(CLAIMS.c.element == bindparam("of"))


def _write_descriptions(
    connection: Connection, descriptions: Mapping[Revision, Resource | None]
) -> None:
    gone = [
        {"of_code": code, "of_revision": revision}
        for (code, revision), resource in descriptions.items()
        if resource is None
    ]
    run_many(connection, _FORGET_DESCRIPTION, gone)
    upsert(
        connection,
        DESCRIPTIONS,
        [
            {
                "code": code,
                "revision": revision,
                "description": resource.model_dump_json(exclude_none=True),
            }
            for (code, revision), resource in descriptions.items()
            if resource is not None
        ],
    )


def _write_claims(connection: Connection, claims: Mapping[str, str | None]) -> None:
    gone = [{"of": element} for element, code in claims.items() if code is None]
    run_many(connection, _RELEASE, gone)
    made = [
        {"element": element, "code": code} for element, code in claims.items() if code is not None
    ]
    upsert(connection, CLAIMS, made)


def _grant_rows(connection: Connection, wanted: Wanted) -> list[Row[Any]]:
    rows = list(_rows(connection, _OF_GRANTS, wanted.grants))
    if wanted.granted:
        rows += _rows(connection, _ALIVE, wanted.granted, {"since": wanted.since})
    if wanted.due is not None:
        rows += connection.execute(_LATE, {"at": wanted.due})
    return rows


def _rows(
    connection: Connection,
    statement: Select[Any],
    keys: Collection[str],
    more: Mapping[str, object] | None = None,
) -> Iterator[Row[Any]]:
    """The rows of a statement with ``_KEYS``, in portions that every database takes."""
    remaining = iter(keys)
    while chunk := list(islice(remaining, _CHUNK)):
        yield from connection.execute(statement, {"keys": chunk, **(more or {})})


_GRANT_PHASES: Final = {phase.value: phase for phase in GrantPhase}
_PHASES: Final = {phase.value: phase for phase in Phase}


# Rows are read by place, in the order of the tables: half the time of names, on the hottest path.


def _grant(row: Iterable[Any]) -> Grant:
    _, resource, grantee, requester, purpose, fields, quota, rate, until, *rest = row
    phase, decide_by, due, *_ = rest
    bounds = Bounds(tuple(fields.split(" ")), quota, rate, until)
    state = _GRANT_PHASES[phase]
    return Grant(resource, grantee, requester, purpose, bounds, state, decide_by, due)


def _grant_row(grant_id: str, grant: Grant) -> dict[str, Any]:
    columns = {**grant._asdict(), **grant.bounds._asdict()}
    del columns["bounds"]
    columns |= {"fields": " ".join(grant.bounds.fields), "phase": grant.phase.value}
    return {"id": grant_id, **columns}


def _entry(row: Iterable[Any]) -> Entry:
    _, provider, submitted_by, phase, revision, in_force, *serving = row
    used = None if serving[0] is None else Serving(*serving)
    return Entry(provider, submitted_by, _PHASES[phase], revision, in_force, used)


_UNSERVED: Final[Mapping[str, object]] = dict.fromkeys(Serving._fields)


def _entry_row(code: str, entry: Entry) -> dict[str, Any]:
    serving = _UNSERVED if entry.serving is None else entry.serving._asdict()
    return {
        "code": code,
        "provider": entry.provider,
        "submitted_by": entry.submitted_by,
        "phase": entry.phase.value,
        "revision": entry.revision,
        "in_force": entry.in_force,
        **serving,
    }
