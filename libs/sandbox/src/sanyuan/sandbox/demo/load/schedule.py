"""Who does what and when, as arithmetic: the same after a restart as before it. Pure.

Operation ``i`` is due at ``start + i / rate``; its kind follows from `mix`, and the operations of a
kind go round the departments. A department's operations of one kind are one stream, so a command's
sequence says which operation it is, and what was sent need not be remembered.

A licence exchange shows the assertion of a verification that is due about two rounds earlier. So
that the first ones have one too, each department begins with one verification that is no operation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sanyuan.sandbox.demo.load.mix import SHARES, Kind, count_of, kind_of, operation_of, ordinal_of
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

TOPICS: Final[dict[Kind, str]] = {
    "shared-call": "calls",
    "verification": "identity-commands",
    "license-exchange": "license-exchange-commands",
}
EVERYBODY: Final = tuple(range(len(DEPARTMENTS)))
_VERIFIED: Final = SHARES["verification"]
_EXCHANGED: Final = SHARES["license-exchange"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be done: ``rate`` operations a second from ``start`` (Unix seconds) on.

    ``id`` tells one run from another, ``seed`` chooses grants, people and mistakes.
    """

    id: str
    rate: float
    seconds: float
    seed: int
    start: float

    @property
    def total(self) -> int:
        """How many operations there are."""
        return round(self.rate * self.seconds)

    def count(self, kind: Kind) -> int:
        """How many of them are of a kind."""
        return count_of(kind, self.total)

    def due(self, operation: int) -> float:
        """When it shall happen, in Unix seconds."""
        return self.start + operation / self.rate


@dataclass(frozen=True, slots=True)
class Step:
    """One command: number ``index`` of a department (its index) in the stream of a kind."""

    kind: Kind
    department: int
    index: int

    @property
    def operation(self) -> int | None:
        """Which operation it is; None for a verification that only prepares."""
        index = self.index - (self.kind == "verification")
        if index < 0:
            return None
        return operation_of(self.kind, index * len(EVERYBODY) + self.department)


def step_of(operation: int) -> Step:
    """The command that an operation is."""
    kind = kind_of(operation)
    index, department = divmod(ordinal_of(operation), len(EVERYBODY))
    return Step(kind, department, index + (kind == "verification"))


def preparation(department: int) -> Step:
    """The verification that a department begins with."""
    return Step("verification", department, 0)


def verified_before(exchange: int) -> int:
    """The index of the verification whose assertion a department's exchange shows."""
    return exchange * _VERIFIED // _EXCHANGED


def exchange_after(verification: int) -> int | None:
    """The index of the exchange that a verification is made for; None: for none."""
    exchange = -(-verification * _EXCHANGED // _VERIFIED)
    return exchange if verified_before(exchange) == verification else None


@dataclass(frozen=True, slots=True)
class Run:
    """A plan that has begun for some departments.

    ``first`` is, for each kind, the sequence of each department's first command of it.
    """

    plan: Plan
    first: Mapping[Kind, Mapping[int, int]]

    def step(self, kind: Kind, department: int, sequence: int) -> Step | None:
        """Which command of this run a sequence was; None: of none."""
        first = self.first[kind].get(department)
        return (
            None if first is None or sequence < first else Step(kind, department, sequence - first)
        )

    def remaining(
        self, departments: Sequence[int], heads: Mapping[Kind, Mapping[int, int]]
    ) -> Iterator[Step]:
        """Commands that were not sent yet, in order; ``heads`` are the last sequences sent."""
        for step in steps_of(self.plan, departments):
            first = self.first[step.kind][step.department]
            if step.index > heads[step.kind].get(step.department, 0) - first:
                yield step


def steps_of(plan: Plan, departments: Sequence[int]) -> Iterator[Step]:
    """All commands of some departments in the order in which they are due."""
    yield from map(preparation, departments)
    ours = frozenset(departments)
    for step in map(step_of, range(plan.total)):
        if step.department in ours:
            yield step
