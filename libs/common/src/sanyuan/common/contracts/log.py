"""Leaves of audit's own: topic ``<domain>/log``, signed with audit's system key (design §8).

They are sequenced and chained like any other stream, and never sent to Kafka but for seal parts.
"""

from typing import Annotated

from pydantic import Field

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.contracts.message import Count, Message, Ordinal, Sha256, SourceText

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


LogMessage = Sealed | Gap | GapClosed | Equivocation | Digest
