"""Makes the catalogue from its words, the same one from the same seed. Pure.

- Every thing has its principal resource, and some of the others that its nature knows.
- One datum, one source (一数一源): only a principal resource claims elements, those of its own
  thing; who a person or an organisation is, is claimed by the two base registers alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Final

from sanyuan.common.contracts.catalog import Item, Resource
from sanyuan.common.sources import Source
from sanyuan.sandbox.synthetic.catalogue.sharing import openness, sharing
from sanyuan.sandbox.synthetic.catalogue.words import (
    GROUNDS,
    Area,
    Kind,
    Thing,
    Words,
    load_words,
)
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS, Organ
from sanyuan.sandbox.synthetic.license_types import LICENSE_TYPES

RESOURCES: Final = 9_942
"""As many as the national platform had by the end of 2020."""
_SEED: Final = "sanyuan"
_OWN_CLASS: Final = "部门信息资源"
_CLASSES: Final = {"基础信息资源": 1, "主题信息资源": 2, _OWN_CLASS: 3}
"""类 and its digit, in the order of the guideline."""
_RELUCTANCE: Final = {"unconditional": 1.0, "conditional": 1.2, "not-shared": 1.65}
"""What is not shared is catalogued more rarely: the factor of its lot (60 : 35 : 5)."""
_LICENSE_TYPES: Final = {each.thing: each for each in LICENSE_TYPES}
_BASE: Final = {
    "户口": ("citizen_number", "person_name"),
    "企业": ("credit_code", "organisation_name", "representative"),
}
"""The principal resources of the base registers, and what they are the source of."""
_NAMING: Final = frozenset(item for items in _BASE.values() for item in items) | {
    "holder_code",
    "holder_name",
}
_DOUBLED: Final = re.compile(r"([一-鿿]{2})\1")
_REQUIRED: Final = 3
"""The first items of a resource are always there."""
_SHOWN: Final = 4
_ANSWER_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A resource that a department may have; ``number`` counts the department's things."""

    department: int
    organ: Organ
    area: Area
    thing: Thing
    number: int
    kind: Kind

    @property
    def principal(self) -> bool:
        return self.kind is self.thing.nature.kinds[0]

    @property
    def place(self) -> tuple[str, str, str, str]:
        """类, 项, 目, 细目."""
        first, second = self.area.classification or (_OWN_CLASS, self.organ.name)
        return first, second, self.area.zh, self.thing.zh


def make_catalogue(domain: str) -> tuple[Resource, ...]:
    """All resources, the principal one of a thing before the others; half a second."""
    words = load_words()
    random = Random(f"catalogue {_SEED}")  # noqa: S311  data from a seed, not secrets
    chosen = _choose(list(_candidates(words)), random)
    maker = _Maker(words, domain, random)
    return tuple(
        resource
        for _, group in groupby(chosen, key=lambda each: (each.department, each.number))
        for resource in maker.make(list(group))
    )


def _candidates(words: Words) -> Iterator[_Candidate]:
    for department, organ in enumerate(DEPARTMENTS):
        number = 0
        for area in words.works[organ.slug]:
            for thing in area.things:
                number += 1
                for kind in thing.nature.kinds:
                    yield _Candidate(department, organ, area, thing, number, kind)


def _choose(candidates: Sequence[_Candidate], random: Random) -> list[_Candidate]:
    """All principal ones, and by lot as many others as are missing, in their order."""
    lots = [
        (-1.0 if each.principal else random.random() * _reluctance(each.kind), at)
        for at, each in enumerate(candidates)
    ]
    chosen = sorted(at for _, at in sorted(lots)[:RESOURCES])
    return [candidates[at] for at in chosen]


def _reluctance(kind: Kind) -> float:
    if kind.share == "free":
        return _RELUCTANCE["unconditional"]
    return _RELUCTANCE["not-shared" if kind.share in GROUNDS else "conditional"]


class _Maker:
    """Numbers classifications as they first occur, and makes resources."""

    def __init__(self, words: Words, domain: str, random: Random) -> None:
        self._words = words
        self._domain = domain
        self._random = random
        self._numbers: dict[tuple[str, ...], int] = {}
        self._siblings: dict[tuple[str, ...], int] = {}

    def make(self, group: Sequence[_Candidate]) -> Iterator[Resource]:
        """The resources of one thing."""
        code = self._code(group[0].place)
        for sequence, each in enumerate(group, 1):
            related = (f"{code}/000001",) if sequence > 1 else ()
            yield self._make(each, f"{code}/{sequence:06}", related)

    def _code(self, place: Sequence[str]) -> str:
        """类 1, 项 2, 目 3, 细目 2 digits."""
        first, second, third, fourth = (
            self._number(tuple(place[: depth + 1])) for depth in range(len(place))
        )
        return f"{first}{second:02}{third:03}{fourth:02}"

    def _number(self, path: tuple[str, ...]) -> int:
        if len(path) == 1:
            return _CLASSES[path[0]]
        if path not in self._numbers:
            parent = path[:-1]
            self._siblings[parent] = self._siblings.get(parent, 0) + 1
            self._numbers[path] = self._siblings[parent]
        return self._numbers[path]

    def _make(self, each: _Candidate, code: str, related: tuple[str, ...]) -> Resource:
        kind, thing, organ = each.kind, each.thing, each.organ
        shared = sharing(kind, guarded=each.area.guarded, chance=self._random.random())
        licensed = _LICENSE_TYPES.get(thing.zh) if each.principal else None
        key = kind.call if licensed is None else None
        items = licensed.items if licensed else tuple(map(self._item, kind.items))
        name_en = _capital(kind.en.format(o=thing.en))
        return Resource(
            code=code,
            classification=each.place,
            name=_name(kind.zh, thing),
            name_en=name_en,
            summary=_summary(each, [item.title for item in items]),
            summary_en=f"{name_en}: {len(items)} data items kept by the {organ.name_en}.",
            provider=organ.code,
            format="electronic-file" if licensed else kind.format,
            items=tuple(_claimed(each, item, at) for at, item in enumerate(items)),
            parameters=(self._item(key),) if key else (),
            sharing=shared,
            openness=openness(kind, shared),
            update_cycle=kind.cycle,
            related=related,
            serving_system=self._system(organ) if key else None,
            answer_within=_ANSWER_SECONDS,
            needs_assertion=key == "citizen_number" and (kind.assertion or each.area.assertion),
            license_type=licensed.code if licensed else None,
        )

    def _item(self, name: str) -> Item:
        word = self._words.items[name]
        return Item(name=name, title=word.title, type=word.type, length=word.length)

    def _system(self, organ: Organ) -> str:
        return str(Source(self._domain, organ.role, organ.code, organ.systems[0].name))


def _summary(each: _Candidate, titles: Sequence[str]) -> str:
    kind, thing = each.kind, each.thing
    begin = _once(kind.say.format(o=thing.zh, d=each.organ.name))
    more = f"等{len(titles)}项数据" if len(titles) > _SHOWN else ""
    return f"{begin}，包括{'、'.join(titles[:_SHOWN])}{more}，可用于{thing.nature.uses}。"


def _claimed(each: _Candidate, item: Item, at: int) -> Item:
    """The item as this resource has it, with the element that it is the source of."""
    element = None
    if each.principal and (item.name not in _NAMING or item.name in _BASE.get(each.thing.zh, ())):
        # Two letters for the department, three digits for the thing, two for the item.
        first, second = divmod(each.department, 26)
        element = f"{chr(65 + first)}{chr(65 + second)}{each.number:03}{at + 1:02}"
    return item.model_copy(update={"required": at < _REQUIRED, "element": element})


def _name(pattern: str, thing: Thing) -> str:
    if thing.zh.endswith(thing.nature.said_by):
        for word in thing.nature.redundant:
            pattern = pattern.replace(word, "")
    return _once(pattern.format(o=thing.zh))


def _once(text: str) -> str:
    """Say a word that meets itself only once."""
    return _DOUBLED.sub(r"\1", text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
