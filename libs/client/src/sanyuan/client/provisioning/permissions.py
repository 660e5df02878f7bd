"""What a directory asks of a broker: topics, permissions and byte rates. Pure.

Invariants:
- Nothing is granted that the table of design §3 does not say; there is no second list.
- A user of the broker is an access node: it has the union of what its systems may do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sanyuan.common.directory import Directory, System
from sanyuan.common.sources import Role, Source
from sanyuan.common.topics import (
    INBOX,
    INBOX_PREFIX,
    TOPICS,
    Topic,
    parties_of,
    readable,
    writable,
)

EVERYONE: Final = "everyone"
ANY_USER: Final = "User:*"
SYSTEM_BYTES_PER_SECOND: Final = 16 << 20
"""In and out, for each system of a node: one of them cannot take the broker for itself."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """That `principal` may do one thing with the topics or groups of a name or with a prefix."""

    principal: str
    resource: Literal["topic", "group"]
    name: str
    operation: Literal["read", "write"]
    prefixed: bool = False


def topics_of(directory: Directory) -> dict[str, Topic]:
    """Every topic of the domain: the table, and one inbox a system."""
    return TOPICS | dict.fromkeys(sorted(directory.by_inbox), INBOX)


def founding_topics() -> dict[str, Topic]:
    """The only topic that exists before anybody is registered."""
    return {"participants": TOPICS["participants"]}


def permissions_of(directory: Directory) -> frozenset[Permission]:
    """Every permission of the domain."""
    each = (_system(system) for system in directory.systems.values())
    return frozenset({*_public(), *(permission for some in each for permission in some)})


def founding_permissions(agency: Source) -> frozenset[Permission]:
    """What the agency may do before it is registered: all that an agency may."""
    return frozenset({*_public(), *_granted(f"User:{agency.name}", agency.role, agency.name)})


def byte_rates(directory: Directory) -> dict[str, int]:
    """Bytes a second of each node but the services', which carry everybody's records."""
    systems = [system for system in directory.by_name.values() if system.role != "service"]
    nodes = {system.node: 0 for system in systems}
    for system in systems:
        nodes[system.node] += SYSTEM_BYTES_PER_SECOND
    return nodes


def nodes_of(systems: Iterable[System]) -> dict[str, list[str]]:
    """The names of the systems behind each node, both sorted."""
    nodes = dict[str, set[str]]()
    for system in systems:
        nodes.setdefault(system.node, set()).add(system.name)
    return {node: sorted(names) for node, names in sorted(nodes.items())}


def topic_settings(topic: Topic) -> dict[str, str]:
    """Kafka's settings of a topic."""
    kept = -1 if topic.retention is None else topic.retention // timedelta(milliseconds=1)
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(kept),
        "retention.bytes": "-1",
    }


def _public() -> Iterator[Permission]:
    """What everyone may read is granted once, not to each."""
    for topic in TOPICS.values():
        if EVERYONE in topic.read_by:
            yield Permission(ANY_USER, "topic", topic.name, "read")


def _system(system: System) -> Iterator[Permission]:
    principal = f"User:{system.node}"
    yield from _granted(principal, system.role, system.name)
    if system.inbox is not None:
        yield Permission(principal, "topic", system.inbox, "read")


def _granted(principal: str, role: Role, name: str) -> Iterator[Permission]:
    parties = parties_of(role, name)
    for topic in readable(role, name):
        if EVERYONE not in TOPICS[topic].read_by:
            yield Permission(principal, "topic", topic, "read")
    for topic in writable(role, name):
        yield Permission(principal, "topic", topic, "write")
    if parties & INBOX.read_by:
        yield Permission(principal, "topic", INBOX_PREFIX, "read", prefixed=True)
    if parties & INBOX.written_by:
        yield Permission(principal, "topic", INBOX_PREFIX, "write", prefixed=True)
    # The separator keeps `dept3` out of the groups of `dept30`.
    yield Permission(principal, "group", f"{name}.", "read", prefixed=True)
