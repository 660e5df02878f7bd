"""What the catalog is asked, as values.

``at`` is the time of the decision in whole microseconds since 1970 UTC: time is data.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from sanyuan.catalog.domain.grants import Bounds
from sanyuan.common.assertions.token import Assertion, AssertionRefusal
from sanyuan.common.contracts.catalog import Resource, Reviewed


class Asker(NamedTuple):
    """Who stands behind a command: the participant, and its system's source."""

    participant: str
    system: str
    is_agency: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """A new resource for review.

    ``is_servable``: its serving system, if it names one, is a registered system of the provider.
    """

    at: int
    asker: Asker
    resource: Resource
    is_servable: bool


@dataclass(frozen=True, slots=True)
class Revise:
    """A new revision of a resource in force, for review."""

    at: int
    asker: Asker
    resource: Resource
    is_servable: bool


@dataclass(frozen=True, slots=True)
class Review:
    """The agency's word on revisions that wait."""

    at: int
    asker: Asker
    reviewed: tuple[Reviewed, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The provider takes a resource back."""

    at: int
    asker: Asker
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """May the asker's participant use this? ``grant`` is the id that a grant would have."""

    at: int
    asker: Asker
    grant: str
    code: str
    purpose: str
    legal_basis: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Decide:
    """The provider's word on a request; without bounds it is what was asked."""

    at: int
    asker: Asker
    grant: str
    allow: bool
    bounds: Bounds | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Revoke:
    """A grant shall end, or a request be taken back."""

    at: int
    asker: Asker
    grant: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remind:
    """Time has passed: who is late?"""

    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a grant by ``participant``.

    ``system`` is the first life of whom the parameters are sealed to, None when that is not a
    system of today; ``shown`` the assertion, None when there is none.
    """

    at: int
    participant: str
    grant: str
    system: str | None
    parameters: bytes | None = field(repr=False)
    shown: Assertion | AssertionRefusal | None


Request = Submit | Revise | Review | Withdraw | Ask | Decide | Revoke | Remind | Call
