"""The life of a resource in the catalogue: draft → submitted → published → revised → withdrawn.

Invariants: at most one revision is in force and at most one waits for review; a revision's number
is given once, so that a review can only mean what the agency has read; a withdrawn code never comes
back, because grants and history name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from sanyuan.common.contracts.catalog import Resource, SharingType
from sanyuan.common.sources import first_life

MAX_BYTES: Final = 56 * 1024
"""Of a resource as JSON: what is published is the resource and its envelope, 60 KiB at most."""


class Phase(StrEnum):
    """Where a resource is in its life."""

    DRAFT = "draft"
    """Its provider's alone: never submitted, rejected, or taken back before it was published."""
    SUBMITTED = "submitted"
    """The first revision waits for review."""
    PUBLISHED = "published"
    REVISED = "revised"
    """One revision is in force, a later one waits for review."""
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What happens to a resource."""

    SUBMIT = "submit"
    PUBLISH = "publish"
    REJECT = "reject"
    REVISE = "revise"
    WITHDRAW = "withdraw"


TRANSITIONS: Final[Mapping[tuple[Phase, Step], Phase]] = {
    (Phase.DRAFT, Step.SUBMIT): Phase.SUBMITTED,
    (Phase.SUBMITTED, Step.PUBLISH): Phase.PUBLISHED,
    (Phase.SUBMITTED, Step.REJECT): Phase.DRAFT,
    (Phase.SUBMITTED, Step.WITHDRAW): Phase.DRAFT,
    (Phase.PUBLISHED, Step.REVISE): Phase.REVISED,
    (Phase.PUBLISHED, Step.WITHDRAW): Phase.WITHDRAWN,
    (Phase.REVISED, Step.REVISE): Phase.REVISED,
    (Phase.REVISED, Step.PUBLISH): Phase.PUBLISHED,
    (Phase.REVISED, Step.REJECT): Phase.PUBLISHED,
    (Phase.REVISED, Step.WITHDRAW): Phase.WITHDRAWN,
}

IN_FORCE: Final = frozenset({Phase.PUBLISHED, Phase.REVISED})
UNDER_REVIEW: Final = frozenset({Phase.SUBMITTED, Phase.REVISED})


class Serving(NamedTuple):
    """What the revision in force says of its use; ``system`` is the source of its first life."""

    sharing: SharingType
    system: str | None
    answer_within: int
    needs_assertion: bool
    license_type: str | None

    @property
    def is_callable(self) -> bool:
        """Whether there is anything that a grant could be used for."""
        return self.system is not None or self.license_type is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource's place in the catalogue.

    ``revision`` is the last number given, ``in_force`` the revision that holds (0: none),
    ``submitted_by`` the system that submitted last.
    """

    provider: str
    submitted_by: str
    phase: Phase = Phase.DRAFT
    revision: int = 0
    in_force: int = 0
    serving: Serving | None = None

    @property
    def waiting(self) -> int:
        """The revision that waits for review; 0 when none does."""
        return self.revision if self.phase in UNDER_REVIEW else 0

    @property
    def serving_now(self) -> Serving | None:
        """How the resource is used today; None when nothing is in force."""
        return self.serving if self.phase in IN_FORCE else None


def serving_of(resource: Resource) -> Serving:
    """What is needed of a description whenever the resource is used."""
    system = resource.serving_system
    return Serving(
        sharing=resource.sharing.type,
        system=None if system is None else first_life(system),
        answer_within=resource.answer_within,
        needs_assertion=resource.needs_assertion,
        license_type=resource.license_type,
    )


def elements_of(resource: Resource | None) -> frozenset[str]:
    """The data elements that a resource is the one source of (一数一源)."""
    items = () if resource is None else resource.items
    return frozenset(item.element for item in items if item.element is not None)


def size_of(resource: Resource) -> int:
    """Bytes of the description as it is published."""
    return len(resource.model_dump_json(exclude_none=True).encode())
