from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.client.provisioning import permissions
from sanyuan.client.provisioning.permissions import Permission
from sanyuan.common.directory import Directory, System
from sanyuan.common.notes import SigningKey
from sanyuan.common.sources import Role, parse_source
from sanyuan.common.topics import TOPICS

CODE = "11110000000012345X"
KINDS: dict[Role, str] = {
    "department": "departments",
    "operator": "operators",
    "supervisor": "supervisors",
    "agency": "agency",
}


def system(name: str, role: Role = "department", node: str | None = None) -> System:
    source = f"//cn/services/{name}" if role == "service" else f"//cn/{KINDS[role]}/{CODE}/{name}"
    return System(
        source=source,
        name=name,
        role=role,
        participant=None if role == "service" else CODE,
        inbox=None if role == "service" else f"inbox-{name}",
        node=node or name,
        operated_by=None,
        sealing_key="",
        suite="",
        keys={},
    )


def directory(*systems: System) -> Directory:
    pinned = SigningKey.generate(f"cn/agency/{CODE}/agency").verifier
    return Directory(pinned, systems={one.source: one for one in systems})


def granted(*systems: System) -> frozenset[Permission]:
    return permissions.permissions_of(directory(*systems))


def may(
    user: str, operation: str, topic: str, given: frozenset[Permission], resource: str = "topic"
) -> bool:
    """As the broker would judge."""
    return any(
        permission.principal in {f"User:{user}", "User:*"}
        and permission.resource == resource
        and permission.operation == operation
        and (topic.startswith(permission.name) if permission.prefixed else topic == permission.name)
        for permission in given
    )


def test_a_department_sends_commands_and_reads_its_own_inbox_only() -> None:
    given = granted(system("permits"), system("other"))

    assert may("permits", "write", "identity-commands", given)
    assert may("permits", "read", "inbox-permits", given)
    assert not may("permits", "read", "inbox-other", given)
    assert not may("permits", "read", "identity-commands", given)
    assert not may("permits", "write", "identity-events", given)


def test_only_the_agency_writes_participants() -> None:
    given = granted(
        system("permits"),
        system("ops", "operator"),
        system("identity", "service"),
        system("office", "agency"),
    )

    writers = {p.principal for p in given if p.operation == "write" and p.name == "participants"}
    assert writers == {"User:office"}


def test_audit_reads_every_topic_of_the_table_and_every_inbox() -> None:
    given = granted(system("audit", "service"))

    assert all(may("audit", "read", topic, given) for topic in TOPICS if topic != "audit-findings")
    assert may("audit", "read", "inbox-of-someone-who-comes-later", given)


def test_a_node_has_the_union_of_its_systems() -> None:
    given = granted(system("one", node="node-1"), system("two", node="node-1"))

    assert may("node-1", "read", "inbox-one", given)
    assert may("node-1", "read", "inbox-two", given)
    assert not may("one", "read", "inbox-one", given)


def test_group_prefixes_end_with_a_separator() -> None:
    given = granted(system("dept3"), system("dept30"))

    assert may("dept3", "read", "dept3.anything", given, "group")
    assert not may("dept3", "read", "dept30.anything", given, "group")


def test_at_the_founding_the_agency_can_do_all_that_it_can_do_later_but_read_an_inbox() -> None:
    office = system("office", "agency")
    first = permissions.founding_permissions(parse_source(office.source))

    assert granted(office) - first == {Permission("User:office", "topic", "inbox-office", "read")}
    assert first <= granted(office)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), st.data())
def test_nodes_never_have_more_than_their_systems_alone_have_together(
    names: list[str], data: st.DataObject
) -> None:
    nodes = {name: data.draw(st.sampled_from(["n1", "n2"])) for name in names}
    together = granted(*(system(name, node=nodes[name]) for name in names))
    alone = granted(*(system(name) for name in names))
    users = {f"User:{name}": f"User:{node}" for name, node in nodes.items()}
    renamed = {replace(p, principal=users.get(p.principal, p.principal)) for p in alone}

    assert together == renamed


def test_services_have_no_byte_rate_and_a_node_has_one_share_for_each_system() -> None:
    rates = permissions.byte_rates(
        directory(system("one", node="n"), system("two", node="n"), system("identity", "service"))
    )

    assert rates == {"n": 2 * permissions.SYSTEM_BYTES_PER_SECOND}
