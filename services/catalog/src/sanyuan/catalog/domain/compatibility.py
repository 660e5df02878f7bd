"""What a revision may change (docs/catalog.md says it for people).

`broken` holds always: whoever reads the resource today must be able to read the revision, and
whoever calls it today must be able to go on calling. `narrowed` holds while a grant stands: what
was given is taken back by revoking grants, which everybody sees, and not by the way.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sanyuan.common.contracts.catalog import Item, Resource, SharingType

_WIDTH: Final[Mapping[SharingType, int]] = {"not-shared": 0, "conditional": 1, "unconditional": 2}


def broken(old: Resource, new: Resource) -> str | None:
    """The first thing that would break readers or callers of ``old``; None when nothing does."""
    return _broken_items(old.items, new.items) or _broken_parameters(old.parameters, new.parameters)


def narrowed(old: Resource, new: Resource) -> str | None:
    """The first thing that would take something from a standing grant; None when nothing does."""
    if _WIDTH[new.sharing.type] < _WIDTH[old.sharing.type]:
        return f"sharing would go from {old.sharing.type} to {new.sharing.type}"
    if old.license_type != new.license_type:
        return "license_type would change, and with it who meters the grants"
    if old.serving_system is not None and new.serving_system is None:
        return "nobody would serve the resource"
    if new.needs_assertion and not old.needs_assertion:
        return "calls would need an assertion"
    return None


def _broken_items(old: Sequence[Item], new: Sequence[Item]) -> str | None:
    after = {item.name: item for item in new}
    for item in old:
        now = after.get(item.name)
        if fault := _changed("item", item, now):
            return fault
        if now is not None and item.required and not now.required:
            return f"item {item.name} would not always be there"
    return None


def _broken_parameters(old: Sequence[Item], new: Sequence[Item]) -> str | None:
    before, after = {item.name: item for item in old}, {item.name: item for item in new}
    for item in old:
        if fault := _changed("parameter", item, after.get(item.name)):
            return fault
    for item in new:
        was = before.get(item.name)
        if item.required and (was is None or not was.required):
            return f"parameter {item.name} would have to be said"
    return None


def _changed(kind: str, old: Item, new: Item | None) -> str | None:
    if new is None:
        return f"{kind} {old.name} would be gone"
    if new.type != old.type:
        return f"{kind} {old.name} would be of type {new.type} instead of {old.type}"
    if new.length is not None and (old.length is None or new.length < old.length):
        return f"{kind} {old.name} would be shorter"
    return None
