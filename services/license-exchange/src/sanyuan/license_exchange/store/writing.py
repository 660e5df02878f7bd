"""What a batch writes: each table once, in bulk."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, update

from sanyuan.common.assertions import store as assertions
from sanyuan.common.assertions.uses import Counting, Known
from sanyuan.common.database import erase_many, insert_many, insert_new, run_many, upsert
from sanyuan.license_exchange.domain import contents
from sanyuan.license_exchange.domain.licenses import License, Version
from sanyuan.license_exchange.domain.lifecycle import ALIVE, LicenseState
from sanyuan.license_exchange.domain.state import Changes, State
from sanyuan.license_exchange.store.loading import CURRENT, PENDING, RETIRED
from sanyuan.license_exchange.store.tables import (
    DISPUTES,
    GRANTS,
    HOLDER_KEYS,
    KEYS,
    LICENSES,
    LISTS,
    PRESENTATIONS,
    RELIANCE,
    TYPES,
    VERSIONS,
)
from sanyuan.license_exchange.vault import Vault, place_of, seal

_RETIRE: Final = update(KEYS).where(KEYS.c.department == bindparam("of")).values(phase=RETIRED)
_PHASE: Final = (
    update(KEYS).where(KEYS.c.kid == bindparam("of")).values(phase=bindparam("next_phase"))
)
_STATUS: Final = (
    update(VERSIONS)
    .where(
        VERSIONS.c.license == bindparam("of_license"),
        VERSIONS.c.version == bindparam("of_version"),
    )
    .values(status=bindparam("next_status"))
)
_METER: Final = (
    update(GRANTS)
    .where(GRANTS.c.id == bindparam("of"))
    .values(used=bindparam("next_used"), full_at=bindparam("next_full_at"))
)
_FORGET_KEY: Final = delete(HOLDER_KEYS).where(HOLDER_KEYS.c.holder == bindparam("of"))
_FORGET_CONTENT: Final = (
    update(VERSIONS).where(VERSIONS.c.license == bindparam("of")).values(content=None)
)
_FORGET_RELIANCE: Final = delete(RELIANCE).where(RELIANCE.c.license == bindparam("of"))
_EXPIRE: Final = (
    update(LICENSES)
    .where(
        LICENSES.c.state.in_([state.value for state in ALIVE]),
        LICENSES.c.ends_at <= bindparam("at"),
    )
    .values(state=LicenseState.EXPIRED.value)
)


def commit(connection: Connection, state: State, changes: Changes, vault: Vault) -> None:
    """Write the changes to ``state``."""
    _write_types(connection, changes)
    _write_keys(connection, changes, vault)
    lists = [{"number": number, **row._asdict()} for number, row in changes.lists.items()]
    upsert(connection, LISTS, lists)
    _write_holder_keys(connection, changes, vault)
    _write_licenses(connection, changes)
    _write_versions(connection, state, changes)
    _write_reliance(connection, changes)
    run_many(
        connection,
        _METER,
        [
            {"of": name, "next_used": grant.used, "next_full_at": grant.full_at}
            for name, grant in changes.grants.items()
        ],
    )
    _write_presentations(connection, changes)
    disputes = [{"id": name, **each._asdict()} for name, each in changes.disputes.items()]
    upsert(connection, DISPUTES, disputes)
    _forget_erased(connection, changes)
    if changes.uses:
        assertions.commit(connection, Counting(Known(), changes.uses))
    if changes.ticked is not None:
        connection.execute(_EXPIRE, {"at": changes.ticked})


def _write_types(connection: Connection, changes: Changes) -> None:
    rows = [
        {
            "code": code,
            "revision": kind.revision,
            "type": kind.type.model_dump_json(exclude_none=True),
        }
        for code, kind in changes.types.items()
    ]
    upsert(connection, TYPES, rows)


def _write_keys(connection: Connection, changes: Changes, vault: Vault) -> None:
    new = [
        {
            "kid": kid,
            "department": each.department,
            "x": each.x,
            "wrapped": vault.wrap(each.seed),
            "phase": PENDING,
        }
        for kid, each in changes.seeds.items()
    ]
    insert_many(connection, KEYS, new)
    run_many(connection, _RETIRE, [{"of": department} for department in changes.keys])
    phases = [
        {"of": key.kid, "next_phase": phase}
        for keys in changes.keys.values()
        for key, phase in ((keys.current, CURRENT), (keys.pending, PENDING))
        if key is not None
    ]
    run_many(connection, _PHASE, phases)


def _write_holder_keys(connection: Connection, changes: Changes, vault: Vault) -> None:
    gone = [{"of": holder} for holder, key in changes.holder_keys.items() if key is None]
    new = [
        {"holder": holder, "wrapped": vault.wrap(key)}
        for holder, key in changes.holder_keys.items()
        if key is not None
    ]
    erase_many(connection, _FORGET_KEY, gone)
    upsert(connection, HOLDER_KEYS, new)


def _write_licenses(connection: Connection, changes: Changes) -> None:
    upsert(connection, LICENSES, [_license(n, each) for n, each in changes.licenses.items()])


def _license(name: str, license_: License) -> dict[str, Any]:
    return {
        "name": name,
        "holder": license_.holder,
        "type": license_.type,
        "issuer": license_.issuer,
        "system": license_.system,
        "state": license_.state.value,
        "version": license_.version,
        "list": license_.place.list,
        "slot": license_.place.slot,
        "ends_at": license_.ends_at,
    }


def _write_versions(connection: Connection, state: State, changes: Changes) -> None:
    keys = {**state.holder_keys, **changes.holder_keys}
    rows = [_version(name, number, each, keys) for (name, number), each in changes.versions.items()]
    insert_many(connection, VERSIONS, rows)
    statuses = [
        {"of_license": name, "of_version": number, "next_status": int(status)}
        for (name, number), status in changes.statuses.items()
    ]
    run_many(connection, _STATUS, statuses)


def _version(
    name: str, number: int, version: Version, keys: Mapping[str, bytes | None]
) -> dict[str, Any]:
    """A row; without content when the very batch that wrote it has erased its holder."""
    key = keys.get(version.holder)
    return {
        "license": name,
        "version": number,
        "revision": version.revision,
        "kid": version.kid,
        "list": version.place.list,
        "slot": version.place.slot,
        "status": int(version.status),
        "issued_at": version.issued_at,
        "content": None
        if key is None
        else seal(
            key,
            version.nonce,
            contents.dump(version.content),
            place_of(version.holder, name, number),
        ),
    }


def _write_reliance(connection: Connection, changes: Changes) -> None:
    rows = [
        {"license": name, "system": system}
        for name, systems in changes.reliance.items()
        for system in systems
    ]
    insert_new(connection, RELIANCE, rows)


def _write_presentations(connection: Connection, changes: Changes) -> None:
    rows = [
        {
            "code": index,
            "license": each.license,
            "fields": " ".join(sorted(each.fields)),
            "expires_at": each.expires_at,
            "is_used": each.is_used,
        }
        for index, each in changes.presentations.items()
    ]
    upsert(connection, PRESENTATIONS, rows)


def _forget_erased(connection: Connection, changes: Changes) -> None:
    """Content is unreadable without its key; nothing of it is left to wonder about either."""
    names = [
        {"of": name}
        for name, license_ in changes.licenses.items()
        if license_.state is LicenseState.ERASED
    ]
    run_many(connection, _FORGET_CONTENT, names)
    run_many(connection, _FORGET_RELIANCE, names)
