"""Messages of license-exchange: types, licences, sharing, presentations, disputes (design §6).

Everything about a holder travels in sealed attachments. An ``assertion`` is the JWT itself, as
identity has sent it; every other attachment is JSON.
"""

from sanyuan.common.contracts.license_exchange.disputes import (
    AnswerDispute,
    DisputeAccepted,
    DisputeAnswerAccepted,
    DisputeAnswered,
    DisputeOverdue,
    DisputeRaised,
    DisputeRefused,
    RaiseDispute,
)
from sanyuan.common.contracts.license_exchange.kinds import (
    COMMANDS,
    EVENTS,
    PRESENTATION_PURPOSE,
    DisputeId,
    Grounds,
    KeyThumbprint,
    LicenseHandle,
    TypeCode,
)
from sanyuan.common.contracts.license_exchange.licenses import (
    AmendLicense,
    EraseHolder,
    ErasureRefused,
    HolderErased,
    IssueLicense,
    LicenseAmended,
    LicenseChanged,
    LicenseIssued,
    LicenseRefused,
    LicenseResumed,
    LicenseRevoked,
    LicenseState,
    LicenseSuspended,
    ResumeLicense,
    RevokeLicense,
    SuspendLicense,
)
from sanyuan.common.contracts.license_exchange.sharing import (
    LicenseFieldsShared,
    OpenPresentation,
    PresentationOpened,
    PresentationRefused,
    PresentationVerified,
    RequestLicenseFields,
    SharingRefused,
    VerifyPresentation,
)
from sanyuan.common.contracts.license_exchange.types import (
    CLAIMS,
    METADATA,
    DelegateIssuer,
    HolderKind,
    IssuerDelegated,
    IssuerDelegationAccepted,
    IssuerKey,
    IssuerOpened,
    IssuerRefused,
    LicenseType,
    LicenseTypeAccepted,
    LicenseTypeRefused,
    LicenseTypeRegistered,
    OpenIssuer,
    RegisterLicenseType,
    StatusListRenewed,
)
from sanyuan.common.contracts.message import CommandRefused, Tick


class LicenseExchangeTick(Tick):
    """A licence has expired, or a dispute is overdue."""

    TYPE = "license-exchange.tick.v1"
    TOPICS = COMMANDS


class LicenseExchangeCommandRefused(CommandRefused):
    """The command's type or data could not be understood, or its key was revoked."""

    TYPE = "license-exchange.command-refused.v1"


LicenseExchangeCommand = (
    RegisterLicenseType
    | OpenIssuer
    | DelegateIssuer
    | IssueLicense
    | AmendLicense
    | SuspendLicense
    | ResumeLicense
    | RevokeLicense
    | EraseHolder
    | RequestLicenseFields
    | OpenPresentation
    | VerifyPresentation
    | RaiseDispute
    | AnswerDispute
    | LicenseExchangeTick
)
LicenseExchangeDecision = (
    LicenseTypeAccepted
    | LicenseTypeRefused
    | IssuerOpened
    | IssuerDelegationAccepted
    | IssuerRefused
    | LicenseIssued
    | LicenseAmended
    | LicenseSuspended
    | LicenseResumed
    | LicenseRevoked
    | LicenseRefused
    | HolderErased
    | ErasureRefused
    | LicenseFieldsShared
    | SharingRefused
    | PresentationOpened
    | PresentationVerified
    | PresentationRefused
    | DisputeAccepted
    | DisputeAnswerAccepted
    | DisputeRefused
    | LicenseExchangeCommandRefused
)
LicenseExchangeNotice = LicenseChanged | DisputeRaised | DisputeAnswered | DisputeOverdue
LicenseExchangeEvent = LicenseTypeRegistered | IssuerDelegated | StatusListRenewed

__all__ = [
    "CLAIMS",
    "COMMANDS",
    "EVENTS",
    "METADATA",
    "PRESENTATION_PURPOSE",
    "AmendLicense",
    "AnswerDispute",
    "DelegateIssuer",
    "DisputeAccepted",
    "DisputeAnswerAccepted",
    "DisputeAnswered",
    "DisputeId",
    "DisputeOverdue",
    "DisputeRaised",
    "DisputeRefused",
    "EraseHolder",
    "ErasureRefused",
    "Grounds",
    "HolderErased",
    "HolderKind",
    "IssueLicense",
    "IssuerDelegated",
    "IssuerDelegationAccepted",
    "IssuerKey",
    "IssuerOpened",
    "IssuerRefused",
    "KeyThumbprint",
    "LicenseAmended",
    "LicenseChanged",
    "LicenseExchangeCommand",
    "LicenseExchangeCommandRefused",
    "LicenseExchangeDecision",
    "LicenseExchangeEvent",
    "LicenseExchangeNotice",
    "LicenseExchangeTick",
    "LicenseFieldsShared",
    "LicenseHandle",
    "LicenseIssued",
    "LicenseRefused",
    "LicenseResumed",
    "LicenseRevoked",
    "LicenseState",
    "LicenseSuspended",
    "LicenseType",
    "LicenseTypeAccepted",
    "LicenseTypeRefused",
    "LicenseTypeRegistered",
    "OpenIssuer",
    "OpenPresentation",
    "PresentationOpened",
    "PresentationRefused",
    "PresentationVerified",
    "RaiseDispute",
    "RegisterLicenseType",
    "RequestLicenseFields",
    "ResumeLicense",
    "RevokeLicense",
    "SharingRefused",
    "StatusListRenewed",
    "SuspendLicense",
    "TypeCode",
    "VerifyPresentation",
]
