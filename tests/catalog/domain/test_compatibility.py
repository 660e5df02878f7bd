from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.asking import CONDITIONS, NO_CONDITIONS, NOT_SHARED, SINCE, STATUS, resource

from sanyuan.catalog.domain.compatibility import broken, narrowed
from sanyuan.common.contracts.catalog import Item, Resource, Sharing

CODE = Item(name="code", title="代码", type="C", length=18)
NOTE = Item(name="note", title="备注", type="C", required=False)


def item(base: Item, **fields: object) -> Item:
    return base.model_copy(update=fields)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"items": (STATUS,)}, "item since would be gone"),
        ({"items": (item(STATUS, name="state"), SINCE)}, "item status would be gone"),
        ({"items": (item(STATUS, type="N"), SINCE)}, "item status would be of type N"),
        ({"items": (item(STATUS, length=19), SINCE)}, "item status would be shorter"),
        ({"items": (STATUS, item(SINCE, length=9))}, "item since would be shorter"),
        ({"items": (STATUS, item(SINCE, required=False))}, "item since would not always be there"),
        ({"parameters": ()}, "parameter code would be gone"),
        ({"parameters": (item(CODE, type="N"),)}, "parameter code would be of type N"),
        ({"parameters": (item(CODE, length=17),)}, "parameter code would be shorter"),
        ({"parameters": (CODE, item(NOTE, required=True))}, "parameter note would have to be said"),
    ],
)
def test_a_revision_breaks_nobody_who_reads_or_calls(change: dict[str, Any], fault: str) -> None:
    assert (broken(resource(), resource(**change)) or "").startswith(fault)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "另一个名称", "summary": "更详细", "answer_within": 3},
        {"items": (SINCE, STATUS)},
        {"items": (STATUS, SINCE, NOTE)},
        {"items": (item(STATUS, length=30), SINCE)},
        {"items": (item(STATUS, length=None), SINCE)},
        {"items": (item(STATUS, title="状态", element=None), SINCE)},
        {"parameters": (CODE, NOTE)},
        {"parameters": (item(CODE, required=False),)},
        {"sharing": NOT_SHARED},
    ],
)
def test_a_revision_may_say_more_or_say_it_better(change: dict[str, Any]) -> None:
    assert broken(resource(), resource(**change)) is None


def test_a_parameter_that_may_be_left_out_may_always_be_left_out() -> None:
    old = resource(parameters=(CODE, NOTE))
    new = resource(parameters=(CODE, item(NOTE, required=True)))
    assert broken(old, new) == "parameter note would have to be said"


@pytest.mark.parametrize(
    ("old", "new", "is_narrower"),
    [
        (NO_CONDITIONS, CONDITIONS, True),
        (NO_CONDITIONS, NOT_SHARED, True),
        (CONDITIONS, NOT_SHARED, True),
        (CONDITIONS, NO_CONDITIONS, False),
        (CONDITIONS, CONDITIONS.model_copy(update={"conditions": "others"}), False),
    ],
)
def test_sharing_is_ordered(old: Sharing, new: Sharing, *, is_narrower: bool) -> None:
    found = narrowed(resource(sharing=old), resource(sharing=new))
    assert (found is not None) == is_narrower


@pytest.mark.parametrize(
    ("change", "is_narrower"),
    [
        ({"serving_system": None}, True),
        ({"needs_assertion": True}, True),
        ({"license_type": "food"}, True),
        ({"serving_system": "//cn/departments/91110000600037341L/other"}, False),
        ({"openness": "open", "answer_within": 60}, False),
    ],
)
def test_what_a_grant_stands_on_is_not_taken_away(
    change: dict[str, Any], *, is_narrower: bool
) -> None:
    assert (narrowed(resource(), resource(**change)) is not None) == is_narrower


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    length = st.none() | st.integers(1, 3)
    return resource(
        items=tuple(
            Item(
                name=name,
                title="t",
                type=draw(st.sampled_from(["C", "N"])),
                length=draw(length),
                required=draw(st.booleans()),
            )
            for name in names
        ),
        parameters=(),
    )


@given(resources(), resources(), resources())
def test_what_is_compatible_step_by_step_is_compatible_altogether(
    first: Resource, second: Resource, third: Resource
) -> None:
    assert broken(first, first) is None
    if broken(first, second) is None and broken(second, third) is None:
        assert broken(first, third) is None
