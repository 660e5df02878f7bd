"""What a batch loads: each table once by its keys, in the order in which one tells the next."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, select

from sanyuan.common.assertions import store as assertions
from sanyuan.common.assertions.uses import Known
from sanyuan.common.contracts.license_exchange import LicenseType
from sanyuan.common.sdjwt.statuslist import Status
from sanyuan.license_exchange.domain import contents
from sanyuan.license_exchange.domain.disputes import Dispute
from sanyuan.license_exchange.domain.grants import Grant
from sanyuan.license_exchange.domain.licenses import (
    DepartmentKeys,
    KeyName,
    License,
    ListRow,
    Place,
    Version,
)
from sanyuan.license_exchange.domain.lifecycle import LicenseState
from sanyuan.license_exchange.domain.presentations import Presentation
from sanyuan.license_exchange.domain.state import State, Wanted
from sanyuan.license_exchange.domain.types import TypeRevision
from sanyuan.license_exchange.store.tables import (
    DISPUTES,
    GRANTS,
    HOLDER_KEYS,
    KEYS,
    LICENSES,
    LISTS,
    PRESENTATIONS,
    RELIANCE,
    RESOURCES,
    TYPES,
    VERSIONS,
)
from sanyuan.license_exchange.vault import Vault, open_sealed, place_of

_CHUNK: Final = 500
CURRENT, PENDING, RETIRED = "current", "pending", "retired"
_KEYS: Final[BindParameter[Any]] = bindparam("keys", expanding=True)
_OF_TYPES: Final = select(TYPES).where(TYPES.c.code.in_(_KEYS))
_OF_KEYS: Final = select(KEYS.c.department, KEYS.c.kid, KEYS.c.x, KEYS.c.phase).where(
    KEYS.c.department.in_(_KEYS), KEYS.c.phase != RETIRED
)
_OF_SEEDS: Final = select(KEYS.c.kid, KEYS.c.wrapped).where(KEYS.c.kid.in_(_KEYS))
_OF_LISTS: Final = select(LISTS).where(LISTS.c.issuer.in_(_KEYS))
_LAST_LIST: Final = select(func.max(LISTS.c.number))
_OF_LICENSES: Final = select(LICENSES).where(LICENSES.c.name.in_(_KEYS))
_OF_HOLDERS: Final = select(LICENSES).where(LICENSES.c.holder.in_(_KEYS))
_OF_VERSIONS: Final = (
    select(VERSIONS)
    .join(
        LICENSES,
        (LICENSES.c.name == VERSIONS.c.license) & (LICENSES.c.version == VERSIONS.c.version),
    )
    .where(VERSIONS.c.license.in_(_KEYS))
)
_OF_HOLDER_KEYS: Final = select(HOLDER_KEYS).where(HOLDER_KEYS.c.holder.in_(_KEYS))
_OF_GRANTS: Final = (
    select(GRANTS, RESOURCES.c.provider, RESOURCES.c.type.label("resource_type"))
    .join_from(GRANTS, RESOURCES, RESOURCES.c.resource == GRANTS.c.resource, isouter=True)
    .where(GRANTS.c.id.in_(_KEYS))
)
_OF_RELIANCE: Final = select(RELIANCE).where(RELIANCE.c.license.in_(_KEYS))
_OF_CODES: Final = select(PRESENTATIONS).where(PRESENTATIONS.c.code.in_(_KEYS))
_OF_DISPUTES: Final = select(DISPUTES).where(DISPUTES.c.id.in_(_KEYS))
_DISPUTED: Final = select(DISPUTES).where(
    DISPUTES.c.license.in_(_KEYS), DISPUTES.c.outcome.is_(None)
)
_OVERDUE: Final = select(DISPUTES).where(
    DISPUTES.c.outcome.is_(None),
    DISPUTES.c.is_overdue_told.is_(False),
    DISPUTES.c.answer_by <= bindparam("at"),
)


def load(connection: Connection, wanted: Wanted, vault: Vault) -> State:
    """The rows of a batch; raises VaultError."""
    codes = {row.code: _presentation(row) for row in _rows(connection, _OF_CODES, wanted.codes)}
    disputes = _disputes(connection, wanted)
    shown = {each.license for each in codes.values()}
    named = wanted.licenses | wanted.erased_licenses | shown
    named |= {each.license for each in disputes.values()}
    licenses = {row.name: _license(row) for row in _rows(connection, _OF_LICENSES, named)}
    erased = wanted.erased | {
        licenses[name].holder for name in wanted.erased_licenses if name in licenses
    }
    filed = _rows(connection, _OF_HOLDERS, (wanted.shown | erased) - {""})
    licenses |= {row.name: _license(row) for row in filed}
    read = wanted.read | shown | _names_of(licenses, wanted.shown)
    told = wanted.told | _names_of(licenses, erased)
    types = wanted.types | {licenses[n].type for n in wanted.amended if n in licenses}
    departments = wanted.departments | {
        each.issuer for name, each in licenses.items() if name in told
    }
    keys = _holder_keys(connection, wanted.holders | erased, licenses, read, vault)
    lists = {
        row.number: ListRow(row.issuer, row.used, row.renewal)
        for row in _rows(connection, _OF_LISTS, departments)
    }
    return State(
        types={
            row.code: TypeRevision(_type(row.type), row.revision)
            for row in _rows(connection, _OF_TYPES, types)
        },
        keys=_department_keys(_rows(connection, _OF_KEYS, departments)),
        lists=lists,
        last_list=connection.scalar(_LAST_LIST) or 0 if departments else 0,
        licenses=licenses,
        versions=_versions(connection, licenses, read, keys),
        holder_keys=keys,
        reliance=_reliance(_rows(connection, _OF_RELIANCE, told)),
        grants={row.id: _grant(row) for row in _rows(connection, _OF_GRANTS, wanted.grants)},
        presentations=codes,
        disputes=disputes,
        known=assertions.load(connection, wanted.jtis) if wanted.jtis else Known(),
    )


def load_seeds(connection: Connection, kids: Collection[str], vault: Vault) -> dict[str, bytes]:
    """The private bytes of issuer keys; raises VaultError."""
    return {row.kid: vault.unwrap(row.wrapped) for row in _rows(connection, _OF_SEEDS, kids)}


def _names_of(licenses: Mapping[str, License], holders: Collection[str]) -> set[str]:
    return {name for name, each in licenses.items() if each.holder in holders}


def _holder_keys(
    connection: Connection,
    holders: Collection[str],
    licenses: Mapping[str, License],
    read: Collection[str],
    vault: Vault,
) -> dict[str, bytes]:
    wanted = {*holders, *(licenses[name].holder for name in read if name in licenses)}
    rows = _rows(connection, _OF_HOLDER_KEYS, wanted)
    return {row.holder: vault.unwrap(row.wrapped) for row in rows}


def _versions(
    connection: Connection,
    licenses: Mapping[str, License],
    read: Collection[str],
    keys: Mapping[str, bytes],
) -> dict[str, Version]:
    found = {}
    for row in _rows(connection, _OF_VERSIONS, [name for name in read if name in licenses]):
        holder = licenses[row.license].holder
        if row.content is not None and holder in keys:
            place = place_of(holder, row.license, row.version)
            plaintext = open_sealed(keys[holder], row.content, place)
            found[row.license] = Version(
                holder=holder,
                revision=row.revision,
                kid=row.kid,
                place=Place(row.list, row.slot),
                status=Status(row.status),
                issued_at=row.issued_at,
                content=contents.load(plaintext),
                nonce=row.content[:12],
            )
    return found


def _disputes(connection: Connection, wanted: Wanted) -> dict[str, Dispute]:
    rows = list(_rows(connection, _OF_DISPUTES, wanted.disputes))
    rows += _rows(connection, _DISPUTED, wanted.disputed)
    if wanted.due is not None:
        rows += connection.execute(_OVERDUE, {"at": wanted.due})
    return {
        row.id: Dispute(
            license=row.license,
            version=row.version,
            raised_by=row.raised_by,
            party=row.party,
            issuer=row.issuer,
            issuing_system=row.issuing_system,
            answer_by=row.answer_by,
            outcome=row.outcome,
            is_overdue_told=row.is_overdue_told,
        )
        for row in rows
    }


def _department_keys(rows: Iterator[Row[Any]]) -> dict[str, DepartmentKeys]:
    found: dict[str, dict[str, KeyName]] = defaultdict(dict)
    for row in rows:
        found[row.department][row.phase] = KeyName(row.kid, row.x)
    return {
        department: DepartmentKeys(phases.get(CURRENT), phases.get(PENDING))
        for department, phases in found.items()
    }


def _reliance(rows: Iterator[Row[Any]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.license].add(row.system)
    return {name: frozenset(systems) for name, systems in found.items()}


def _license(row: Row[Any]) -> License:
    return License(
        holder=row.holder,
        type=row.type,
        issuer=row.issuer,
        system=row.system,
        state=LicenseState(row.state),
        version=row.version,
        place=Place(row.list, row.slot),
        ends_at=row.ends_at,
    )


def _grant(row: Row[Any]) -> Grant:
    is_same_type = row.resource_type == row.type
    return Grant(
        grantee=row.grantee,
        type=row.type,
        purpose=row.purpose,
        fields=frozenset(row.fields.split()),
        quota=row.quota,
        rate=row.rate,
        until=row.until,
        provider=row.provider if is_same_type else None,
        has_ended=row.has_ended,
        used=row.used,
        full_at=row.full_at,
    )


def _presentation(row: Row[Any]) -> Presentation:
    fields = frozenset(row.fields.split())
    return Presentation(row.license, fields, row.expires_at, row.is_used)


@lru_cache(maxsize=4096)
def _type(text: str) -> LicenseType:
    """A type costs more to parse than everything else about a licence."""
    return LicenseType.model_validate_json(text)


def _rows(
    connection: Connection, statement: Select[Any], keys: Collection[Any]
) -> Iterator[Row[Any]]:
    remaining = iter(keys)
    while chunk := list(islice(remaining, _CHUNK)):
        yield from connection.execute(statement, {"keys": chunk})
