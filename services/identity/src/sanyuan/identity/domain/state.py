"""What a batch touches, what it changes, and how the one becomes the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sanyuan.identity.domain.locks import Watch
from sanyuan.identity.domain.subjects import RegisteredOrganisation, RegisteredPerson

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keys of the state that a batch touches; subjects are blind indexes."""

    numbers: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    subjects: frozenset[bytes] = frozenset()
    participants: frozenset[str] = frozenset()
    jtis: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Issued:
    """An assertion that is out; ``expires_at`` in µs."""

    participant: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class State:
    """Our own rows by key, and what the registers answered.

    A watch is kept per participant and subject, a bucket (see `rates`) per participant.
    """

    people: Mapping[str, RegisteredPerson] = field(default_factory=dict)
    organisations: Mapping[str, RegisteredOrganisation] = field(default_factory=dict)
    secrets: Mapping[bytes, bytes] = field(default_factory=dict)
    watches: Mapping[tuple[str, bytes], Watch] = field(default_factory=dict)
    buckets: Mapping[str, int] = field(default_factory=dict)
    issued: Mapping[str, Issued] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """New values by key; None takes a row away."""

    secrets: dict[bytes, bytes | None] = field(default_factory=dict)
    watches: dict[tuple[str, bytes], Watch | None] = field(default_factory=dict)
    buckets: dict[str, int | None] = field(default_factory=dict)
    issued: dict[str, Issued | None] = field(default_factory=dict)


def current(changed: Mapping[_K, _V | None], stored: Mapping[_K, _V], key: _K) -> _V | None:
    """The value as the batch has left it so far."""
    return changed[key] if key in changed else stored.get(key)


def evolve(state: State, changes: Changes) -> State:
    """The state with the changes written to it."""
    return State(
        people=state.people,
        organisations=state.organisations,
        secrets=_written(state.secrets, changes.secrets),
        watches=_written(state.watches, changes.watches),
        buckets=_written(state.buckets, changes.buckets),
        issued=_written(state.issued, changes.issued),
    )


def _written(stored: Mapping[_K, _V], changed: Mapping[_K, _V | None]) -> dict[_K, _V]:
    merged = {**stored, **changed}
    return {key: value for key, value in merged.items() if value is not None}
