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
    to the service (None: it cannot be opened), ``entropy`` 32 random bytes (randomness is data).
    """

    id: str
    at: datetime
    sender: System
    case: str
    actor: str | None
    data: M_co
    opened: Mapping[str, bytes | None]
    entropy: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealing:
    """A plaintext to be sealed to one system."""

    plaintext: bytes = field(repr=False)
    recipient: System


class Answer(NamedTuple):
    """The one decision of a command, before it is numbered, sealed and signed.

    ``fields`` is the decision's data without ``command``, ``decision``, ``asof`` and attachments,
    which the runtime adds. It goes to ``inbox``, or to the sender's own when that is None.
    """

    type: type[Message]
    fields: Mapping[str, object] = NOTHING
    attachments: Mapping[str, "Sealing"] = NOTHING
    inbox: str | None = None


class Outcome(NamedTuple):
    """An answer and the public facts that are acknowledged by the broker before it is sent."""

    answer: Answer
    facts: Sequence[Message] = ()


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
