"""Messages of the catalog service: resources, grants and shared calls (design §7)."""

from sanyuan.common.contracts.catalog.calls import (
    CallAdmitted,
    CallAnswered,
    CallFailed,
    CallRefused,
    CallRequested,
)
from sanyuan.common.contracts.catalog.grants import (
    Bounds,
    DecideGrant,
    GrantDecided,
    GrantDecisionAccepted,
    GrantIssued,
    GrantOpened,
    GrantOverdue,
    GrantPending,
    GrantRefused,
    GrantRequested,
    GrantRevocationAccepted,
    GrantRevoked,
    GrantTerms,
    RequestGrant,
    RevokeGrant,
)
from sanyuan.common.contracts.catalog.kinds import (
    CALLS,
    COMMANDS,
    EVENTS,
    GrantId,
    Instant,
    ItemName,
    KeyId,
    LongText,
    ResourceCode,
)
from sanyuan.common.contracts.catalog.resources import (
    DataType,
    Format,
    Item,
    Openness,
    Resource,
    ResourcePublished,
    ResourceRefused,
    ResourceRejected,
    ResourcesReviewed,
    ResourceSubmitted,
    ResourceWithdrawalAccepted,
    ResourceWithdrawn,
    Reviewed,
    ReviewOutcome,
    ReviewResource,
    ReviseResource,
    Sharing,
    SharingMode,
    SharingType,
    SubmitResource,
    UpdateCycle,
    WithdrawResource,
)
from sanyuan.common.contracts.message import CommandRefused, Tick


class CatalogTick(Tick):
    """A deadline of the catalog has passed."""

    TYPE = "catalog.tick.v1"
    TOPICS = COMMANDS


class CatalogCommandRefused(CommandRefused):
    """The command's type or data could not be understood, or its key was revoked."""

    TYPE = "catalog.command-refused.v1"


CatalogCommand = (
    SubmitResource
    | ReviewResource
    | ReviseResource
    | WithdrawResource
    | RequestGrant
    | DecideGrant
    | RevokeGrant
    | CatalogTick
    | CallRequested
)
CatalogDecision = (
    ResourceSubmitted
    | ResourcesReviewed
    | ResourceWithdrawalAccepted
    | ResourceRefused
    | GrantIssued
    | GrantPending
    | GrantRefused
    | GrantDecisionAccepted
    | GrantRevocationAccepted
    | CatalogCommandRefused
    | CallAdmitted
    | CallRefused
)
CatalogNotice = GrantRequested | GrantDecided | GrantOverdue | CallAnswered | CallFailed
CatalogEvent = ResourcePublished | ResourceRejected | ResourceWithdrawn | GrantOpened | GrantRevoked

__all__ = [
    "CALLS",
    "COMMANDS",
    "EVENTS",
    "Bounds",
    "CallAdmitted",
    "CallAnswered",
    "CallFailed",
    "CallRefused",
    "CallRequested",
    "CatalogCommand",
    "CatalogCommandRefused",
    "CatalogDecision",
    "CatalogEvent",
    "CatalogNotice",
    "CatalogTick",
    "DataType",
    "DecideGrant",
    "Format",
    "GrantDecided",
    "GrantDecisionAccepted",
    "GrantId",
    "GrantIssued",
    "GrantOpened",
    "GrantOverdue",
    "GrantPending",
    "GrantRefused",
    "GrantRequested",
    "GrantRevocationAccepted",
    "GrantRevoked",
    "GrantTerms",
    "Instant",
    "Item",
    "ItemName",
    "KeyId",
    "LongText",
    "Openness",
    "RequestGrant",
    "Resource",
    "ResourceCode",
    "ResourcePublished",
    "ResourceRefused",
    "ResourceRejected",
    "ResourceSubmitted",
    "ResourceWithdrawalAccepted",
    "ResourceWithdrawn",
    "ResourcesReviewed",
    "ReviewOutcome",
    "ReviewResource",
    "Reviewed",
    "ReviseResource",
    "RevokeGrant",
    "Sharing",
    "SharingMode",
    "SharingType",
    "SubmitResource",
    "UpdateCycle",
    "WithdrawResource",
]
