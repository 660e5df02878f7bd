"""What license-exchange answers, as values; details hold no personal data."""

from dataclasses import dataclass, field
from typing import NamedTuple

from sanyuan.common.contracts.license_exchange import LicenseType
from sanyuan.common.contracts.license_exchange.disputes import Outcome
from sanyuan.license_exchange.domain.contents import Content
from sanyuan.license_exchange.domain.licenses import Place
from sanyuan.license_exchange.domain.lifecycle import Action, LicenseState


class Renewed(NamedTuple):
    """A status list has changed for the ``renewal``-th time."""

    list: int
    issuer: str
    renewal: int


@dataclass(frozen=True, slots=True)
class TypeAccepted:
    """The type, its revision, and whether anything is new."""

    type: LicenseType
    revision: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class TypeRefused:
    """Nothing was registered; ``field`` is what cannot be so."""

    reason: str
    detail: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class IssuerOpened:
    """A key that waits for its delegation."""

    kid: str
    x: str


@dataclass(frozen=True, slots=True)
class IssuerDelegated:
    """A key that signs from here on."""

    department: str
    kid: str
    x: str


@dataclass(frozen=True, slots=True)
class IssuerRefused:
    """No key."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A licence is registered."""

    license: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A licence is not what it was; ``relied`` are the systems to tell, sorted."""

    license: str
    version: int
    action: Action
    grounds: str
    renewed: tuple[Renewed, ...]
    relied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LicenseRefused:
    """Nothing was issued or changed."""

    reason: str
    detail: str
    state: LicenseState | None = None
    revision: int | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """A holder is forgotten; what became of each licence."""

    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class ErasureRefused:
    """Nothing was erased."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pick:
    """A licence of which something leaves."""

    license: str
    type: str
    issuer: str
    version: int
    state: LicenseState
    kid: str
    place: Place
    names: frozenset[str]
    content: Content = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shared:
    """What leaves, and the licences that had no room."""

    type: str
    grant: str
    fields: tuple[str, ...]
    picks: tuple[Pick, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharingRefused:
    """Nothing leaves, and nothing was metered."""

    reason: str
    detail: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PresentationOpened:
    """A code, good until ``expires_at`` (µs)."""

    expires_at: int
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresentationVerified:
    """What the holder shows."""

    purpose: str
    pick: Pick


@dataclass(frozen=True, slots=True)
class PresentationRefused:
    """Nothing was opened or shown."""

    reason: str
    detail: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DisputeAccepted:
    """The issuer's system is told, with the statement."""

    dispute: str
    license: str
    fields: tuple[str, ...]
    party: str
    issuing_system: str
    answer_by: int
    statement: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DisputeAnswered:
    """Whoever raised the dispute is told, with the statement."""

    dispute: str
    license: str
    outcome: Outcome
    raised_by: str
    statement: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DisputeRefused:
    """No dispute, or no answer to one."""

    reason: str
    detail: str
    dispute: str | None = None


class Overdue(NamedTuple):
    """A dispute that nobody has answered in time; both sides are told."""

    dispute: str
    license: str
    answer_by: int
    systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ticked:
    """What has become due."""

    overdue: tuple[Overdue, ...]


Answer = (
    TypeAccepted
    | TypeRefused
    | IssuerOpened
    | IssuerDelegated
    | IssuerRefused
    | Issued
    | Changed
    | LicenseRefused
    | Erased
    | ErasureRefused
    | Shared
    | SharingRefused
    | PresentationOpened
    | PresentationVerified
    | PresentationRefused
    | DisputeAccepted
    | DisputeAnswered
    | DisputeRefused
    | Ticked
)
