"""A catalogue with every kind of resource there is, and each edge of what a resource can say."""

from itertools import cycle
from typing import Any, Final, get_args

from tests.catalog.listings import make_resource

from sanyuan.catalog.dcat import Frame
from sanyuan.common.contracts.catalog import (
    Format,
    Item,
    Openness,
    Resource,
    Sharing,
    SharingType,
    UpdateCycle,
)

FRAME: Final = Frame("https://catalog.example.org")
SHARING: Final[dict[SharingType, Sharing]] = {
    "unconditional": Sharing(type="unconditional"),
    "conditional": Sharing(type="conditional", conditions="限“行政许可”使用"),
    "not-shared": Sharing(type="not-shared", grounds="《保密法》第九条"),
}


def every_kind() -> list[Resource]:
    """Every format, sharing type, openness and update cycle, with what is optional and without."""
    axes = zip(
        [(form, kind) for form in get_args(Format) for kind in get_args(SharingType)],
        cycle(get_args(Openness)),
        cycle(get_args(UpdateCycle)),
        strict=False,
    )
    return [
        make_resource(
            f"资源{number}",
            code=f"3070{number:02d}/{number:06d}",
            format=form,
            sharing=SHARING[kind],
            openness=openness,
            update_cycle=update_cycle,
            **(_EVERYTHING if number % 2 else {}),
        )
        for number, ((form, kind), openness, update_cycle) in enumerate(axes, 1)
    ]


_EVERYTHING: Final[dict[str, Any]] = {
    "name_en": 'Resource with "quotes" and <angles>',
    "summary": '第一行\n第二行\t"引号" \\反斜杠 \x07',
    "summary_en": "Two\nlines",
    "classification": ("类", "项", "目", "细目"),
    "related": ("307001/000001", "999999/999999"),
    "parameters": (Item(name="number", title="证件号码", type="C"),),
    "serving_system": "//cn/departments/11100000000013338W/household",
}


def at_the_edges() -> list[Resource]:
    """The longest texts, codes and lists, and the strangest characters."""
    return [
        make_resource("长" * 512, code="99999999999999/999999", summary="。" * 2000),
        make_resource(
            "多",
            code="100000/000000",
            items=tuple(Item(name=f"i{n}", title=f"第{n}项\"'\\\n", type="C") for n in range(200)),
            related=tuple(f"307001/{n:06d}" for n in range(50)),
        ),
        make_resource(
            "\U00030000镇 <script>&amp; {}`^|", code="100000/000001", classification=tuple('"<>')
        ),
    ]
