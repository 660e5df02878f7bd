"""The topics of a domain: the one table that generates topics, ACLs and documentation (design §3).

Partition counts never change. Parties: a role (``agency``, ``operator``, …), the name of a service,
``system`` (every participant's system), ``service`` (every service), ``everyone``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sanyuan.common.sources import Role

WEEK: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)
SERVICES: Final = ("identity", "license-exchange", "catalog", "audit")
INBOX_PREFIX: Final = "inbox-"


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the table; ``retention`` None means for ever, ``inbox`` one topic per system."""

    name: str
    partitions: int
    written_by: frozenset[str]
    read_by: frozenset[str]
    retention: timedelta | None
    is_stream: bool = True
    """False for what is neither sequenced, nor logged, nor in an outbox."""


def _topic(
    name: str,
    partitions: int,
    written: str,
    read: str,
    kept: timedelta | None,
    *,
    stream: bool = True,
) -> Topic:
    return Topic(
        name, partitions, frozenset(written.split()), frozenset(read.split()), kept, stream
    )


TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        _topic("participants", 1, "agency", "everyone", None),
        _topic("identity-commands", 12, "system identity", "identity audit", WEEK),
        _topic(
            "license-exchange-commands",
            12,
            "system license-exchange",
            "license-exchange audit",
            WEEK,
        ),
        _topic("catalog-commands", 12, "system catalog", "catalog audit", WEEK),
        _topic("calls", 12, "system catalog", "catalog audit", WEEK),
        _topic("identity-events", 1, "identity", "everyone", None),
        _topic("license-exchange-events", 1, "license-exchange", "everyone", None),
        _topic("catalog-events", 1, "catalog", "everyone", None),
        _topic("operations-log", 12, "operator", "agency audit", WEEK),
        _topic("audit-commands", 1, "system audit", "audit", WEEK),
        _topic("audit-findings", 1, "audit", "supervisor agency audit", None),
        _topic("audit-seals", 1, "audit", "everyone", WEEK, stream=False),
        _topic("audit-checkpoints", 1, "audit", "everyone", None, stream=False),
        _topic("dead-letters", 1, "service", "operator audit", MONTH),
    )
}
INBOX: Final = _topic("inbox-<system>", 1, "service system", "owner audit", WEEK)


def topic_named(name: str) -> Topic | None:
    """The row that a Kafka topic belongs to; every inbox belongs to one."""
    return INBOX if name.startswith(INBOX_PREFIX) else TOPICS.get(name)


def partitions_of(name: str) -> int:
    """How many partitions a topic of the table has; raises KeyError for any other."""
    return INBOX.partitions if name.startswith(INBOX_PREFIX) else TOPICS[name].partitions


def parties_of(role: Role, name: str) -> frozenset[str]:
    """Everything that a system is called in the table's columns."""
    kind = {"service", name} if role == "service" else {"system", role}
    return frozenset({"everyone", *kind})


def readable(role: Role, name: str) -> Iterator[str]:
    """Names of the topics that a system may read, its inbox aside."""
    parties = parties_of(role, name)
    return (topic.name for topic in TOPICS.values() if parties & topic.read_by)


def writable(role: Role, name: str) -> Iterator[str]:
    """Names of the topics that a system may write, inboxes aside."""
    parties = parties_of(role, name)
    return (topic.name for topic in TOPICS.values() if parties & topic.written_by)
