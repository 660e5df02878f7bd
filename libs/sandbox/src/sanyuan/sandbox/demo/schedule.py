"""Who asks what and when, as arithmetic: the same after a restart as before it. Pure.

Operation ``i`` is due at ``start + i / rate`` and belongs to system ``i mod systems``. A stream
keeps the order of its system, so the sequence of a command says which operation it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MISMATCHES_PER_THOUSAND: Final = 30
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be done; ``id`` tells one run from another, ``seed`` chooses the people."""

    id: str
    rate: float
    seconds: float
    seed: int

    @property
    def total(self) -> int:
        """How many operations there are."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Run:
    """A plan that has begun.

    ``start`` is in Unix seconds, ``first`` the sequence of each system's first command of it.
    """

    plan: Plan
    start: float
    first: dict[str, int]

    def due(self, operation: int) -> float:
        """When it shall happen, in Unix seconds."""
        return self.start + operation / self.plan.rate

    def operation(self, sources: Sequence[str], source: str, sequence: int) -> int:
        """Which operation a command was."""
        return (sequence - self.first[source]) * len(sources) + sources.index(source)

    def remaining(self, sources: Sequence[str], heads: dict[str, int]) -> Iterator[int]:
        """Operations that were not sent yet, in order; ``heads`` are the last sequences sent."""
        sent = [max(0, heads.get(s, 0) + 1 - self.first[s]) for s in sources]
        count = len(sources)
        return (i for i in range(self.plan.total) if i // count >= sent[i % count])


@dataclass(frozen=True, slots=True)
class Draw:
    """Indexes into the people: whose number is asked, and whose name with it."""

    number: int
    name: int

    @property
    def matches(self) -> bool:
        """Whether both belong to one person."""
        return self.number == self.name


def draw(plan: Plan, operation: int, people: int) -> Draw:
    """The people of an operation; three in a hundred are asked under another's name."""
    bits = _mix(plan.seed + operation)
    number = bits % people
    if (bits >> 40) % 1000 >= MISMATCHES_PER_THOUSAND:
        return Draw(number, number)
    return Draw(number, (number + 1 + (bits >> 50) % (people - 1)) % people)


def _mix(value: int) -> int:
    """SplitMix64 (Steele, Lea, Flood 2014): neighbours become unrelated."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
