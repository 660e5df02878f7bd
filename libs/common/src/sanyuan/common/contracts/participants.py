"""Messages of ``participants``: who takes part, with which keys, for which purposes (design §2).

Written and signed by the agency alone; folded by ``sanyuan.common.directory``.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from sanyuan.common.contracts.message import (
    CreditCode,
    Message,
    Ordinal,
    Purpose,
    Sha256,
    ShortText,
    SourceText,
    SystemName,
)

ParticipantRole = Literal["department", "operator", "supervisor", "agency", "witness"]
Suite = Literal["hpke-x25519-hkdf-sha256-aes-256-gcm"]
ServiceName = Literal["identity", "license-exchange", "catalog", "audit"]
VerifierKeyText = Annotated[str, Field(min_length=10, max_length=600)]
SealingKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]

SealedHead = tuple[str, Ordinal, Sha256]
"""Signed topic, last place, hash of the value there."""
MAX_HEADS: Final = 250


class Participants(Message):
    """Anything on ``participants``."""

    TOPICS = ("participants",)


class DomainFounded(Participants):
    """The first record of a domain and leaf 0 of its first log."""

    TYPE = "domain.founded.v1"
    domain: str
    agency_key: VerifierKeyText
    log_origin: str
    log_key: VerifierKeyText


class ParticipantRegistered(Participants):
    """An organisation takes part, with exactly one role."""

    TYPE = "participant.registered.v1"
    participant: CreditCode
    role: ParticipantRole
    name: ShortText
    name_en: ShortText | None = None


class SystemRegistered(Participants):
    """A system or a service, with its public keys and the node that it connects through."""

    TYPE = "participant.system-registered.v1"
    source: SourceText
    role: Literal["department", "operator", "supervisor", "agency", "witness", "service"]
    signing_key: VerifierKeyText
    sealing_key: SealingKeyText
    suite: Suite
    inbox: str | None
    node: SystemName | None = None
    operated_by: CreditCode | None = None


class KeyAdded(Participants):
    """A further signing key of a system; keys may overlap."""

    TYPE = "participant.key-added.v1"
    source: SourceText
    signing_key: VerifierKeyText


class KeyRevoked(Participants):
    """From here on, records under this key are refused ``key-revoked``."""

    TYPE = "participant.key-revoked.v1"
    source: SourceText
    signing_key: VerifierKeyText
    reason: ShortText | None = None


class SystemSuperseded(Participants):
    """A system that lost its outbox goes on as ``successor``; the streams of ``source`` end.

    ``heads`` are what the log had sealed of them. More than fit one record are said in several.
    The successor's registration follows.
    """

    TYPE = "participant.system-superseded.v1"
    source: SourceText
    successor: SourceText
    heads: tuple[SealedHead, ...] = Field(max_length=MAX_HEADS)


class Permitted(Participants):
    """The purposes for which a participant may use a service; replaces what was said before."""

    TYPE = "participant.permitted.v1"
    participant: CreditCode
    service: ServiceName
    purposes: tuple[Purpose, ...]


class Delegated(Participants):
    """An operator may act ``onbehalfof`` a participant in one matter."""

    TYPE = "participant.delegated.v1"
    operator: CreditCode
    onbehalfof: CreditCode
    matter: ShortText


ParticipantsMessage = (
    DomainFounded
    | ParticipantRegistered
    | SystemRegistered
    | KeyAdded
    | KeyRevoked
    | SystemSuperseded
    | Permitted
    | Delegated
)
