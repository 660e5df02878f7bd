"""What every message's data has in common."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from sanyuan.common.envelope import HEX_SHA256
from sanyuan.common.sources import CREDIT_CODE, NAME, SOURCE

SourceText = Annotated[str, Field(pattern=f"^{SOURCE}$")]
CreditCode = Annotated[str, Field(pattern=f"^{CREDIT_CODE}$")]
SystemName = Annotated[str, Field(pattern=f"^{NAME}$")]
Sha256 = Annotated[str, Field(pattern=HEX_SHA256)]
Sequence = Annotated[str, Field(pattern=r"^[0-9]{20}$")]
Purpose = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-z][a-z0-9-]*$")]
ShortText = Annotated[str, Field(min_length=1, max_length=512)]
# What every JSON reader has without loss (RFC 8259 §6), and every database as 64 bits.
_LARGEST = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=_LARGEST, strict=True)]
Ordinal = Annotated[int, Field(ge=1, le=_LARGEST, strict=True)]


class Part(BaseModel):
    """A frozen piece of a message; unknown fields are accepted (design §3)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Part):
    """The ``data`` of a record.

    ``TYPE`` is the record's type, ``TOPICS`` where it is sent (``inbox`` for whatever inbox it
    concerns), ``SEALED`` the names of its attachments.
    """

    TYPE: ClassVar[str]
    TOPICS: ClassVar[tuple[str, ...]]
    SEALED: ClassVar[tuple[str, ...]] = ()


class Attachment(Part):
    """A sealed attachment, named by the digest of its ciphertext."""

    sealed: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Origin(Part):
    """The record in which a forwarded attachment was sealed: what its ``info`` is built from."""

    source: SourceText
    topic: str
    attachment: str


class ForwardedAttachment(Attachment):
    """An attachment passed on unchanged, with where it comes from (design §3)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    origin: Annotated[Origin, Field(alias="from")]


class CommandRef(Part):
    """Names one command: its stream, its place and the hash of its value."""

    source: SourceText
    topic: str
    sequence: Sequence
    hash: Sha256


class Decided(Message):
    """A decision: the one record that answers ``command``.

    ``decision`` counts all decisions of a service from 1; ``asof`` names the last record of each
    topic that the service had applied, so that anyone can decide the same again.
    """

    TOPICS = ("inbox",)
    command: CommandRef
    decision: Ordinal
    asof: dict[str, Count]


class Tick(Message):
    """A deadline has passed: sent by a service to its own commands topic, and never answered."""


class Refused(Decided):
    """A decision that declines, with a machine-readable reason."""

    reason: str
    detail: ShortText | None = None


class CommandRefused(Refused):
    """``<service>.command-refused.v1``: the command could not even be looked at."""

    reason: Literal["unknown-type", "malformed", "key-revoked"]


Json = dict[str, Any]
