"""What goes into a decision and what comes out of it, for every service (design §3, §4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from sanyuan.common.contracts.message import Message
from sanyuan.common.directory import Directory, System

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
M_co = TypeVar("M_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Command(Generic[M_co]):
    """An authentic, well-formed command, as the pure part sees it.

    ``at`` is the time of the decision (time is data), ``opened`` the attachments that were sealed
    to the service (None: it cannot be opened), ``sealed`` their ciphertexts (None: missing, or not
    the one that ``data`` names), ``entropy`` 32 random bytes (randomness is data).
    """

    id: str
    at: datetime
    sender: System
    case: str
    actor: str | None
    data: M_co
    opened: Mapping[str, bytes | None]
    entropy: bytes = field(repr=False)
    sealed: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)


class Fact(NamedTuple):
    """A public fact of another service, read from its events topic; ``at`` is its append time."""

    message: Message
    at: datetime
    case: str | None


@dataclass(frozen=True, slots=True)
class Sealing:
    """A plaintext to be sealed to one system."""

    plaintext: bytes = field(repr=False)
    recipient: System


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A ciphertext passed on as it came, with the record that it was sealed in (design §3).

    ``source`` with its ``//``, ``topic`` as signed, ``name`` of the attachment there.
    """

    ciphertext: bytes = field(repr=False)
    source: str
    topic: str
    name: str


Attached = Mapping[str, Sealing | Forwarded]


class Answer(NamedTuple):
    """The one decision of a command, before it is numbered, sealed and signed.

    ``fields`` is the decision's data without ``command``, ``decision``, ``asof`` and attachments,
    which the runtime adds. It goes to ``inbox``, or to the sender's own when that is None.
    """

    type: type[Message]
    fields: Mapping[str, object] = NOTHING
    attachments: Attached = NOTHING
    inbox: str | None = None


class Notice(NamedTuple):
    """A record in somebody's inbox that decides nothing: told because of a command."""

    inbox: str
    type: type[Message]
    fields: Mapping[str, object] = NOTHING
    attachments: Attached = NOTHING


class Outcome(NamedTuple):
    """An answer, the public facts that are on their topic before it is sent, and notices.

    Only a tick, which is no command, has no answer.
    """

    answer: Answer | None
    facts: Sequence[Message] = ()
    notices: Sequence[Notice] = ()


class Handler(Protocol):
    """A service's own part of a batch."""

    def __call__(
        self, connection: Connection, directory: Directory, commands: Sequence[Command[Message]]
    ) -> Sequence[Outcome]:
        """Load, decide, write the changes; one outcome per command, in order.

        Runs inside the batch's transaction, in the database's own thread; nothing that it wrote
        is durable before the runtime commits. May raise only infrastructure errors.
        """
        ...


class Observer(Protocol):
    """What a service does with the facts of others that it depends on."""

    def __call__(self, connection: Connection, facts: Sequence[Fact]) -> None:
        """Write what they change, in the transaction of the batch and before it is decided."""
        ...


class Clock(Protocol):
    """When a service has a deadline next."""

    def __call__(self, connection: Connection) -> datetime | None:
        """The earliest deadline that stands, None without any; asked every second, so cheap."""
        ...
