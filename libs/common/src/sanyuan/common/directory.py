"""The directory: `participants` folded, the one place that says who may sign what (design §2).

Pure. Invariants: the first record is ``domain.founded.v1`` under the pinned agency key; only the
records of the agency have an effect; a record that says something impossible keeps its place in the
stream and changes nothing, for every reader alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol, Self, assert_never

from sanyuan.common.contracts.participants import (
    Delegated,
    DomainFounded,
    KeyAdded,
    KeyRevoked,
    ParticipantRegistered,
    ParticipantsMessage,
    Permitted,
    SystemRegistered,
    SystemSuperseded,
)
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.sealing import PublicSealingKey, SealingError
from sanyuan.common.sources import Role, Source, inbox_of, key_name, next_life, parse_source


class DirectoryError(SanyuanError):
    """A record of ``participants`` says something impossible and has no effect."""


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation by its credit code."""

    code: str
    role: Role
    name: str
    name_en: str | None


@dataclass(frozen=True)
class System:
    """A registered system or service with its keys; ``participant`` is None for a service."""

    source: str
    name: str
    role: Role
    participant: str | None
    inbox: str | None
    node: str
    operated_by: str | None
    sealing_key: str
    suite: str
    keys: Mapping[bytes, VerifierKey]
    """By C2SP key id: every key that ever signed for it."""
    revoked: frozenset[bytes] = frozenset()
    superseded_by: str | None = None
    """The source as which it went on after it had lost its outbox."""

    @cached_property
    def sealing(self) -> PublicSealingKey:
        """The key to which attachments for this system are sealed."""
        return PublicSealingKey.from_base64(self.sealing_key)


@dataclass(frozen=True, slots=True)
class Founding:
    """What the first record says."""

    domain: str
    agency: str
    log_origin: str
    log_key: VerifierKey


@dataclass(frozen=True)
class Directory:
    """Everything that ``participants`` says up to ``sequence``."""

    pinned: VerifierKey
    sequence: int = 0
    founding: Founding | None = None
    participants: Mapping[str, Participant] = field(default_factory=dict)
    systems: Mapping[str, System] = field(default_factory=dict)
    permissions: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(participant, service) → purposes."""
    delegations: frozenset[tuple[str, str, str]] = frozenset()

    @cached_property
    def by_name(self) -> Mapping[str, System]:
        """Systems by name; of a recovered one, its latest life."""
        return MappingProxyType({system.name: system for system in self.systems.values()})

    @cached_property
    def by_inbox(self) -> Mapping[str, System]:
        """Systems by the Kafka topic of their inbox."""
        return MappingProxyType({s.inbox: s for s in self.systems.values() if s.inbox})

    def keys_of(self, source: str) -> Mapping[bytes, VerifierKey]:
        """The keys under which a source's records are authentic, revoked ones included."""
        system = self.systems.get(source)
        if system is not None:
            return system.keys
        return {self.pinned.key_id: self.pinned} if key_name(source) == self.pinned.name else {}

    def is_revoked(self, source: str, key_id: bytes) -> bool:
        """Whether a record under this key is refused."""
        system = self.systems.get(source)
        return system is not None and key_id in system.revoked

    def latest(self, source: str) -> System | None:
        """What the system of a source is today; None when there never was one."""
        system = self.systems.get(source)
        while system and (following := self.systems.get(system.superseded_by or "")):
            system = following
        return system

    def service(self, name: str) -> System:
        """The registered service; raises DirectoryError while it is not registered."""
        system = self.by_name.get(name)
        if system is None or system.role != "service":
            raise DirectoryError(
                f"the service {name} is not registered", do="the agency admits services first"
            )
        return system

    def purposes(self, participant: str | None, service: str) -> frozenset[str]:
        """For what a participant may use a service."""
        return self.permissions.get((participant or "", service), frozenset())

    def passed(self, sequence: int) -> Self:
        """The same directory, one record further."""
        return replace(self, sequence=sequence)


class Statement(Protocol):
    """What the directory looks at of a record: an Envelope, or what is remembered of one."""

    @property
    def source(self) -> str:
        """Whose record it is."""

    @property
    def type(self) -> str:
        """What is said."""

    @property
    def number(self) -> int:
        """Its place in the stream."""

    @property
    def data(self) -> dict[str, Any]:
        """What is said of it."""


def evolve(directory: Directory, envelope: Statement, message: ParticipantsMessage) -> Directory:
    """Apply one authentic record; raises DirectoryError when it is impossible (no effect)."""
    if key_name(envelope.source) != directory.pinned.name:
        raise DirectoryError("only the agency writes participants", where=envelope.source)
    if directory.founding is None and not isinstance(message, DomainFounded):
        raise DirectoryError("the domain is not founded", where=envelope.type)
    changed = _apply(directory, envelope, message)
    return replace(changed, sequence=envelope.number)


def _apply(  # noqa: PLR0911  one row per message
    directory: Directory, envelope: Statement, message: ParticipantsMessage
) -> Directory:
    match message:
        case DomainFounded():
            return _found(directory, envelope, message)
        case ParticipantRegistered():
            return _register_participant(directory, message)
        case SystemRegistered():
            return _register_system(directory, message)
        case KeyAdded():
            return _add_key(directory, message)
        case KeyRevoked():
            return _revoke_key(directory, message)
        case SystemSuperseded():
            return _supersede(directory, message)
        case Permitted():
            key = (message.participant, message.service)
            purposes = frozenset(message.purposes)
            return replace(directory, permissions={**directory.permissions, key: purposes})
        case Delegated():
            entry = (message.operator, message.onbehalfof, message.matter)
            return replace(directory, delegations=directory.delegations | {entry})
        case _:
            assert_never(message)


def _found(directory: Directory, envelope: Statement, message: DomainFounded) -> Directory:
    if directory.founding is not None or envelope.number != 1:
        raise DirectoryError("a domain is founded once, by its first record")
    if message.agency_key != str(directory.pinned):
        raise DirectoryError(
            "the domain was founded under another agency key than the pinned one",
            where=message.agency_key[:100],
            do="compare the fingerprint with the agency's by another way",
        )
    if parse_source(envelope.source).domain != message.domain:
        raise DirectoryError("the agency is of another domain", where=message.domain[:100])
    log_key = _key(message.log_key)
    founding = Founding(message.domain, envelope.source, message.log_origin, log_key)
    return replace(directory, founding=founding)


def _register_participant(directory: Directory, message: ParticipantRegistered) -> Directory:
    known = directory.participants.get(message.participant)
    if known is not None and known.role != message.role:
        raise DirectoryError("a participant has exactly one role", where=message.participant)
    entry = Participant(message.participant, message.role, message.name, message.name_en)
    return replace(directory, participants={**directory.participants, entry.code: entry})


def _register_system(directory: Directory, message: SystemRegistered) -> Directory:
    source = parse_source(message.source)
    if directory.founding is None or source.domain != directory.founding.domain:
        raise DirectoryError("the source is of another domain", where=message.source)
    if source.role != message.role:
        raise DirectoryError("the source does not fit the role", where=message.source)
    if message.source in directory.systems:
        raise DirectoryError("the system is registered already", where=message.source)
    _check_name(directory, source, message.node or source.name)
    if message.inbox != (None if source.role == "service" else inbox_of(source.name)):
        raise DirectoryError("the inbox does not fit the name", where=source.name)
    if source.participant is not None:
        participant = directory.participants.get(source.participant)
        if participant is None or participant.role != source.role:
            raise DirectoryError(
                "the participant is not registered in this role", where=source.participant
            )
    key = _key(message.signing_key, message.source)
    try:
        PublicSealingKey.from_base64(message.sealing_key)
    except SealingError as error:
        raise DirectoryError(error.what, where=message.source) from None
    system = System(
        source=message.source,
        name=source.name,
        role=source.role,
        participant=source.participant,
        inbox=message.inbox,
        node=message.node or source.name,
        operated_by=message.operated_by,
        sealing_key=message.sealing_key,
        suite=message.suite,
        keys={key.key_id: key},
    )
    return replace(directory, systems={**directory.systems, system.source: system})


def _check_name(directory: Directory, source: Source, node: str) -> None:
    """A name is one system's: the next life of one that was superseded, and its node, or new."""
    known = directory.by_name.get(source.name)
    if source.life > 1 and (known is None or known.superseded_by != str(source)):
        raise DirectoryError("no system was superseded by it", where=str(source))
    if source.life == 1 and known is not None:
        raise DirectoryError("the name is taken in this domain", where=source.name)
    if known is not None and known.node != node:
        raise DirectoryError("its node is another than before", where=node)


def _supersede(directory: Directory, message: SystemSuperseded) -> Directory:
    """Nothing that the old source signs counts from here on."""
    system = _system(directory, message.source)
    if key_name(system.source) == directory.pinned.name:
        raise DirectoryError("the agency's own source is the pinned one", where=message.source)
    if message.successor != str(next_life(parse_source(system.source))):
        raise DirectoryError("the successor is not its next life", where=message.successor)
    changed = replace(system, superseded_by=message.successor, revoked=frozenset(system.keys))
    return replace(directory, systems={**directory.systems, system.source: changed})


def _add_key(directory: Directory, message: KeyAdded) -> Directory:
    system = _system(directory, message.source)
    if system.superseded_by is not None:
        raise DirectoryError("the system was superseded", where=message.source)
    key = _key(message.signing_key, message.source)
    if system.keys.get(key.key_id, key) != key:
        raise DirectoryError("another key has this key's id", where=message.source)
    changed = replace(system, keys={**system.keys, key.key_id: key})
    return replace(directory, systems={**directory.systems, system.source: changed})


def _revoke_key(directory: Directory, message: KeyRevoked) -> Directory:
    system = _system(directory, message.source)
    key = _key(message.signing_key, message.source)
    if system.keys.get(key.key_id) != key:
        raise DirectoryError("the key is not one of the system's", where=message.source)
    changed = replace(system, revoked=system.revoked | {key.key_id})
    return replace(directory, systems={**directory.systems, system.source: changed})


def _system(directory: Directory, source: str) -> System:
    system = directory.systems.get(source)
    if system is None:
        raise DirectoryError("the system is not registered", where=source)
    return system


def _key(text: str, source: str | None = None) -> VerifierKey:
    try:
        key = VerifierKey.parse(text)
    except NoteError as error:
        raise DirectoryError(error.what, where=source) from None
    if source is not None and key.name != key_name(source):
        raise DirectoryError("the key's name is not the source's", where=source)
    return key
