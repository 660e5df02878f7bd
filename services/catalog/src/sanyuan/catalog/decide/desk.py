"""What all decisions of a batch work on: the state before it, and what it has changed so far."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from sanyuan.catalog.domain.grants import Grant, GrantPhase, Meter
from sanyuan.catalog.domain.resources import Entry
from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.domain.state import Changes, State
from sanyuan.common.assertions.uses import Counting
from sanyuan.common.contracts.catalog import Resource

_ALIVE: Final = frozenset({GrantPhase.PENDING, GrantPhase.OPEN})
_UNUSED: Final = Meter()


class Desk:
    """Reads what the batch has left so far; every write is a change."""

    __slots__ = ("_of_resource", "changes", "counting", "rules", "state")

    def __init__(self, state: State, rules: Rules) -> None:
        self.state = state
        self.rules = rules
        self.changes = Changes()
        self.counting = Counting(state.known, self.changes.uses)
        self._of_resource: dict[str, list[str]] | None = None

    def entry(self, code: str) -> Entry | None:
        """A resource's place in the catalogue."""
        return self.changes.entries.get(code) or self.state.entries.get(code)

    def description(self, code: str, revision: int) -> Resource | None:
        """A revision's text; None when there is none of this number."""
        key = (code, revision)
        if key in self.changes.descriptions:
            return self.changes.descriptions[key]
        return self.state.descriptions.get(key)

    def source_of(self, element: str) -> str | None:
        """The resource that has claimed a data element."""
        if element in self.changes.claims:
            return self.changes.claims[element]
        return self.state.claims.get(element)

    def grant(self, grant_id: str) -> Grant | None:
        """A request or grant."""
        return self.changes.grants.get(grant_id) or self.state.grants.get(grant_id)

    def meter(self, grant_id: str) -> Meter:
        """What a grant has used."""
        changes, state = self.changes.meters, self.state.meters
        return changes.get(grant_id) or state.get(grant_id) or _UNUSED

    def write(self, grant_id: str, grant: Grant) -> None:
        """Put a grant in its place."""
        if self._of_resource is not None and self.grant(grant_id) is None:
            self._of_resource[grant.resource].append(grant_id)
        self.changes.grants[grant_id] = grant

    def alive(self, code: str) -> Iterator[tuple[str, Grant]]:
        """The open grants and the pending requests on a resource, by id."""
        if self._of_resource is None:
            self._of_resource = defaultdict(list)
            for grant_id, known in {**self.state.grants, **self.changes.grants}.items():
                self._of_resource[known.resource].append(grant_id)
        for grant_id in sorted(self._of_resource[code]):
            grant = self.grant(grant_id)
            if grant is not None and grant.phase in _ALIVE:
                yield grant_id, grant

    def has_standing(self, code: str, at: int) -> bool:
        """Whether anybody may use the resource at ``at``."""
        return any(grant.stands(at) for _, grant in self.alive(code))
