"""Messages of ``dead-letters``: what could not be taken, never its content (design §3)."""

from typing import Literal

from sanyuan.common.contracts.message import Count, Message, Sha256

Reason = Literal[
    "unreadable",
    "unknown-key",
    "bad-signature",
    "wrong-key",
    "wrong-topic",
    "wrong-partition",
    "too-large",
    "forked",
    "chain",
]


class DeadLetter(Message):
    """``count`` records of one partition and reason, ``first_offset`` … ``last_offset``.

    ``digest`` is the SHA-256 over each raw value's SHA-256 (empty for a null), in offset order.
    """

    TYPE = "service.records-rejected.v1"
    TOPICS = ("dead-letters",)
    service: str
    topic: str
    partition: Count
    reason: Reason
    first_offset: Count
    last_offset: Count
    count: Count
    digest: Sha256
    detail: str | None = None


DeadLettersMessage = DeadLetter
