"""The topic table is the one of design §3, and permissions follow from it."""

from datetime import timedelta

import pytest

from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.sources import Role
from sanyuan.common.topics import INBOX, TOPICS, parties_of, readable, topic_named, writable

# design §3: partitions, written by, read by, kept (days; None for ever). Audit reads every stream
# (§8), its own findings too.
TABLE: dict[str, tuple[int, str, str, int | None]] = {
    "participants": (1, "agency", "everyone", None),
    "identity-commands": (12, "system identity", "identity audit", 7),
    "license-exchange-commands": (12, "system license-exchange", "license-exchange audit", 7),
    "catalog-commands": (12, "system catalog", "catalog audit", 7),
    "calls": (12, "system catalog", "catalog audit", 7),
    "identity-events": (1, "identity", "everyone", None),
    "license-exchange-events": (1, "license-exchange", "everyone", None),
    "catalog-events": (1, "catalog", "everyone", None),
    "operations-log": (12, "operator", "agency audit", 7),
    "audit-commands": (1, "system audit", "audit", 7),
    "audit-findings": (1, "audit", "supervisor agency audit", None),
    "audit-seals": (1, "audit", "everyone", 7),
    "audit-checkpoints": (1, "audit", "everyone", None),
    "dead-letters": (1, "service", "operator audit", 30),
}


def test_the_table_is_the_designs() -> None:
    found = {
        row.name: (row.partitions, set(row.written_by), set(row.read_by), row.retention)
        for row in TOPICS.values()
    }
    assert found == {
        name: (n, set(written.split()), set(read.split()), days and timedelta(days=days))
        for name, (n, written, read, days) in TABLE.items()
    }
    assert (INBOX.partitions, INBOX.retention) == (1, timedelta(days=7))
    assert set(INBOX.written_by) == {"service", "system"}
    assert set(INBOX.read_by) == {"owner", "audit"}


def test_only_seals_and_checkpoints_are_no_streams() -> None:
    assert {t.name for t in TOPICS.values() if not t.is_stream} == {
        "audit-seals",
        "audit-checkpoints",
    }


def test_audit_reads_every_stream() -> None:
    """Design §8: every topic of the table but audit-seals and audit-checkpoints."""
    streams = {topic.name for topic in TOPICS.values() if topic.is_stream}
    assert set(readable("service", "audit")) >= streams
    assert "audit" in INBOX.read_by


DEPARTMENT_WRITES = {
    "identity-commands",
    "license-exchange-commands",
    "catalog-commands",
    "calls",
    "audit-commands",
}


@pytest.mark.parametrize(
    ("role", "name", "expected"),
    [
        ("department", "food-permits", DEPARTMENT_WRITES),
        ("supervisor", "watch", DEPARTMENT_WRITES),
        ("operator", "platform", DEPARTMENT_WRITES | {"operations-log"}),
        ("agency", "agency", DEPARTMENT_WRITES | {"participants"}),
        ("service", "identity", {"identity-commands", "identity-events", "dead-letters"}),
        (
            "service",
            "audit",
            {
                "audit-commands",
                "audit-findings",
                "audit-seals",
                "audit-checkpoints",
                "dead-letters",
            },
        ),
    ],
)
def test_who_may_write_follows_from_the_table(role: Role, name: str, expected: set[str]) -> None:
    assert set(writable(role, name)) == expected


def test_a_department_reads_what_everyone_reads_and_nobodys_commands() -> None:
    assert set(readable("department", "food-permits")) == {
        "participants",
        "identity-events",
        "license-exchange-events",
        "catalog-events",
        "audit-seals",
        "audit-checkpoints",
    }


def test_a_system_that_is_called_like_a_service_is_no_service() -> None:
    assert "identity" not in parties_of("department", "identity")
    assert set(writable("department", "identity")) == DEPARTMENT_WRITES


def test_every_inbox_is_one_row() -> None:
    assert topic_named("inbox-food-permits") is INBOX
    assert topic_named("identity-commands") is TOPICS["identity-commands"]
    assert topic_named("nothing") is None


def test_every_message_travels_on_a_topic_of_the_table_or_is_a_leaf_of_audits_own() -> None:
    known = {*TOPICS, "inbox", "log"}
    assert {topic for contract in CONTRACTS.values() for topic in contract.TOPICS} <= known
