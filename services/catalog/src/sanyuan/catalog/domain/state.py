"""What a batch touches, what it changes, and how the one becomes the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sanyuan.catalog.domain.grants import Grant, Meter
from sanyuan.catalog.domain.resources import Entry
from sanyuan.common.assertions.uses import Known, Use
from sanyuan.common.contracts.catalog import Resource

_K = TypeVar("_K")
_V = TypeVar("_V")

Revision = tuple[str, int]
"""(code, number of the revision)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keys of the state that a batch touches.

    ``described`` are the codes of entries with their descriptions, ``granted`` those whose grants
    can change, as far as they stand after ``since``; ``due`` is the instant up to which deadlines
    have passed.
    """

    described: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()
    elements: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    jtis: frozenset[str] = frozenset()
    since: int = 0
    due: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Our own rows by key; a grant's entry is always there too.

    ``claims`` say which resource is an element's one source.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    descriptions: Mapping[Revision, Resource] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


@dataclass(slots=True)
class Changes:
    """New values by key; None takes a row away."""

    entries: dict[str, Entry] = field(default_factory=dict)
    descriptions: dict[Revision, Resource | None] = field(default_factory=dict)
    claims: dict[str, str | None] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    meters: dict[str, Meter] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)


def evolve(state: State, changes: Changes) -> State:
    """The state with the changes written to it."""
    used = {**state.known.used, **{jti: use.used for jti, use in changes.uses.items()}}
    return State(
        entries={**state.entries, **changes.entries},
        descriptions=_written(state.descriptions, changes.descriptions),
        claims=_written(state.claims, changes.claims),
        grants={**state.grants, **changes.grants},
        meters={**state.meters, **changes.meters},
        known=replace(state.known, used=used),
    )


def _written(stored: Mapping[_K, _V], changed: Mapping[_K, _V | None]) -> dict[_K, _V]:
    merged = {**stored, **changed}
    return {key: value for key, value in merged.items() if value is not None}
