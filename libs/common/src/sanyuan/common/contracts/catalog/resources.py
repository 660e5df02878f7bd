"""Resources: metadata by 政务信息资源目录编制指南, and their life in the catalogue (design §7)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sanyuan.common.contracts.catalog.kinds import (
    Command,
    Fact,
    ItemName,
    LongText,
    ResourceCode,
)
from sanyuan.common.contracts.message import (
    Count,
    CreditCode,
    Decided,
    Ordinal,
    Part,
    Refused,
    ShortText,
    SourceText,
)

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
    """Characters at most; None: not bounded."""
    required: bool = True
    """Always there; of a parameter: a call has to say it."""
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
    license_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The licence type that this resource is: its grants are metered by license-exchange."""

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        for part in (self.items, self.parameters):
            names = [item.name for item in part]
            if len(set(names)) != len(names):
                raise ValueError("two items have one name")
        elements = [item.element for item in self.items if item.element]
        if len(set(elements)) != len(elements):
            raise ValueError("two items are the source of one element")
        return self


class SubmitResource(Command):
    """A new resource for review, or, after a rejection, the same one again; by its provider."""

    TYPE = "catalog.submit-resource.v1"
    resource: Resource


class Reviewed(Part):
    """The agency's word on one submitted revision; a rejection states its ``reason``."""

    resource: ResourceCode
    revision: Ordinal
    publish: bool
    reason: ShortText | None = None

    @model_validator(mode="after")
    def _gives_reason(self) -> Self:
        if not self.publish and not self.reason:
            raise ValueError("a rejection states its reason")
        return self


class ReviewResource(Command):
    """The agency publishes or rejects the submitted ``revision`` of each of these resources."""

    TYPE = "catalog.review-resource.v1"
    reviewed: Annotated[tuple[Reviewed, ...], Field(min_length=1, max_length=100)]


class ReviseResource(Command):
    """A compatible new revision of a published resource, for review; the old one holds on."""

    TYPE = "catalog.revise-resource.v1"
    resource: Resource


class WithdrawResource(Command):
    """The provider takes a resource back; its grants end."""

    TYPE = "catalog.withdraw-resource.v1"
    resource: ResourceCode
    reason: ShortText


class ResourceSubmitted(Decided):
    """The revision waits for the agency's review."""

    TYPE = "catalog.resource-submitted.v1"
    resource: ResourceCode
    revision: Ordinal


class ReviewOutcome(Part):
    """What a review did to one resource; ``reason`` says why nothing."""

    resource: ResourceCode
    revision: Ordinal
    result: Literal["published", "rejected", "refused"]
    reason: ShortText | None = None


class ResourcesReviewed(Decided):
    """The review's effect, one entry a resource in the order of the command; some may have none."""

    TYPE = "catalog.resources-reviewed.v1"
    outcomes: tuple[ReviewOutcome, ...]


class ResourceWithdrawalAccepted(Decided):
    """The withdrawal is on ``catalog-events``; what was never published is a draft again."""

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


class ResourcePublished(Fact):
    """Public: a revision of a resource is in force; ``supersedes`` the one before, if any."""

    TYPE = "catalog.resource-published.v1"
    resource: Resource
    revision: Ordinal
    supersedes: Count = 0


class ResourceRejected(Fact):
    """Public: the agency has rejected a submitted revision."""

    TYPE = "catalog.resource-rejected.v1"
    resource: ResourceCode
    revision: Ordinal
    reason: ShortText | None = None


class ResourceWithdrawn(Fact):
    """Public: the resource is no longer shared, and its grants have ended."""

    TYPE = "catalog.resource-withdrawn.v1"
    resource: ResourceCode
    reason: ShortText
