import hashlib

import orjson

from sanyuan.client.casefile import arrange, draw_case
from sanyuan.client.follow import Logged
from sanyuan.common.envelope import decode
from sanyuan.common.leaf import Leaf

ASKER = "//cn/departments/11110000000012345X/food-permits"
IDENTITY = "//cn/services/identity"


def logged(
    index: int, source: str, topic: str, sequence: int, kind: str, **other: object
) -> Logged:
    fields = {
        "specversion": "1.0",
        "id": f"00000000-0000-7000-8000-{index:012d}",
        "source": source,
        "type": kind,
        "time": "2026-11-23T02:17:00.123456Z",
        "topic": f"cn/{topic}",
        "sequence": f"{sequence:020d}",
        "previous": "0" * 64,
        "correlationid": "case",
        "data": {},
    } | other
    value = orjson.dumps(fields)
    return Logged(index, Leaf(value, decode(value), hashlib.sha256(value).hexdigest(), b"", b""))


def command(index: int, sequence: int, **other: object) -> Logged:
    return logged(index, ASKER, "identity-commands", sequence, "identity.verify-person.v1", **other)


def decision(index: int, sequence: int, of: int, reason: str) -> Logged:
    named = {"source": ASKER, "topic": "cn/identity-commands", "sequence": f"{of:020d}"}
    kind = "identity.verification-refused.v1"
    data = {"command": named, "reason": reason}
    return logged(index, IDENTITY, "inbox-food-permits", sequence, kind, data=data)


def test_a_decision_stands_below_its_command_wherever_the_log_has_it() -> None:
    records = [
        command(5, 1),
        command(6, 2),
        decision(9, 1, 2, "locked"),
        decision(11, 2, 1, "rate"),
    ]
    found = [(e.logged.index, [c.logged.index for c in e.caused]) for e in arrange(records)]
    assert found == [(5, [11]), (6, [9])]


def test_what_a_record_caused_stands_below_it() -> None:
    first = command(5, 1)
    second = command(7, 2, causationid=first.leaf.envelope.id)
    (root,) = arrange([first, second])
    assert [each.logged.index for each in root.caused] == [7]


def test_what_a_command_of_another_case_caused_stands_on_top() -> None:
    assert [each.logged.index for each in arrange([decision(9, 1, 4, "rate")])] == [9]


def test_the_drawing_names_place_type_reason_and_way() -> None:
    tree = draw_case("title", arrange([command(5, 1), decision(9, 1, 1, "locked")]))
    (branch,) = tree.children
    (leaf,) = branch.children
    assert str(branch.label).startswith("#5 ")
    assert str(leaf.label).split() == [
        "#9",
        "identity.verification-refused",
        "locked",
        "identity",
        "→",
        "inbox-food-permits",
        "02:17:00.123Z",
    ]
