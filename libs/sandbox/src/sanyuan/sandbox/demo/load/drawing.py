"""What each operation is about, drawn from the plan's seed: whom, under which grant, what is wrong.

Pure, and the same after a restart. Three in a hundred verifications are under another's name, one
in a hundred calls and exchanges goes beyond its grant, one in twenty calls asks for somebody whom
the provider hardly knows. People and organisations are drawn by Zipf's law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sanyuan.sandbox.demo.load.grants import Wanted
from sanyuan.sandbox.demo.load.mix import KINDS, SHARES
from sanyuan.sandbox.demo.load.schedule import (
    EVERYBODY,
    Plan,
    Step,
    exchange_after,
    verified_before,
)
from sanyuan.sandbox.demo.load.zipf import mix, zipf
from sanyuan.sandbox.synthetic.departments import NODES
from sanyuan.sandbox.synthetic.providers.known import OTHERS, POPULAR, first_other, knows

PARTS: Final = 10_000
MISMATCHED: Final = 300
"""Of 10,000 verifications; only those of persons can be, which are a little fewer."""
OUTSIDE: Final = 100
"""Of 10,000 calls, and of 10,000 exchanges."""
UNKNOWN: Final = 500
"""Of 10,000 calls."""
_VERIFICATIONS: Final = SHARES["verification"]
_PERSONS: Final = _VERIFICATIONS - SHARES["license-exchange"]
_STEP: Final = 61_803
"""Has no divisor in common with the sizes of the registers (`providers.known`)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many there are to draw from."""

    people: int
    organisations: int


@dataclass(frozen=True, slots=True)
class Call:
    """A shared call under the grant number ``grant`` about the subject of a rank."""

    grant: int
    rank: int
    known: bool
    outside: bool
    """Whether the grant is somebody else's, so that the call is refused."""


@dataclass(frozen=True, slots=True)
class Person:
    """A verification: whose number is asked (a rank), and whose name with it."""

    number: int
    name: int

    @property
    def matches(self) -> bool:
        """Whether both belong to one person."""
        return self.number == self.name


@dataclass(frozen=True, slots=True)
class Organisation:
    """A verification of an organisation (a rank), for the exchange with this index."""

    rank: int
    exchange: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """Licence fields of an organisation (a rank), shown the assertion of a verification."""

    rank: int
    verification: int
    outside: bool
    """Whether a field is asked for that is not granted, so that nothing is given."""


class Draws:
    """The draws of a plan over the grants of all departments."""

    def __init__(self, plan: Plan, wanted: Sequence[Wanted], sizes: Sizes) -> None:
        self._seed = plan.seed
        self._wanted = wanted
        self._sizes = sizes
        self._of_caller: list[list[int]] = [[] for _ in EVERYBODY]
        for number, each in enumerate(wanted):
            self._of_caller[each.caller].append(number)

    def goes_beyond(self, step: Step) -> bool:
        """Whether a command is sent in order to be refused."""
        return step.kind != "verification" and self._bits(step) % PARTS < OUTSIDE

    def call(self, step: Step) -> Call:
        """A shared call: every grant of a department is as likely as any other."""
        bits, outside = self._bits(step), self.goes_beyond(step)
        holder = neighbour(step.department) if outside else step.department
        grants = self._of_caller[holder]
        grant = grants[(bits >> 20) % len(grants)]
        wanted = self._wanted[grant]
        count = self._sizes.people if wanted.about == "person" else self._sizes.organisations
        rank, known = _subject(wanted.resource, count, mix(bits))
        return Call(grant, rank, known, outside)

    def verification(self, step: Step) -> Person | Organisation:
        """A verification; some are of organisations, for an exchange that comes later."""
        exchange = exchange_after(step.index)
        if exchange is not None:
            return Organisation(self._organisation(step), exchange)
        bits = self._bits(step)
        number = self._place(zipf(self._sizes.people, mix(bits)), self._sizes.people)
        if bits % (PARTS * _PERSONS) >= MISMATCHED * _VERIFICATIONS:
            return Person(number, number)
        other = (number + 1 + mix(bits + 1) % (self._sizes.people - 1)) % self._sizes.people
        return Person(number, other)

    def exchange(self, step: Step) -> Exchange:
        """A licence exchange, about the organisation that was verified for it."""
        verification = Step("verification", step.department, verified_before(step.index))
        rank = self._organisation(verification)
        return Exchange(rank, verification.index, self.goes_beyond(step))

    def _organisation(self, verification: Step) -> int:
        count = self._sizes.organisations
        return self._place(zipf(count, mix(self._bits(verification))), count)

    def _place(self, popularity: int, count: int) -> int:
        """Who is how popular is another with another seed."""
        return (popularity * _STEP + self._seed) % count

    def _bits(self, step: Step) -> int:
        stream = KINDS.index(step.kind) * len(EVERYBODY) + step.department
        return mix(self._seed ^ mix((stream << 32) + step.index))


def neighbour(department: int) -> int:
    """Another department on the same access node, whose grants are at hand and not one's own."""
    further = department + len(NODES)
    return further if further < len(EVERYBODY) else department - len(NODES)


def _subject(resource: str, count: int, bits: int) -> tuple[int, bool]:
    """A rank by Zipf's law, mostly of somebody known: whether it is."""
    rank = zipf(count, mix(bits))
    if bits % PARTS < UNKNOWN:
        rank = POPULAR + mix(bits + 1) % (count - POPULAR)
        return rank, knows(resource, rank, count)
    if rank >= POPULAR:
        rank = first_other(resource, count) + rank % OTHERS
    return rank, True
