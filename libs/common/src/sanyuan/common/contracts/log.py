"""Leaves of audit's own: topic ``<domain>/log``, signed with audit's system key (design §8).

They are sequenced and chained like any other stream, and never sent to Kafka but for seal parts.
Beside them the one command that audit itself carries out: the supervisor's order to withhold.
"""

from typing import Annotated, Literal

from pydantic import Field

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.contracts.message import (
    CommandRef,
    Count,
    Message,
    Ordinal,
    Sha256,
    ShortText,
    SourceText,
)

LOG = ("log",)
PartitionText = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
"""A partition's number as the name of a JSON member."""
Row = tuple[SourceText, str, Count, Count, Sha256]
"""source, signed topic, first, last, head: hash of the value at ``last``."""


class Sealed(Message):
    """One part of a seal: which places of which streams the log has."""

    TYPE = "log.sealed.v1"
    TOPICS = LOG
    part: Ordinal
    parts: Ordinal
    previous_seal: Count | None
    """Index of the last part of the seal before; null in the first seal."""
    positions: dict[str, dict[PartitionText, Count]] = Field(default_factory=dict)
    """Kafka topic → partition → next offset, of partitions that moved; in the first part."""
    rows: tuple[Row, ...]


class Gap(Message):
    """A place stays open: ``expected`` was never seen, ``seen`` came after it."""

    TYPE = "log.gap.v1"
    TOPICS = LOG
    source: SourceText
    topic: str
    expected: Count
    seen: Count


class GapClosed(Message):
    """The place ``expected`` of an earlier gap leaf was filled."""

    TYPE = "log.gap-closed.v1"
    TOPICS = LOG
    source: SourceText
    topic: str
    expected: Count
    gap: Count
    """Index of the gap leaf."""


class Equivocation(Message):
    """A source signed two values for one place; both hashes, and the second record's signature."""

    TYPE = "log.equivocation.v1"
    TOPICS = LOG
    source: SourceText
    topic: str
    sequence: Count
    first: Sha256
    second: Sha256
    signature: str


class Digest(Message):
    """Records that are not authentic: never copied, but counted and fixed by their digest.

    ``digest`` is the SHA-256 over each raw value's SHA-256 (empty for a null), in offset order.
    """

    TYPE = "log.digest.v1"
    TOPICS = LOG
    topic: str
    partition: Count
    reason: Reason
    first_offset: Count
    last_offset: Count
    count: Count
    digest: Sha256


class WithholdEntry(Message):
    """The supervisor's order: the bytes of this entry go, its hash stays (ADR 0032).

    ``entry`` is its leaf hash; ``record`` says which place of which stream it takes, so that the
    stream can be followed over the blank.
    """

    TYPE = "audit.withhold-entry.v1"
    TOPICS = ("audit-commands",)
    log: str
    """The origin of the log that has the entry."""
    index: Count
    entry: Sha256
    record: CommandRef
    ground: ShortText


class Withheld(Message):
    """The order at index ``order`` was carried out: entry ``index`` is blank."""

    TYPE = "log.withheld.v1"
    TOPICS = LOG
    order: Count
    index: Count
    log: str | None = None
    """The origin of the log that has the entry, when that is an earlier year's."""


WithholdingReason = Literal[
    "malformed",
    "not-the-supervisor",
    "key-revoked",
    "another-log",
    "no-such-entry",
    "entry-differs",
    "never-withheld",
    "already-withheld",
    "not-at-hand",
]


class WithholdingRefused(Message):
    """The order at index ``order`` was not carried out, and never will be."""

    TYPE = "log.withholding-refused.v1"
    TOPICS = LOG
    order: Count
    reason: WithholdingReason


class Closed(Message):
    """The log ends with the seal that follows: its domain goes on in the log ``next``."""

    TYPE = "log.closed.v1"
    TOPICS = LOG
    next: str


HeadRow = tuple[SourceText, str, Count, Sha256]
"""source, signed topic, last, head."""
GapRow = tuple[SourceText, str, Count, Count]
"""source, signed topic, expected, seen."""


class CarriedOver(Message):
    """One part of what a year's log begins with: where the log before it ended (ADR 0033).

    All parts are the first leaves; ``participants`` follows verbatim, then the log goes on.
    """

    TYPE = "log.carried-over.v1"
    TOPICS = LOG
    part: Ordinal
    parts: Ordinal
    log: str
    """The origin of the log before."""
    checkpoint: str | None = None
    """Its final checkpoint, a signed note; in the first part."""
    positions: dict[str, dict[PartitionText, Count]] = Field(default_factory=dict)
    """Kafka topic → partition → next offset, of all that was ever read; in the first part."""
    gaps: tuple[GapRow, ...] = ()
    """Places that the log before says are open; in the first part."""
    heads: tuple[HeadRow, ...]
    """Every stream of the log before, sorted."""


LogMessage = (
    Sealed
    | Gap
    | GapClosed
    | Equivocation
    | Digest
    | Withheld
    | WithholdingRefused
    | Closed
    | CarriedOver
)
