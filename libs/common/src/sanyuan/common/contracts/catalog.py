"""Messages of the catalog service: resources, grants and shared calls (design §7).

Resource metadata follow 政务信息资源目录编制指南; each field says which of its elements it is.
"""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from sanyuan.common.contracts.message import (
    Attachment,
    CommandRef,
    CommandRefused,
    Count,
    CreditCode,
    Decided,
    ForwardedAttachment,
    Message,
    Ordinal,
    Part,
    Purpose,
    Refused,
    ShortText,
    SourceText,
    Tick,
)

COMMANDS = ("catalog-commands",)
CALLS = ("calls",)
EVENTS = ("catalog-events",)

ResourceCode = Annotated[str, Field(pattern=r"^[1-9][0-9]{2}[0-9]{2}[0-9]{3}[0-9]{0,6}/[0-9]{6}$")]
"""类 1 + 项 2 + 目 3 + 细目 (variable) digits, ``/``, sequence number of six digits."""
GrantId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ItemName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""The name by which programs know an item."""
LongText = Annotated[str, Field(min_length=1, max_length=2000)]
Instant = AwareDatetime
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Hex of the first 8 bytes of SHA-256 of a sealing key, as in ``info``."""

SharingType = Literal["unconditional", "conditional", "not-shared"]
"""共享类型 1, 2, 3."""
SharingMode = Literal["platform", "mail", "disk", "media-exchange"]
Format = Literal[
    "electronic-file",
    "spreadsheet",
    "database",
    "image",
    "streaming-media",
    "self-describing",
    "service-interface",
]
UpdateCycle = Literal[
    "real-time", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly"
]
DataType = Literal["C", "N", "Y", "D", "T", "L", "M", "G", "B", "I", "F"]
Openness = Literal["open", "conditionally-open", "not-open"]


class Item(Part):
    """信息项: one data item of a resource.

    ``element`` is the national data element that this item holds as its authoritative source
    (一数一源); None when the item only repeats what another resource is the source of.
    """

    name: ItemName
    title: ShortText
    type: DataType
    length: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    required: bool = True
    element: Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{5}$")] | None = None


class Sharing(Part):
    """共享属性: type, and the conditions or grounds that types 2 and 3 demand."""

    type: SharingType
    conditions: ShortText | None = None
    grounds: ShortText | None = None
    mode: SharingMode = "platform"

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.type == "conditional" and not self.conditions:
            raise ValueError("conditional sharing states its conditions")
        if self.type == "not-shared" and not self.grounds:
            raise ValueError("what is not shared states the grounds")
        return self


class Resource(Part):
    """信息资源: the metadata of one catalogued resource."""

    code: ResourceCode
    classification: Annotated[tuple[ShortText, ...], Field(min_length=3, max_length=4)]
    """类, 项, 目 and, where there is one, 细目, by name."""
    name: ShortText
    name_en: ShortText | None = None
    summary: LongText
    summary_en: LongText | None = None
    provider: CreditCode
    format: Format
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=200)]
    parameters: Annotated[tuple[Item, ...], Field(max_length=50)] = ()
    """What a shared call has to say; for a service interface."""
    sharing: Sharing
    openness: Openness = "not-open"
    update_cycle: UpdateCycle
    related: Annotated[tuple[ResourceCode, ...], Field(max_length=50)] = ()
    serving_system: SourceText | None = None
    """The provider's system that answers shared calls."""
    answer_within: Annotated[int, Field(ge=1, le=86_400, strict=True)] = 10
    """Seconds that the serving system has for an answer."""
    needs_assertion: bool = False
    """Whether a call is about a person, and has to show that person's assertion."""
    license_type: Annotated[str, Field(max_length=200)] | None = None
    """The licence type that this resource is: its grants are metered by license-exchange."""


class _Command(Message):
    TOPICS = COMMANDS


class SubmitResource(_Command):
    """A new resource for review, or, after a rejection, the same one again; by its provider."""

    TYPE = "catalog.submit-resource.v1"
    resource: Resource


class ReviewResource(_Command):
    """The agency publishes or rejects the submitted ``revision`` of each of these resources."""

    TYPE = "catalog.review-resource.v1"
    reviewed: Annotated[tuple["Reviewed", ...], Field(min_length=1, max_length=100)]


class Reviewed(Part):
    """The agency's word on one submitted revision."""

    resource: ResourceCode
    revision: Ordinal
    publish: bool
    reason: ShortText | None = None


class ReviseResource(_Command):
    """A compatible new revision of a published resource, for review; the old one holds on."""

    TYPE = "catalog.revise-resource.v1"
    resource: Resource


class WithdrawResource(_Command):
    """The provider takes a resource back; its grants end."""

    TYPE = "catalog.withdraw-resource.v1"
    resource: ResourceCode
    reason: ShortText


class Bounds(Part):
    """How far a grant goes. ``quota`` counts calls over its whole life, ``rate`` calls a second."""

    fields: Annotated[tuple[ItemName, ...], Field(min_length=1, max_length=200)]
    quota: Ordinal | None = None
    rate: Ordinal | None = None
    until: Instant


class RequestGrant(_Command):
    """May the sender's participant use these fields of a resource for this purpose?"""

    TYPE = "catalog.request-grant.v1"
    resource: ResourceCode
    purpose: Purpose
    legal_basis: ShortText
    bounds: Bounds


class DecideGrant(_Command):
    """The provider's word on a pending request; ``bounds`` may be narrower than what was asked."""

    TYPE = "catalog.decide-grant.v1"
    request: GrantId
    allow: bool
    bounds: Bounds | None = None
    reason: ShortText | None = None


class RevokeGrant(_Command):
    """The provider, the agency or the grantee itself ends a grant."""

    TYPE = "catalog.revoke-grant.v1"
    grant: GrantId
    reason: ShortText


class CatalogTick(Tick):
    """A deadline of the catalog has passed."""

    TYPE = "catalog.tick.v1"
    TOPICS = COMMANDS


class CallRequested(Message):
    """Ask a resource under a grant.

    ``parameters``, sealed to the resource's serving system: a JSON object, one member a parameter.
    ``assertion``, sealed to the catalog, where the resource needs one. ``serving_system`` is whom
    the parameters are sealed to.
    """

    TYPE = "call.requested.v1"
    TOPICS = CALLS
    SEALED = ("parameters", "assertion")
    grant: GrantId
    serving_system: SourceText
    parameters: Attachment
    assertion: Attachment | None = None


class ResourceSubmitted(Decided):
    """The revision waits for the agency's review."""

    TYPE = "catalog.resource-submitted.v1"
    resource: ResourceCode
    revision: Ordinal


class ResourcesReviewed(Decided):
    """The review's effect, one entry a resource in the order of the command; some may have none."""

    TYPE = "catalog.resources-reviewed.v1"
    outcomes: tuple["ReviewOutcome", ...]


class ReviewOutcome(Part):
    """What a review did to one resource; ``reason`` says why nothing."""

    resource: ResourceCode
    revision: Ordinal
    result: Literal["published", "rejected", "refused"]
    reason: ShortText | None = None


class ResourceWithdrawalAccepted(Decided):
    """The withdrawal is on ``catalog-events``."""

    TYPE = "catalog.resource-withdrawal-accepted.v1"
    resource: ResourceCode


class ResourceRefused(Refused):
    """A command on a resource has no effect.

    ``element-claimed``: ``source_resource`` is that element's one source (一数一源).
    """

    TYPE = "catalog.resource-refused.v1"
    reason: Literal[
        "not-yours",
        "not-the-agency",
        "unknown-resource",
        "exists",
        "illegal-transition",
        "element-claimed",
        "incompatible",
        "no-such-system",
        "malformed",
    ]
    source_resource: ResourceCode | None = None


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
        "malformed",
    ]


class GrantDecisionAccepted(Decided):
    """The provider's word stands and the requester was told."""

    TYPE = "catalog.grant-decision-accepted.v1"
    request: GrantId
    grant: GrantId | None = None


class GrantRevocationAccepted(Decided):
    """The revocation is on ``catalog-events``."""

    TYPE = "catalog.grant-revocation-accepted.v1"
    grant: GrantId


class CatalogCommandRefused(CommandRefused):
    """The command's type or data could not be understood, or its key was revoked."""

    TYPE = "catalog.command-refused.v1"


class CallAdmitted(Decided):
    """The decision of a call, in the provider's inbox: answer it until ``answer_by``.

    The answer is sealed to ``caller_key`` and goes to ``reply_to`` (the caller's inbox);
    ``parameters`` come as the caller sealed them.
    """

    TYPE = "call.admitted.v1"
    SEALED = ("parameters",)
    grant: GrantId
    resource: ResourceCode
    purpose: Purpose
    fields: tuple[ItemName, ...]
    caller: SourceText
    reply_to: str
    caller_key: KeyId
    answer_by: Instant
    call_id: str
    """The ``id`` of the ``call.requested.v1``: the answer's ``causationid``."""
    subject: str | None = None
    """The person's pseudonym for the catalog, where the resource needs an assertion."""
    parameters: ForwardedAttachment


class CallRefused(Refused):
    """The decision of a call that is not admitted, in the caller's inbox; nothing was metered."""

    TYPE = "call.refused.v1"
    reason: Literal[
        "unknown-grant",
        "not-yours",
        "grant-revoked",
        "grant-expired",
        "grant-metered-elsewhere",
        "resource-withdrawn",
        "quota",
        "rate",
        "wrong-serving-system",
        "no-parameters",
        "assertion-missing",
        "assertion-invalid",
        "assertion-expired",
        "assertion-used-up",
        "assertion-revoked",
        "assertion-not-for-you",
    ]


class CallAnswered(Message):
    """A provider's answer, straight into the caller's inbox; ``causationid`` is the call's id.

    ``answer``, sealed to the caller: a JSON object with exactly the members that ``fields`` names.
    """

    TYPE = "call.answered.v1"
    TOPICS = ("inbox",)
    SEALED = ("answer",)
    call: CommandRef
    fields: tuple[ItemName, ...]
    found: bool = True
    """False: the provider has nothing under these parameters; the answer is an empty object."""
    answer: Attachment


class CallFailed(Message):
    """A provider cannot answer; ``causationid`` is the call's id."""

    TYPE = "call.failed.v1"
    TOPICS = ("inbox",)
    call: CommandRef
    reason: Literal["malformed-parameters", "unavailable", "too-late", "other"]
    detail: ShortText | None = None


class _Notice(Message):
    TOPICS = ("inbox",)


class GrantRequested(_Notice):
    """To the provider: somebody asks for a grant; decide until ``decide_by``."""

    TYPE = "catalog.grant-requested.v1"
    request: GrantId
    resource: ResourceCode
    grantee: CreditCode
    purpose: Purpose
    legal_basis: ShortText
    bounds: Bounds
    decide_by: Instant


class GrantDecided(_Notice):
    """To the requester: the provider's word; ``terms`` when it allows."""

    TYPE = "catalog.grant-decided.v1"
    request: GrantId
    allow: bool
    terms: GrantTerms | None = None
    reason: ShortText | None = None


class GrantOverdue(_Notice):
    """To the provider and the requester: the deadline has passed; the request still stands."""

    TYPE = "catalog.grant-overdue.v1"
    request: GrantId
    resource: ResourceCode
    decide_by: Instant


class _Fact(Message):
    TOPICS = EVENTS


class ResourcePublished(_Fact):
    """Public: a revision of a resource is in force; ``supersedes`` the one before, if any."""

    TYPE = "catalog.resource-published.v1"
    resource: Resource
    revision: Ordinal
    supersedes: Count = 0


class ResourceRejected(_Fact):
    """Public: the agency has rejected a submitted revision."""

    TYPE = "catalog.resource-rejected.v1"
    resource: ResourceCode
    revision: Ordinal
    reason: ShortText | None = None


class ResourceWithdrawn(_Fact):
    """Public: the resource is no longer shared, and its grants have ended."""

    TYPE = "catalog.resource-withdrawn.v1"
    resource: ResourceCode
    reason: ShortText


class GrantOpened(_Fact):
    """Public: a grant holds from here on."""

    TYPE = "catalog.grant-opened.v1"
    terms: GrantTerms


class GrantRevoked(_Fact):
    """Public: nothing is admitted under the grant from here on."""

    TYPE = "catalog.grant-revoked.v1"
    grant: GrantId
    resource: ResourceCode
    reason: ShortText


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
