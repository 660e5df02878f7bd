"""What all decisions of a batch work on: the state before it, and what it has changed so far."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sanyuan.common.assertions.token import AssertionRefusal
from sanyuan.common.assertions.uses import Counting
from sanyuan.license_exchange.domain.answers import Renewed
from sanyuan.license_exchange.domain.disputes import Dispute
from sanyuan.license_exchange.domain.grants import Grant
from sanyuan.license_exchange.domain.licenses import (
    DepartmentKeys,
    License,
    ListRow,
    Place,
    Version,
)
from sanyuan.license_exchange.domain.presentations import Presentation
from sanyuan.license_exchange.domain.requests import Ask, Proof, Shown
from sanyuan.license_exchange.domain.rules import Rules
from sanyuan.license_exchange.domain.state import NOBODY, Changes, State
from sanyuan.license_exchange.domain.types import TypeRevision

NO_KEYS: Final = DepartmentKeys()
NOT_PROVEN: Final[Mapping[AssertionRefusal, str]] = {
    AssertionRefusal.INVALID: "the assertion is not one of identity's, or does not open",
    AssertionRefusal.NOT_FOR_YOU: "the assertion was given to another, or for another use",
    AssertionRefusal.EXPIRED: "the assertion has run out: ask identity again",
    AssertionRefusal.REVOKED: "the assertion was revoked",
    AssertionRefusal.USED_UP: "the assertion is used up: ask identity again",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decisions go by besides the state: rules, how participants are called, our secret."""

    rules: Rules
    names: Mapping[str, str] = field(default_factory=dict)
    blind_index: bytes = field(default=b"", repr=False)

    def name(self, participant: str) -> str:
        """The registered name; the code of somebody who takes no part."""
        return self.names.get(participant, participant)


class Desk:
    """Reads what the batch has left so far; every write is a change."""

    __slots__ = ("_filed", "_heads", "around", "changes", "counting", "rules", "state")

    def __init__(self, state: State, around: Circumstances) -> None:
        self.state = state
        self.around = around
        self.rules = around.rules
        self.changes = Changes()
        self.counting = Counting(state.known, self.changes.uses)
        self._filed: dict[str, list[str]] | None = None
        self._heads: dict[str, int] | None = None

    def type(self, code: str) -> TypeRevision | None:
        """A licence type, by its revision in force."""
        return self.changes.types.get(code) or self.state.types.get(code)

    def keys(self, department: str) -> DepartmentKeys:
        """A department's issuer keys."""
        return self.changes.keys.get(department) or self.state.keys.get(department) or NO_KEYS

    def license(self, name: str) -> License | None:
        """A licence."""
        return self.changes.licenses.get(name) or self.state.licenses.get(name)

    def version(self, name: str, number: int) -> Version | None:
        """The current version of a licence, with its status as it was when it was issued."""
        return self.changes.versions.get((name, number)) or self.state.versions.get(name)

    def filed(self, holder: str) -> Iterator[tuple[str, License]]:
        """The licences of a holder, by name."""
        if self._filed is None:
            self._filed = defaultdict(list)
            for name, known in {**self.state.licenses, **self.changes.licenses}.items():
                self._filed[known.holder].append(name)
        for name in sorted(self._filed.get(holder, ())):
            found = self.license(name)
            if found is not None and found.holder == holder:
                yield name, found

    def write(self, name: str, license_: License) -> None:
        """Put a licence in its place."""
        if self._filed is not None and self.license(name) is None:
            self._filed.setdefault(license_.holder, []).append(name)
        self.changes.licenses[name] = license_

    def has_key(self, holder: str) -> bool:
        """Whether a key is there under which licences of the holder are kept."""
        if holder in self.changes.holder_keys:
            return self.changes.holder_keys[holder] is not None
        return holder in self.state.holder_keys

    def relied(self, name: str) -> tuple[str, ...]:
        """The systems that were given something of a licence, sorted."""
        state, changes = self.state.reliance, self.changes.reliance
        return tuple(sorted(state.get(name, NOBODY) | changes.get(name, NOBODY)))

    def rely(self, name: str, system: str) -> None:
        """Note that a system was given something of a licence."""
        self.changes.reliance[name] = self.changes.reliance.get(name, NOBODY) | {system}

    def grant(self, name: str) -> Grant | None:
        """A grant on a licence type."""
        return self.changes.grants.get(name) or self.state.grants.get(name)

    def presentation(self, index: bytes) -> Presentation | None:
        """What a one-time code opens."""
        return self.changes.presentations.get(index) or self.state.presentations.get(index)

    def dispute(self, name: str) -> Dispute | None:
        """A dispute."""
        return self.changes.disputes.get(name) or self.state.disputes.get(name)

    def disputes(self) -> Iterator[tuple[str, Dispute]]:
        """Every dispute that was loaded or made, by id."""
        for name in sorted(self.state.disputes.keys() | self.changes.disputes.keys()):
            found = self.dispute(name)
            if found is not None:
                yield name, found

    def place(self, issuer: str) -> Place:
        """Take the next place in the issuer's status lists: list and index."""
        number = self._head(issuer)
        row = self._list(number) if number is not None else None
        if number is None or row is None or row.used >= self.rules.list_size:
            number = max([self.state.last_list, *self.changes.lists]) + 1
            row = ListRow(issuer)
        self.changes.lists[number] = row._replace(used=row.used + 1)
        if self._heads is not None:
            self._heads[issuer] = number
        return Place(number, row.used)

    def renew(self, number: int, issuer: str) -> Renewed:
        """Note that a status in a list has changed."""
        row = self._list(number) or ListRow(issuer)
        self.changes.lists[number] = row._replace(renewal=row.renewal + 1)
        return Renewed(number, issuer, row.renewal + 1)

    def _list(self, number: int) -> ListRow | None:
        return self.changes.lists.get(number) or self.state.lists.get(number)

    def _head(self, issuer: str) -> int | None:
        """The issuer's newest list."""
        if self._heads is None:
            known = sorted({**self.state.lists, **self.changes.lists}.items())
            self._heads = {row.issuer: number for number, row in known}
        return self._heads.get(issuer)

    def prove(self, proof: Proof, ask: Ask, purpose: str | None = None) -> Proof:
        """The proof when it counts, for ``purpose`` if one is given; takes no use of it."""
        if not isinstance(proof, Shown):
            return proof
        if purpose is not None and proof.assertion.purpose != purpose:
            return AssertionRefusal.NOT_FOR_YOU
        return self.counting.check(proof.assertion, ask.participant, ask.at) or proof

    def take(self, shown: Shown, ask: Ask) -> None:
        """Count one use of what was proven."""
        self.counting.take(shown.assertion, ask.participant, ask.at)
