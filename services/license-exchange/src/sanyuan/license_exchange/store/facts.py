"""Facts of the catalog and of identity: grants on licence types, revocations (design §6).

They are written in the order in which they were told, in the transaction of the batch and before it
is decided: a revocation holds from its place on its topic on.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from sanyuan.common.assertions import store as assertions
from sanyuan.common.contracts.catalog import (
    GrantOpened,
    GrantRevoked,
    GrantTerms,
    Resource,
    ResourcePublished,
    ResourceWithdrawn,
)
from sanyuan.common.database import upsert
from sanyuan.common.deciding import Fact
from sanyuan.license_exchange.store.tables import GRANTS, RESOURCES

FOLLOWS: Final = (*assertions.FOLLOWS, "catalog-events")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_END: Final = update(GRANTS).where(GRANTS.c.id == bindparam("of")).values(has_ended=True)
_END_ALL: Final = update(GRANTS).where(GRANTS.c.resource == bindparam("of")).values(has_ended=True)
_FORGET_RESOURCE: Final = delete(RESOURCES).where(RESOURCES.c.resource == bindparam("of"))
_KNOWN: Final = select(GRANTS.c.id).where(GRANTS.c.id == bindparam("of"))


def observe(connection: Connection, facts: Sequence[Fact]) -> None:
    """Take what concerns licences; other facts are somebody else's to take."""
    assertions.observe(connection, facts)
    for fact in facts:
        match fact.message:
            case GrantOpened(terms=terms) if terms.license_type is not None:
                _open(connection, terms, terms.license_type)
            case GrantRevoked(grant=grant):
                connection.execute(_END, {"of": grant})
            case ResourcePublished(resource=resource):
                _publish(connection, resource)
            case ResourceWithdrawn(resource=code):
                connection.execute(_END_ALL, {"of": code})
                connection.execute(_FORGET_RESOURCE, {"of": code})
            case _:
                pass


def _open(connection: Connection, terms: GrantTerms, kind: str) -> None:
    """A grant is opened once; told again, it keeps what was used of it."""
    if connection.execute(_KNOWN, {"of": terms.grant}).first() is not None:
        return
    bounds = terms.bounds
    row: dict[str, Any] = {
        "id": terms.grant,
        "resource": terms.resource,
        "grantee": terms.grantee,
        "type": kind,
        "purpose": terms.purpose,
        "fields": " ".join(bounds.fields),
        "quota": bounds.quota,
        "rate": bounds.rate,
        "until": (bounds.until - _EPOCH) // _MICROSECOND,
        "has_ended": False,
        "used": 0,
        "full_at": 0,
    }
    upsert(connection, GRANTS, [row])


def _publish(connection: Connection, resource: Resource) -> None:
    """The newest revision says whether, and which, licence type a resource is."""
    if resource.license_type is None:
        connection.execute(_FORGET_RESOURCE, {"of": resource.code})
        return
    row = {
        "resource": resource.code,
        "provider": resource.provider,
        "type": resource.license_type,
    }
    upsert(connection, RESOURCES, [row])
