"""Blank entries in a verification: which orders explain them, and what stays open (ADR 0032).

A blank has its leaf hash in the tree, and comes before the order that explains it. So the orders
are looked up as soon as the first blank is met (`orders.look_up`), the blank takes the place in its
stream that its order names, and the order itself must hold when its turn comes: signed by the
supervisor, at that index, saying the same. An order in a later year's log has no turn here: it was
proven when it was looked up. The records after the blank, and the seals, must fit what the order
says of its place. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.runs import Blank
from sanyuan.common.withholding import Order, Orders

UNEXPLAINED: Final = "the entry is blank, and no order of the supervisor withholds it"


@dataclass
class Withholding:
    """The blanks so far."""

    orders: Orders | None = None
    """Looked up, not yet verified; None before the first blank."""
    later: Orders | None = None
    """Those in later years' logs, proven; None before a blank that no order of this log explains.
    """
    hidden: bool = False
    """Whether the source shows only what its reader may see."""
    unseen: int = 0
    """Entries that this reader may not see."""
    awaited: dict[int, Order] = field(default_factory=dict)
    """Index of an order that explains a blank and was not reached yet -> that order."""
    withheld: dict[int, int] = field(default_factory=dict)
    """Index of an entry -> index of the order that withholds it, verified."""

    def find(self, index: int, leaf: bytes) -> Order | None:
        """Return the order that withholds a blank entry."""
        orders = [*(self.orders or {}).get(index, []), *(self.later or {}).get(index, [])]
        return next((order for order in orders if order.said.entry == leaf.hex()), None)

    def explains(self, blanks: Iterable[tuple[int, bytes]]) -> bool:
        """Whether there is an order for each of these (index, leaf hash)."""
        return all(self.find(*blank) is not None for blank in blanks)

    def explain(self, index: int, leaf: bytes) -> Order | None:
        """Return the order that withholds a blank entry; one of this log is awaited from now on."""
        order = self.find(index, leaf)
        if order is not None and not order.is_late:
            self.awaited[order.index] = order
        return order

    def confirm(self, order: Order) -> Finding | None:
        """Take an order that holds; what it says must be what was relied on."""
        relied_on = self.awaited.pop(order.index, None)
        if relied_on is None:
            return None
        if relied_on != order:
            return Finding(Grade.FORGED, "an order was read twice and differs", index=order.index)
        return self.take(order)

    def take(self, order: Order) -> Finding:
        """Take an order that is verified; say what it withholds, and why."""
        self.withheld[order.said.index] = order.index
        where = f"entry {order.index}" + (f" of {order.log}" if order.is_late else "")
        return Finding(
            Grade.NOTICE,
            f"withheld by the supervisor's order in {where}: {order.said.ground}",
            index=order.said.index,
            source=order.said.record.source,
            topic=order.said.record.topic,
            sequence=order.sequence,
            expected=order.said.entry,
        )

    def conclude(self) -> Iterator[Finding]:
        """What is open at the end of the log."""
        for order in self.awaited.values():
            what = f"the entry is blank, and the order in entry {order.index} does not hold"
            yield Finding(Grade.FORGED, what, index=order.said.index, expected=order.said.entry)
        if self.unseen:
            what = f"{self.unseen:,} entries are not shown to this reader"
            yield Finding(Grade.UNREADABLE, what)

    def dump(self) -> list[tuple[int, int]]:
        """Return the withheld entries and their orders as JSON can hold them."""
        return list(self.withheld.items())

    def load(self, saved: Any) -> None:  # noqa: ANN401  what `dump` saved, as JSON has it
        """Continue from what `dump` saved."""
        self.withheld = dict(saved)


def unexplained(index: int, blank: Blank) -> Finding:
    """A blank that no order withholds."""
    return Finding(Grade.FORGED, UNEXPLAINED, index=index, expected=blank.leaf.hex())


def misplaced(index: int, order: Order, last: int, head: str) -> Finding:
    """A blank whose place, by its order, is not the next one of its stream."""
    record = order.said.record
    return Finding(
        Grade.FORGED,
        f"the stream jumps from {last} to {order.sequence}, by the order that withholds the entry",
        index=index,
        source=record.source,
        topic=record.topic,
        sequence=order.sequence,
        expected=head,
        found=record.hash,
    )
