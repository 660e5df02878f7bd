"""A licence and its versions, as values; content aside (design §6)."""

from typing import NamedTuple

from sanyuan.common.sdjwt.statuslist import Status
from sanyuan.license_exchange.domain.contents import Content
from sanyuan.license_exchange.domain.lifecycle import LicenseState, state_at


class Place(NamedTuple):
    """Where the status of a version stands: which list, and where in it."""

    list: int
    slot: int


class License(NamedTuple):
    """A licence as it stands; ``place`` is that of its current version.

    ``holder`` is where it is filed (see `holders`), ``system`` who issued it, ``ends_at`` in µs
    since 1970 UTC.
    """

    holder: str
    type: str
    issuer: str
    system: str
    state: LicenseState
    version: int
    place: Place
    ends_at: int | None

    def state_at(self, at: int) -> LicenseState:
        """The state as it counts at ``at``."""
        return state_at(self.state, self.ends_at, at)


class Version(NamedTuple):
    """One version: what it says, under which key it is signed, where its status stands.

    ``nonce`` is for the encryption of its content.
    """

    holder: str
    revision: int
    kid: str
    place: Place
    status: Status
    issued_at: int
    content: Content
    nonce: bytes


class ListRow(NamedTuple):
    """A status list: how many places are taken, and how often a status in it has changed."""

    issuer: str
    used: int = 0
    renewal: int = 0


class KeyName(NamedTuple):
    """An issuer key as everybody may know it: thumbprint and public part."""

    kid: str
    x: str


class DepartmentKeys(NamedTuple):
    """A department's issuer keys: the one in force, and one that waits for its delegation."""

    current: KeyName | None = None
    pending: KeyName | None = None


class IssuerSeed(NamedTuple):
    """The private bytes of a new issuer key."""

    department: str
    x: str
    seed: bytes

    def __repr__(self) -> str:
        return f"IssuerSeed({self.department!r}, {self.x!r})"
