"""Grants: who may use which fields of a resource, for what and how much of it (design §7)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sanyuan.common.contracts.catalog.kinds import (
    Command,
    Fact,
    GrantId,
    Instant,
    ItemName,
    Notice,
    ResourceCode,
)
from sanyuan.common.contracts.message import (
    CreditCode,
    Decided,
    Ordinal,
    Part,
    Purpose,
    Refused,
    ShortText,
    SourceText,
)

Rate = Annotated[int, Field(ge=1, le=100_000, strict=True)]


class Bounds(Part):
    """How far a grant goes. ``quota`` counts calls over its whole life, ``rate`` calls a second."""

    fields: Annotated[tuple[ItemName, ...], Field(min_length=1, max_length=200)]
    quota: Ordinal | None = None
    rate: Rate | None = None
    until: Instant

    @model_validator(mode="after")
    def _names_each_field_once(self) -> Self:
        if len(set(self.fields)) != len(self.fields):
            raise ValueError("a field is named twice")
        return self


class RequestGrant(Command):
    """May the sender's participant use these fields of a resource for this purpose?"""

    TYPE = "catalog.request-grant.v1"
    resource: ResourceCode
    purpose: Purpose
    legal_basis: ShortText
    bounds: Bounds


class DecideGrant(Command):
    """The provider's word on a pending request; ``bounds`` may be narrower than what was asked.

    Without ``bounds`` it is what was asked. A refusal states its ``reason``.
    """

    TYPE = "catalog.decide-grant.v1"
    request: GrantId
    allow: bool
    bounds: Bounds | None = None
    reason: ShortText | None = None

    @model_validator(mode="after")
    def _gives_reason(self) -> Self:
        if not self.allow and not self.reason:
            raise ValueError("a refusal states its reason")
        return self


class RevokeGrant(Command):
    """The provider, the agency or the grantee itself ends a grant; of a request: takes it back."""

    TYPE = "catalog.revoke-grant.v1"
    grant: GrantId
    reason: ShortText


class GrantTerms(Part):
    """A grant as its holder and the services need it."""

    grant: GrantId
    resource: ResourceCode
    grantee: CreditCode
    purpose: Purpose
    bounds: Bounds
    serving_system: SourceText | None = None
    answer_within: Ordinal = 10
    needs_assertion: bool = False
    license_type: str | None = None


class GrantIssued(Decided):
    """Yes, as far as ``terms`` say."""

    TYPE = "catalog.grant-issued.v1"
    terms: GrantTerms


class GrantPending(Decided):
    """The provider decides until ``decide_by``; the answer comes as a notice."""

    TYPE = "catalog.grant-pending.v1"
    request: GrantId
    decide_by: Instant


class GrantRefused(Refused):
    """No grant, or no such change of one."""

    TYPE = "catalog.grant-refused.v1"
    reason: Literal[
        "unknown-resource",
        "not-shared",
        "not-callable",
        "unknown-field",
        "expired",
        "own-resource",
        "unknown-request",
        "unknown-grant",
        "not-yours",
        "too-wide",
        "already-decided",
        "already-ended",
        "malformed",
    ]


class GrantDecisionAccepted(Decided):
    """The provider's word stands and the requester was told."""

    TYPE = "catalog.grant-decision-accepted.v1"
    request: GrantId
    grant: GrantId | None = None


class GrantRevocationAccepted(Decided):
    """The revocation is on ``catalog-events``; a request was only taken back."""

    TYPE = "catalog.grant-revocation-accepted.v1"
    grant: GrantId


class GrantRequested(Notice):
    """To the provider: somebody asks for a grant; decide until ``decide_by``."""

    TYPE = "catalog.grant-requested.v1"
    request: GrantId
    resource: ResourceCode
    grantee: CreditCode
    purpose: Purpose
    legal_basis: ShortText
    bounds: Bounds
    decide_by: Instant


class GrantDecided(Notice):
    """To the requester: the provider's word; ``terms`` when it allows."""

    TYPE = "catalog.grant-decided.v1"
    request: GrantId
    allow: bool
    terms: GrantTerms | None = None
    reason: ShortText | None = None


class GrantOverdue(Notice):
    """To the provider and the requester: the deadline has passed; the request still stands."""

    TYPE = "catalog.grant-overdue.v1"
    request: GrantId
    resource: ResourceCode
    decide_by: Instant


class GrantOpened(Fact):
    """Public: a grant holds from here on."""

    TYPE = "catalog.grant-opened.v1"
    terms: GrantTerms


class GrantRevoked(Fact):
    """Public: nothing is admitted under the grant from here on."""

    TYPE = "catalog.grant-revoked.v1"
    grant: GrantId
    resource: ResourceCode
    reason: ShortText
