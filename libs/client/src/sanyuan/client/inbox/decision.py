"""A record from one's inbox, read: parsed, opened, and whether anything may be built on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sanyuan.client.inbox.kept import Kept, Place
from sanyuan.client.inbox.trust import distrust
from sanyuan.common.contracts.message import (
    Attachment,
    CommandRef,
    Decided,
    ForwardedAttachment,
    Message,
)
from sanyuan.common.contracts.registry import ContractError, UnknownTypeError, parse_data
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import Envelope
from sanyuan.common.sealing import SealingError, digest
from sanyuan.common.systems import SystemFile

INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class Decision:
    """A record from one's inbox.

    ``message`` is None when its type is unknown here. ``unexpected`` says why nothing should be
    built on it: a service's type from someone else, or an answer that nobody asked for.
    ``opened`` holds the plaintexts of the attachments (None: it does not open, or has expired).
    """

    topic: str
    offset: int
    envelope: Envelope
    message: Message | None
    opened: Mapping[str, bytes | None] = field(repr=False)
    traceparent: str | None = None
    unexpected: str | None = None

    @property
    def command(self) -> CommandRef | None:
        """The command that it decides."""
        return self.message.command if isinstance(self.message, Decided) else None

    @property
    def type(self) -> str:
        """The record's type."""
        return self.envelope.type

    @property
    def case(self) -> str:
        """The case that it belongs to."""
        return self.envelope.correlationid or ""

    @property
    def reason(self) -> str | None:
        """The machine-readable reason of a refusal."""
        return getattr(self.message, "reason", None)

    @property
    def expired(self) -> tuple[str, ...]:
        """Attachments that the topic had lost before the record was read (design §3)."""
        if self.offset >= 0 or self.message is None:
            return ()
        named = self.message.SEALED
        return tuple(name for name in named if getattr(self.message, name) is not None)

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.topic, self.offset


def read_decision(row: Kept, system: SystemFile, directory: Directory) -> Decision:
    """Parse and open a row for its system; never raises over what others wrote.

    Whether an answer to a call is expected is not known here: `sanyuan.client.calls` says.
    """
    envelope = row.envelope
    message, unreadable = _parse(envelope)
    return Decision(
        topic=row.topic,
        offset=row.offset,
        envelope=envelope,
        message=message,
        opened=_open_all(row, message, system),
        traceparent=row.traceparent,
        unexpected=distrust(envelope, message, system, directory) or unreadable,
    )


def _parse(envelope: Envelope) -> tuple[Message | None, str | None]:
    try:
        return parse_data(envelope.type, INBOX, envelope.data), None
    except UnknownTypeError:
        return None, "an unknown type"
    except ContractError as error:
        return None, f"not what its type promises: {error}"


def _open_all(row: Kept, message: Message | None, system: SystemFile) -> Mapping[str, bytes | None]:
    if message is None:
        return {}
    return {name: _open(row, name, getattr(message, name), system) for name in message.SEALED}


def _open(row: Kept, name: str, named: Attachment | None, system: SystemFile) -> bytes | None:
    """A forwarded attachment opens with the ``info`` of where it comes from (design §3)."""
    sealed = row.sealed.get(name)
    if sealed is None or named is None or digest(sealed) != named.sealed:
        return None
    source, topic, attachment = row.envelope.source, row.envelope.topic, name
    if isinstance(named, ForwardedAttachment):
        origin = named.origin
        source, topic, attachment = origin.source, origin.topic, origin.attachment
    try:
        return system.sealing.open(sealed, source=source, topic=topic, name=attachment)
    except SealingError:
        return None
