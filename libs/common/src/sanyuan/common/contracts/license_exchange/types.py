"""Licence types with their fields, and who signs: issuer keys and their delegation (design §6)."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from sanyuan.common.contracts.catalog.kinds import ItemName
from sanyuan.common.contracts.catalog.resources import Item
from sanyuan.common.contracts.license_exchange.kinds import (
    Command,
    Fact,
    KeyThumbprint,
    TypeCode,
)
from sanyuan.common.contracts.message import (
    CreditCode,
    Decided,
    Ordinal,
    Part,
    Refused,
    ShortText,
)

HolderKind = Literal["person", "organisation"]
METADATA: Final[tuple[str, ...]] = (
    "license_identifier",
    "license_name",
    "license_number",
    "version",
    "type_code",
    "type_name",
    "issuer_code",
    "issuer_name",
    "definer_code",
    "definer_name",
    "issue_date",
    "valid_from",
    "valid_until",
    "territory",
    "jurisdiction",
    "holder_name",
    "holder_code",
    "holder_code_type",
    "matters",
    "annotations",
)
"""GB/T 36903: what every licence has, under these names; granted and disclosed like its fields."""
CLAIMS: Final = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "vct", "aka_vcts", "status"}
)
"""Names that mean something in an SD-JWT VC, and so can be no field."""


class LicenseType(Part):
    """A kind of licence: by whom it is defined, whom it is for, what it says."""

    code: TypeCode
    name: ShortText
    name_en: ShortText | None = None
    holders: Annotated[tuple[HolderKind, ...], Field(min_length=1, max_length=2)]
    fields: Annotated[tuple[Item, ...], Field(min_length=1, max_length=100)]
    issuers: Annotated[tuple[CreditCode, ...], Field(min_length=1, max_length=1000)] | None = None
    """Who may issue it; None: every department whose issuer key is delegated."""

    @model_validator(mode="after")
    def _has_names_of_its_own(self) -> Self:
        names = [item.name for item in self.fields]
        if len(set(names)) != len(names):
            raise ValueError("two fields have one name")
        if not CLAIMS.isdisjoint(names) or not set(METADATA).isdisjoint(names):
            raise ValueError("a field has the name of metadata or of a registered claim")
        return self


class RegisterLicenseType(Command):
    """A type by the body that defines it; again with the same code, a compatible revision."""

    TYPE = "license-exchange.register-license-type.v1"
    license_type: LicenseType


class LicenseTypeAccepted(Decided):
    """The type is registered; ``revision`` is what its licences are issued by from here on."""

    TYPE = "license-exchange.license-type-accepted.v1"
    type: TypeCode
    revision: Ordinal


class LicenseTypeRefused(Refused):
    """The type is not registered, or not changed."""

    TYPE = "license-exchange.license-type-refused.v1"
    reason: Literal["not-yours", "incompatible", "too-large"]
    field: ItemName | None = None
    """The first field that an existing licence could not have any more."""


class LicenseTypeRegistered(Fact):
    """Public: licences of this type can be issued by this revision of it."""

    TYPE = "license-exchange.license-type-registered.v1"
    license_type: LicenseType
    revision: Ordinal


class IssuerKey(Part):
    """An Ed25519 public key: ``x`` as in its JWK (RFC 8037), ``kid`` its thumbprint."""

    kid: KeyThumbprint
    x: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class OpenIssuer(Command):
    """Make the key with which licences of the sender's department will be signed."""

    TYPE = "license-exchange.open-issuer.v1"


class DelegateIssuer(Command):
    """The department lets license-exchange sign licences in its name under this key."""

    TYPE = "license-exchange.delegate-issuer.v1"
    key: IssuerKey


class IssuerOpened(Decided):
    """The key that waits for its delegation."""

    TYPE = "license-exchange.issuer-opened.v1"
    key: IssuerKey


class IssuerDelegationAccepted(Decided):
    """The delegation is on ``license-exchange-events``; an earlier key signs nothing new."""

    TYPE = "license-exchange.issuer-delegation-accepted.v1"
    key: IssuerKey


class IssuerRefused(Refused):
    """No key was made, or none delegated."""

    TYPE = "license-exchange.issuer-refused.v1"
    reason: Literal["not-a-department", "unknown-key", "already-delegated"]


class IssuerDelegated(Fact):
    """Public: licences of ``department`` are signed under this key from here on."""

    TYPE = "license-exchange.issuer-delegated.v1"
    department: CreditCode
    key: IssuerKey


class StatusListRenewed(Fact):
    """Public: a status in list ``list`` has changed; whoever keeps a copy fetches it again."""

    TYPE = "license-exchange.status-list-renewed.v1"
    list: Ordinal
    issuer: CreditCode
    renewal: Ordinal
