"""Withheld entries: what an order is, and what it may order (design §8, ADR 0032).

Invariants: an entry is blank only by a later entry of the same log or of a later year's, which a
system of the supervisor signed under a key that was not revoked before, and which names the entry's
log, its index, its leaf hash and the place that it takes in its stream. What others must be able to
read for ever, `participants`, the log's own leaves and such orders, is never withheld. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sanyuan.common.contracts.log import WithholdEntry, WithholdingReason, WithholdingRefused
from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.envelope import Envelope
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import is_earlier
from sanyuan.common.sources import parse_source

ORDERS: Final = "audit-commands"
_OWN: Final = "log"
_NEVER: Final = frozenset({"participants", _OWN})
_NEEDLES: Final = tuple(f'"{kind.TYPE}"'.encode() for kind in (WithholdEntry, WithholdingRefused))


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it lies at `index` of the log `log`."""

    log: str
    index: int
    said: WithholdEntry

    @property
    def is_late(self) -> bool:
        """Whether the entry that it withholds is in an earlier year's log."""
        return self.said.log != self.log

    @property
    def stream(self) -> tuple[str, str]:
        """(source, signed topic) of the entry that it withholds."""
        return self.said.record.source, self.said.record.topic

    @property
    def sequence(self) -> int:
        """The place that the entry takes in its stream."""
        return int(self.said.record.sequence)


Orders = dict[int, list[Order]]
"""Index of an entry -> the orders for it, oldest first."""


def is_order(envelope: Envelope) -> bool:
    """Whether a record asks for something to be withheld, lawfully or not."""
    return envelope.type == WithholdEntry.TYPE and envelope.topic.partition("/")[2] == ORDERS


def parse_order(envelope: Envelope) -> WithholdEntry | None:
    """Return what an order says; None when it does not say it as it must."""
    message = _parse(envelope, ORDERS)
    return message if isinstance(message, WithholdEntry) else None


def objection(envelope: Envelope, index: int, origin: str) -> Order | WithholdingReason:
    """Return the order at `index` of the log `origin`, or why it has no effect whatever it names.

    Whether its key was revoked, and whether the entry is what it says, the caller has to see.
    """
    if (message := parse_order(envelope)) is None:
        return "malformed"
    order = Order(origin, index, message)
    if parse_source(envelope.source).role != "supervisor":
        return "not-the-supervisor"
    if order.is_late and not is_earlier(message.log, origin):
        return "another-log"
    if not order.is_late and message.index >= index:
        return "no-such-entry"
    source, topic = order.stream
    topic = topic.partition("/")[2]
    if topic in _NEVER or (topic == ORDERS and parse_source(source).role == "supervisor"):
        return "never-withheld"
    return order


def stands_for(order: Order, entry: bytes) -> bool:
    """Whether an entry is the one that an order describes; its leaf hash is compared elsewhere."""
    try:
        leaf = parse_leaf(entry)
    except LeafError:
        return False
    record, envelope = order.said.record, leaf.envelope
    return (record.source, record.topic, record.sequence, record.hash) == (
        envelope.source,
        envelope.topic,
        envelope.sequence,
        leaf.hash,
    )


def may_speak(bundle: bytes) -> bool:
    """Whether a bundle may hold orders or refusals: seen without parsing it."""
    return any(needle in bundle for needle in _NEEDLES)


def find_orders(
    entries: Iterable[tuple[int, bytes]], origin: str, withheld_from: str | None = None
) -> Orders:
    """Return the orders among (index, entry) of the log `origin` that it did not refuse.

    They withhold entries of the log `withheld_from`, by default its own. Nothing is verified.
    """
    found: dict[int, Order] = {}
    for index, entry in entries:
        if not may_speak(entry) or (leaf := _leaf(entry)) is None:
            continue
        if is_order(leaf.envelope):
            order = objection(leaf.envelope, index, origin)
            if isinstance(order, Order) and order.said.log == (withheld_from or origin):
                found[index] = order
        elif isinstance(refused := _parse(leaf.envelope, _OWN), WithholdingRefused):
            found.pop(refused.order, None)
    orders: Orders = {}
    for order in found.values():
        orders.setdefault(order.said.index, []).append(order)
    return orders


def _leaf(entry: bytes) -> Leaf | None:
    try:
        return parse_leaf(entry)
    except LeafError:
        return None


def _parse(envelope: Envelope, topic: str) -> Message | None:
    if envelope.topic.partition("/")[2] != topic:
        return None
    try:
        return parse_data(envelope.type, topic, envelope.data)
    except ContractError:
        return None
