"""Licences: issued, amended, suspended, resumed, revoked; a holder erased (design §6)."""

from typing import Literal

from sanyuan.common.contracts.license_exchange.kinds import (
    Command,
    Grounds,
    LicenseHandle,
    Notice,
    TypeCode,
)
from sanyuan.common.contracts.message import (
    Attachment,
    Decided,
    Ordinal,
    Refused,
    ShortText,
)

LicenseState = Literal["active", "suspended", "revoked", "expired", "erased"]


class IssueLicense(Command):
    """Register a licence of the sender's department.

    ``content``, sealed to license-exchange: JSON as in docs/licenses.md. ``assertion``, sealed
    likewise: the JWT of identity about the holder, needed when it is a person. ``revision`` of the
    type is what the content was written by; None: the current one.
    """

    TYPE = "license-exchange.issue-license.v1"
    SEALED = ("content", "assertion")
    type: TypeCode
    revision: Ordinal | None = None
    content: Attachment
    assertion: Attachment | None = None


class AmendLicense(Command):
    """A new version with all of its ``content``; serial and holder stay what they are."""

    TYPE = "license-exchange.amend-license.v1"
    SEALED = ("content",)
    license: LicenseHandle
    revision: Ordinal | None = None
    grounds: Grounds
    content: Attachment


class _Change(Command):
    license: LicenseHandle
    grounds: Grounds


class SuspendLicense(_Change):
    """Nobody may rely on the licence until it is resumed."""

    TYPE = "license-exchange.suspend-license.v1"


class ResumeLicense(_Change):
    """A suspended licence holds again."""

    TYPE = "license-exchange.resume-license.v1"


class RevokeLicense(_Change):
    """Nobody may rely on the licence any more."""

    TYPE = "license-exchange.revoke-license.v1"


class EraseHolder(Command):
    """Forget a holder and the content of all their licences; by the agency alone.

    Named by an ``assertion``, sealed to license-exchange, or, when identity knows the person no
    longer, by any of their licences.
    """

    TYPE = "license-exchange.erase-holder.v1"
    SEALED = ("assertion",)
    legal_basis: ShortText
    license: LicenseHandle | None = None
    assertion: Attachment | None = None


class _Done(Decided):
    license: LicenseHandle
    version: Ordinal


class LicenseIssued(_Done):
    """The licence is registered; ``license`` names it from here on."""

    TYPE = "license-exchange.license-issued.v1"


class LicenseAmended(_Done):
    """The new version holds, and whoever relied on the old one was told."""

    TYPE = "license-exchange.license-amended.v1"


class LicenseSuspended(_Done):
    """Its status is suspended, and whoever relied on it was told."""

    TYPE = "license-exchange.license-suspended.v1"


class LicenseResumed(_Done):
    """Its status is valid again, and whoever relied on it was told."""

    TYPE = "license-exchange.license-resumed.v1"


class LicenseRevoked(_Done):
    """Its status is invalid, and whoever relied on it was told."""

    TYPE = "license-exchange.license-revoked.v1"


class LicenseRefused(Refused):
    """Nothing was issued or changed.

    ``illegal-transition``: ``state`` is what the licence is in. ``type-changed``: ``revision`` is
    the one that counts now. ``exists``: ``license`` is the one that has this serial number.
    ``unknown-license`` is said of somebody else's licence too.
    """

    TYPE = "license-exchange.license-refused.v1"
    reason: Literal[
        "unknown-type",
        "type-changed",
        "not-an-issuer",
        "issuer-not-delegated",
        "content-missing",
        "content-malformed",
        "already-expired",
        "exists",
        "unknown-license",
        "illegal-transition",
        "other-holder",
        "other-serial",
        "unchanged",
        "too-many-versions",
        "assertion-missing",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-expired",
        "assertion-revoked",
        "assertion-used-up",
    ]
    state: LicenseState | None = None
    revision: Ordinal | None = None
    license: LicenseHandle | None = None


class HolderErased(Decided):
    """The holder's key is gone, and with it the content of their licences."""

    TYPE = "license-exchange.holder-erased.v1"


class ErasureRefused(Refused):
    """Nothing was erased."""

    TYPE = "license-exchange.erasure-refused.v1"
    reason: Literal[
        "not-permitted",
        "holder-missing",
        "unknown-holder",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-expired",
        "assertion-revoked",
        "assertion-used-up",
    ]


class LicenseChanged(Notice):
    """To whoever was given a field of the licence: it is not what it was.

    ``license`` is how the answer named it that gave the field.
    """

    TYPE = "license-exchange.license-changed.v1"
    license: LicenseHandle
    version: Ordinal
    change: Literal["amended", "suspended", "resumed", "revoked", "erased"]
    grounds: Grounds
