"""The tables of license-exchange.

No name, number or field of anybody is in them in the clear: contents are encrypted under the
holder's key, persons are pseudonyms of this service, one-time codes are blind indexes.
"""

from typing import Final

from sqlalchemy import Index, LargeBinary, text
from sqlmodel import BigInteger, Column, Field, SQLModel

from sanyuan.common.assertions import store as assertions
from sanyuan.common.database import table_of

_CLUSTERED: Final = {"sqlite_with_rowid": False}


class LicenseTypeRow(SQLModel, table=True):
    """A licence type by its revision in force; ``type`` is JSON."""

    __tablename__ = "license_type"
    code: str = Field(primary_key=True)
    revision: int
    type: str


class IssuerKeyRow(SQLModel, table=True):
    """An issuer key: ``pending``, ``current`` or ``retired``; its private part is wrapped."""

    __tablename__ = "issuer_key"
    kid: str = Field(primary_key=True)
    department: str = Field(index=True)
    x: str
    wrapped: bytes = Field(sa_type=LargeBinary)
    phase: str


class StatusListRow(SQLModel, table=True):
    """A status list: places taken, and how often a status in it has changed."""

    __tablename__ = "status_list"
    number: int = Field(primary_key=True)
    issuer: str = Field(index=True)
    used: int
    renewal: int


class LicenseRow(SQLModel, table=True):
    """A licence as it stands; ``ends_at`` in µs."""

    __tablename__ = "license"
    __table_args__ = (
        Index("ix_license_deadline", "state", "ends_at"),
        _CLUSTERED,
    )
    name: str = Field(primary_key=True)
    holder: str = Field(index=True)
    type: str
    issuer: str
    system: str
    state: str
    version: int
    list: int
    slot: int
    ends_at: int | None = Field(sa_type=BigInteger)


class LicenseVersionRow(SQLModel, table=True):
    """A version of a licence; ``content`` is encrypted, and none once its holder was erased."""

    __tablename__ = "license_version"
    __table_args__ = (
        Index(
            "ix_license_version_status",
            "list",
            "slot",
            "status",
            sqlite_where=text("status <> 0"),
            postgresql_where=text("status <> 0"),
        ),
    )
    license: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    revision: int
    kid: str
    list: int
    slot: int
    status: int
    issued_at: int = Field(sa_type=BigInteger)
    content: bytes | None = Field(sa_type=LargeBinary)


class HolderKeyRow(SQLModel, table=True):
    """The wrapped key of a holder's licences; erasing the row erases the holder."""

    __tablename__ = "holder_key"
    __table_args__ = _CLUSTERED
    holder: str = Field(primary_key=True)
    wrapped: bytes = Field(sa_type=LargeBinary)


class LicenseGrantRow(SQLModel, table=True):
    """A grant of the catalog on a licence type, and what was used of it; instants in µs."""

    __tablename__ = "license_grant"
    __table_args__ = _CLUSTERED
    id: str = Field(primary_key=True)
    resource: str = Field(index=True)
    grantee: str
    type: str
    purpose: str
    fields: str
    quota: int | None = Field(sa_type=BigInteger)
    rate: int | None
    until: int = Field(sa_type=BigInteger)
    has_ended: bool
    used: int = Field(sa_type=BigInteger)
    full_at: int = Field(sa_type=BigInteger)


class LicenseResourceRow(SQLModel, table=True):
    """Who provides a catalogued resource that is a licence type."""

    __tablename__ = "license_resource"
    __table_args__ = _CLUSTERED
    resource: str = Field(primary_key=True)
    provider: str
    type: str


class RelianceRow(SQLModel, table=True):
    """A system that was given something of a licence."""

    __tablename__ = "reliance"
    __table_args__ = _CLUSTERED
    license: str = Field(primary_key=True)
    system: str = Field(primary_key=True)


class PresentationRow(SQLModel, table=True):
    """What a one-time code opens; ``code`` is a blind index, ``expires_at`` in µs."""

    __tablename__ = "presentation"
    __table_args__ = _CLUSTERED
    code: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    license: str = Field(index=True)
    fields: str
    expires_at: int = Field(sa_type=BigInteger, index=True)
    is_used: bool


class DisputeRow(SQLModel, table=True):
    """A dispute; ``answer_by`` in µs."""

    __tablename__ = "dispute"
    __table_args__ = (
        Index(
            "ix_dispute_deadline",
            "answer_by",
            sqlite_where=text("outcome IS NULL AND is_overdue_told IS 0"),
            postgresql_where=text("outcome IS NULL AND is_overdue_told IS false"),
        ),
    )
    id: str = Field(primary_key=True)
    license: str = Field(index=True)
    version: int
    raised_by: str
    party: str
    issuer: str
    issuing_system: str
    answer_by: int = Field(sa_type=BigInteger)
    outcome: str | None
    is_overdue_told: bool


MODELS: Final = (
    LicenseTypeRow,
    IssuerKeyRow,
    StatusListRow,
    LicenseRow,
    LicenseVersionRow,
    HolderKeyRow,
    LicenseGrantRow,
    LicenseResourceRow,
    RelianceRow,
    PresentationRow,
    DisputeRow,
    *assertions.MODELS,
)
TYPES: Final = table_of(LicenseTypeRow)
KEYS: Final = table_of(IssuerKeyRow)
LISTS: Final = table_of(StatusListRow)
LICENSES: Final = table_of(LicenseRow)
VERSIONS: Final = table_of(LicenseVersionRow)
HOLDER_KEYS: Final = table_of(HolderKeyRow)
GRANTS: Final = table_of(LicenseGrantRow)
RESOURCES: Final = table_of(LicenseResourceRow)
RELIANCE: Final = table_of(RelianceRow)
PRESENTATIONS: Final = table_of(PresentationRow)
DISPUTES: Final = table_of(DisputeRow)
