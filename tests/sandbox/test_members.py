from collections import Counter

from sanyuan.common.topics import SERVICES
from sanyuan.sandbox.members import AGENCY_SOURCE, members, participants, permissions
from sanyuan.sandbox.synthetic.departments import FOOD_BUSINESS, MARKET_REGULATION, NODES


def test_every_name_is_taken_once() -> None:
    names = Counter(member.source.name for member in members())
    assert max(names.values()) == 1


def test_the_agency_and_all_four_services_take_part() -> None:
    sources = [member.source for member in members()]
    assert sources[0] == AGENCY_SOURCE
    assert {source.name for source in sources if source.role == "service"} == set(SERVICES)


def test_fifty_three_departments_stand_behind_eight_access_nodes() -> None:
    departments = [m for m in members() if m.source.role == "department"]
    assert len({m.source.participant for m in departments}) == 53
    assert {m.node for m in departments if m.node} == set(NODES)


def test_a_spare_system_is_its_own_node_of_a_department_that_may_verify() -> None:
    spares = [m for m in members() if m.source.name.startswith("spare-")]
    assert [m.source.name for m in spares] == ["spare-1", "spare-2", "spare-3"]
    assert {(m.node, m.source.participant) for m in spares} == {(None, MARKET_REGULATION.code)}
    may = {code: purposes for code, service, purposes in permissions() if service == "identity"}
    assert FOOD_BUSINESS in may[MARKET_REGULATION.code]


def test_whoever_has_a_system_is_registered() -> None:
    registered = {message.participant for message in participants()}
    assert {m.source.participant for m in members() if m.source.participant} == registered


def test_a_service_says_who_operates_it() -> None:
    registered = {message.participant for message in participants()}
    operators = {m.operated_by for m in members() if m.source.role == "service"}
    assert operators <= registered
