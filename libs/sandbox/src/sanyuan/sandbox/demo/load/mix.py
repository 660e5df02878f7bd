"""The national mix: which operation is of which kind (design: 100 : 2.9 : 0.85). Pure.

Kinds are spread evenly over a cycle, and the cycle repeats. An operation is number ``ordinal`` of
its kind, and the other way round, in closed form: nothing has to be remembered to go on.
"""

from typing import Final, Literal

Kind = Literal["shared-call", "verification", "license-exchange"]
KINDS: Final[tuple[Kind, ...]] = ("shared-call", "verification", "license-exchange")
SHARES: Final[dict[Kind, int]] = {"shared-call": 2_000, "verification": 58, "license-exchange": 17}
"""54 bn calls, 1.56 bn verifications and 460 M licences of 2020, as 100 : 2.9 : 0.85."""
CYCLE: Final = sum(SHARES.values())


def _pattern() -> tuple[Kind, ...]:
    """The rarer kinds each in the middle of its part of the cycle, or in the next free slot."""
    slots: list[Kind] = ["shared-call"] * CYCLE
    for kind in ("license-exchange", "verification"):
        for number in range(SHARES[kind]):
            at = (2 * number + 1) * CYCLE // (2 * SHARES[kind])
            while slots[at] != "shared-call":
                at += 1
            slots[at] = kind
    return tuple(slots)


_KIND: Final = _pattern()
_SLOTS: Final[dict[Kind, tuple[int, ...]]] = {
    kind: tuple(at for at, each in enumerate(_KIND) if each == kind) for kind in KINDS
}
_RANK: Final = tuple(_KIND[:at].count(kind) for at, kind in enumerate(_KIND))


def kind_of(operation: int) -> Kind:
    """What an operation is."""
    return _KIND[operation % CYCLE]


def ordinal_of(operation: int) -> int:
    """How many of its kind come before an operation."""
    cycles, slot = divmod(operation, CYCLE)
    return cycles * SHARES[_KIND[slot]] + _RANK[slot]


def operation_of(kind: Kind, ordinal: int) -> int:
    """The operation that is number ``ordinal`` of its kind."""
    cycles, rank = divmod(ordinal, SHARES[kind])
    return cycles * CYCLE + _SLOTS[kind][rank]


def count_of(kind: Kind, operations: int) -> int:
    """How many of the first operations are of a kind."""
    cycles, slots = divmod(operations, CYCLE)
    return cycles * SHARES[kind] + _KIND[:slots].count(kind)
