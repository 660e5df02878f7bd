"""What the catalogue is made of, read from the TOML files beside this module into frozen types."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, Literal, cast, get_args

from sanyuan.common.contracts.catalog import DataType, Format, UpdateCycle

Grounds = Literal["files", "traces", "informants", "process", "security", "unchecked", "microdata"]
"""Why something is not shared at all."""
Conditions = Literal["personal", "business", "internal"]
"""On what conditions something is shared."""
Share = Literal["free"] | Conditions | Grounds
Key = Literal["citizen_number", "credit_code"]
"""What a shared call is keyed by."""
GROUNDS: Final = frozenset(get_args(Grounds))
_OTHERS: Final = frozenset({"class", "assertion", "guarded"})


@dataclass(frozen=True, slots=True)
class ItemWord:
    """A data item as every resource has it that has it."""

    title: str
    type: DataType
    length: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the resources that can be kept about a thing; ``{o}`` stands for the thing."""

    zh: str
    en: str
    say: str
    items: tuple[str, ...]
    cycle: UpdateCycle
    format: Format
    share: Share
    call: Key | None = None
    assertion: bool = False


@dataclass(frozen=True, slots=True)
class Nature:
    """What kind of thing a thing is; the first of its kinds is the principal one."""

    uses: str
    kinds: tuple[Kind, ...]
    redundant: tuple[str, ...] = ()
    said_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a department deals with."""

    zh: str
    en: str
    nature: Nature


@dataclass(frozen=True, slots=True)
class Area:
    """A field of a department's work.

    ``classification`` is (类, 项), None for the department's own; ``guarded`` areas share nothing
    freely, in areas with ``assertion`` every call about a person shows an assertion.
    """

    zh: str
    en: str
    things: tuple[Thing, ...]
    classification: tuple[str, str] | None = None
    assertion: bool = False
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Everything; ``works`` is a department's areas by its slug."""

    items: Mapping[str, ItemWord]
    works: Mapping[str, tuple[Area, ...]] = field(repr=False)


def load_words() -> Words:
    """Read the files; they are ours, so what is wrong with them is an error of ours."""
    folder = files(__package__)
    items = _toml(folder.joinpath("items.toml").read_text("utf-8"))
    kinds = _toml(folder.joinpath("kinds.toml").read_text("utf-8"))
    natures = {name: _nature(table) for name, table in kinds.items()}
    works = {
        path.name.removesuffix(".toml"): tuple(_areas(_toml(path.read_text("utf-8")), natures))
        for path in folder.joinpath("works").iterdir()
        if path.name.endswith(".toml")
    }
    return Words({name: _item(text) for name, text in items.items()}, works)


def _toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _item(text: str) -> ItemWord:
    title, kind, *length = text.split()
    return ItemWord(title, cast("DataType", kind), int(length[0]) if length else None)


def _nature(table: Mapping[str, Any]) -> Nature:
    kinds = tuple(Kind(**(row | {"items": tuple(row["items"].split())})) for row in table["kinds"])
    said_by = tuple(table.get("said_by", "").split())
    return Nature(table["uses"], kinds, tuple(table.get("redundant", ())), said_by)


def _areas(table: Mapping[str, Any], natures: Mapping[str, Nature]) -> Iterator[Area]:
    for name, area in table.items():
        things = tuple(
            Thing(zh, en, natures[nature])
            for nature, lines in area.items()
            if nature not in _OTHERS
            for zh, en in (line.split(" ", 1) for line in lines)
        )
        zh, en = name.split(" ", 1)
        classification = tuple(area["class"].split("/")) if "class" in area else None
        yield Area(
            zh,
            en,
            things,
            cast("tuple[str, str] | None", classification),
            area.get("assertion", False),
            area.get("guarded", False),
        )
