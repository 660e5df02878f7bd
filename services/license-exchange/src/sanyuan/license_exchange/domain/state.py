"""What a batch touches, what it changes, and how the one becomes the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from sanyuan.common.assertions.uses import Known, Use
from sanyuan.common.sdjwt.statuslist import Status
from sanyuan.license_exchange.domain.disputes import Dispute
from sanyuan.license_exchange.domain.grants import Grant
from sanyuan.license_exchange.domain.licenses import (
    DepartmentKeys,
    IssuerSeed,
    License,
    ListRow,
    Version,
)
from sanyuan.license_exchange.domain.lifecycle import ALIVE, LicenseState
from sanyuan.license_exchange.domain.presentations import Presentation
from sanyuan.license_exchange.domain.types import TypeRevision

_K = TypeVar("_K")
_V = TypeVar("_V")
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keys of the state that a batch touches.

    Licences by name: ``licenses``; those with what they say, with their type, and with who relied
    on them besides: ``read``, ``amended``, ``told``. Licences by holder: ``shown``, with what they
    say, and ``erased``, with who relied on them; of an erased licence all those of its holder.
    ``departments`` come with their keys and status lists, ``holders`` with the keys under which
    their licences are kept; ``due`` is the instant up to which deadlines have passed.
    """

    types: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    licenses: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    amended: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    erased_licenses: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    codes: frozenset[bytes] = frozenset()
    disputes: frozenset[str] = frozenset()
    disputed: frozenset[str] = frozenset()
    jtis: frozenset[str] = frozenset()
    due: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Our own rows by key; of a licence's versions the current one.

    ``reliance``: licence → the systems that were given something of it. ``holder_keys`` are the
    keys under which licences are kept, in the clear.
    """

    types: Mapping[str, TypeRevision] = field(default_factory=dict)
    keys: Mapping[str, DepartmentKeys] = field(default_factory=dict)
    lists: Mapping[int, ListRow] = field(default_factory=dict)
    last_list: int = 0
    licenses: Mapping[str, License] = field(default_factory=dict)
    versions: Mapping[str, Version] = field(default_factory=dict, repr=False)
    holder_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    reliance: Mapping[str, frozenset[str]] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
    presentations: Mapping[bytes, Presentation] = field(default_factory=dict)
    disputes: Mapping[str, Dispute] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


@dataclass(slots=True)
class Changes:
    """New values by key; None takes a row away.

    ``versions`` and ``statuses`` by licence and number of the version. ``ticked`` is the instant up
    to which what has expired is written down as such.
    """

    types: dict[str, TypeRevision] = field(default_factory=dict)
    keys: dict[str, DepartmentKeys] = field(default_factory=dict)
    seeds: dict[str, IssuerSeed] = field(default_factory=dict, repr=False)
    lists: dict[int, ListRow] = field(default_factory=dict)
    licenses: dict[str, License] = field(default_factory=dict)
    versions: dict[tuple[str, int], Version] = field(default_factory=dict, repr=False)
    statuses: dict[tuple[str, int], Status] = field(default_factory=dict)
    holder_keys: dict[str, bytes | None] = field(default_factory=dict, repr=False)
    reliance: dict[str, frozenset[str]] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    presentations: dict[bytes, Presentation] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    ticked: int | None = None


def evolve(state: State, changes: Changes) -> State:
    """The state with the changes written to it."""
    used = {**state.known.used, **{jti: use.used for jti, use in changes.uses.items()}}
    licenses = {**state.licenses, **changes.licenses}
    return State(
        types={**state.types, **changes.types},
        keys={**state.keys, **changes.keys},
        lists={**state.lists, **changes.lists},
        last_list=max([state.last_list, *changes.lists]),
        licenses={name: _ticked(each, changes.ticked) for name, each in licenses.items()},
        versions=_current(state, changes, licenses),
        holder_keys=_written(state.holder_keys, changes.holder_keys),
        reliance=_joined(state, changes, licenses),
        grants={**state.grants, **changes.grants},
        presentations={**state.presentations, **changes.presentations},
        disputes={**state.disputes, **changes.disputes},
        known=replace(state.known, used=used),
    )


def _ticked(license_: License, at: int | None) -> License:
    """Expired in the table too, once a tick has said so."""
    if at is None or license_.state not in ALIVE:
        return license_
    return license_._replace(state=license_.state_at(at))


def _current(state: State, changes: Changes, licenses: Mapping[str, License]) -> dict[str, Version]:
    new = {
        name: version
        for (name, number), version in changes.versions.items()
        if licenses[name].version == number
    }
    found = {**state.versions, **new}
    for (name, number), status in changes.statuses.items():
        if name in found and licenses[name].version == number:
            found[name] = found[name]._replace(status=status)
    return {n: v for n, v in found.items() if licenses[n].state is not LicenseState.ERASED}


def _joined(
    state: State, changes: Changes, licenses: Mapping[str, License]
) -> dict[str, frozenset[str]]:
    names = state.reliance.keys() | changes.reliance.keys()
    return {
        name: state.reliance.get(name, NOBODY) | changes.reliance.get(name, NOBODY)
        for name in names
        if name not in licenses or licenses[name].state is not LicenseState.ERASED
    }


def _written(stored: Mapping[_K, _V], changed: Mapping[_K, _V | None]) -> dict[_K, _V]:
    merged = {**stored, **changed}
    return {key: value for key, value in merged.items() if value is not None}
