"""From an authentic record to a command, or to the refusal of one that cannot be understood."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sanyuan.common.contracts.message import (
    Attachment,
    CommandRefused,
    Message,
    Tick,
)
from sanyuan.common.contracts.registry import MalformedDataError, UnknownTypeError, parse_data
from sanyuan.common.deciding import Answer, Command
from sanyuan.common.directory import Directory, System
from sanyuan.common.record import Record
from sanyuan.common.sealing import SealingError, digest
from sanyuan.common.systems import SystemFile


def parse_command(
    record: Record,
    sender: System,
    at: datetime,
    directory: Directory,
    own: SystemFile,
    refused: type[CommandRefused],
    entropy: bytes,
) -> Command[Message] | Answer:
    """The command of an authentic record; an Answer when it is refused unread."""
    if directory.is_revoked(record.source, record.key_id):
        return _refuse(refused, "key-revoked", "the key of the signature was revoked")
    envelope = record.envelope
    try:
        data = parse_data(envelope.type, record.raw.topic, envelope.data)
    except UnknownTypeError:
        return _refuse(refused, "unknown-type", "no such command here; see the contracts")
    except MalformedDataError as error:
        return _refuse(refused, "malformed", str(error)[:512])
    if isinstance(data, Tick) and record.source != own.source:
        # Only a service tells its own deadlines; from anybody else it is a command like any other.
        return _refuse(refused, "unknown-type", "ticks are the service's own")
    return Command(
        id=envelope.id,
        at=at,
        sender=sender,
        case=envelope.correlationid or "",
        actor=envelope.actor,
        data=data,
        opened=Attachments(record, data, own),
        entropy=entropy,
        sealed=Ciphertexts(record, data),
    )


def _refuse(refused: type[CommandRefused], reason: str, detail: str) -> Answer:
    return Answer(refused, {"reason": reason, "detail": detail})


class Ciphertexts(Mapping[str, bytes | None]):
    """The attachments of a command as they came; None when one is not what ``data`` names."""

    def __init__(self, record: Record, data: Message) -> None:
        self._record = record
        self._data = data

    def __getitem__(self, name: str) -> bytes | None:
        if name not in self._data.SEALED:
            raise KeyError(name)
        return _ciphertext(self._record, name, getattr(self._data, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._data.SEALED)

    def __len__(self) -> int:
        return len(self._data.SEALED)


class Attachments(Mapping[str, bytes | None]):
    """The attachments of a command, each opened when it is asked for, once.

    So that nothing is opened for a purpose that is not permitted.
    """

    def __init__(self, record: Record, data: Message, own: SystemFile) -> None:
        self._record = record
        self._data = data
        self._own = own
        self._opened: dict[str, bytes | None] = {}

    def __getitem__(self, name: str) -> bytes | None:
        if name not in self._data.SEALED:
            raise KeyError(name)
        if name not in self._opened:
            self._opened[name] = _open(self._record, name, getattr(self._data, name), self._own)
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data.SEALED)

    def __len__(self) -> int:
        return len(self._data.SEALED)


def _ciphertext(record: Record, name: str, named: Attachment | None) -> bytes | None:
    """Also an attachment that is optional and absent is None."""
    sealed = record.sealed.get(name)
    if sealed is None or named is None or digest(sealed) != named.sealed:
        return None
    return sealed


def _open(record: Record, name: str, named: Attachment | None, own: SystemFile) -> bytes | None:
    sealed = _ciphertext(record, name, named)
    if sealed is None:
        return None
    try:
        return own.sealing.open(
            sealed, source=record.source, topic=record.envelope.topic, name=name
        )
    except SealingError:
        return None
