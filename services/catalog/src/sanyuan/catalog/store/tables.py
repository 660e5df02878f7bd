"""The tables of the catalog: resources and who is the source of what, grants and their meters.

No person is in any of them.
"""

from typing import Final

from sqlmodel import BigInteger, Field, SQLModel

from sanyuan.common.assertions import store as assertions
from sanyuan.common.database import table_of

_CLUSTERED: Final = {"sqlite_with_rowid": False}


class CatalogEntry(SQLModel, table=True):
    """A resource's place in the catalogue (`Entry`), and how it is used."""

    __tablename__ = "catalog_entry"
    __table_args__ = _CLUSTERED
    code: str = Field(primary_key=True)
    provider: str
    submitted_by: str
    phase: str
    revision: int
    in_force: int
    sharing: str | None
    system: str | None
    answer_within: int | None
    needs_assertion: bool | None
    license_type: str | None


class ResourceDescription(SQLModel, table=True):
    """What a revision says, as JSON: the one in force and the one that waits, no older one."""

    __tablename__ = "resource_description"
    code: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    description: str


class ElementClaim(SQLModel, table=True):
    """The one source of a data element (一数一源)."""

    __tablename__ = "element_claim"
    __table_args__ = _CLUSTERED
    element: str = Field(primary_key=True)
    code: str


class SharingGrant(SQLModel, table=True):
    """A request or the grant that has come of it (`Grant`); ``fields`` with spaces between."""

    __tablename__ = "sharing_grant"
    __table_args__ = _CLUSTERED
    id: str = Field(primary_key=True)
    resource: str = Field(index=True)
    grantee: str
    requester: str
    purpose: str
    fields: str
    quota: int | None = Field(sa_type=BigInteger)
    rate: int | None
    until: int = Field(sa_type=BigInteger)
    phase: str
    decide_by: int | None = Field(sa_type=BigInteger)
    due: int | None = Field(sa_type=BigInteger, index=True)


class GrantMeter(SQLModel, table=True):
    """What a grant has used; apart from it, because every call writes here."""

    __tablename__ = "grant_meter"
    __table_args__ = _CLUSTERED
    id: str = Field(primary_key=True)
    used: int = Field(sa_type=BigInteger)
    full_at: int = Field(sa_type=BigInteger)


MODELS: Final = (
    CatalogEntry,
    ResourceDescription,
    ElementClaim,
    SharingGrant,
    GrantMeter,
    *assertions.MODELS,
)
ENTRIES: Final = table_of(CatalogEntry)
DESCRIPTIONS: Final = table_of(ResourceDescription)
CLAIMS: Final = table_of(ElementClaim)
GRANTS: Final = table_of(SharingGrant)
METERS: Final = table_of(GrantMeter)
