"""What the log knows of every stream and partition: values and one state, no IO.

Streams are (source, Kafka topic); in leaves topics carry the domain (`cn/identity-commands`). The
state can be rebuilt from the leaves alone (`replay`): the tiles are the log, databases are indexes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.contracts.log import (
    CarriedOver,
    Closed,
    Gap,
    GapClosed,
    Sealed,
    Withheld,
    WithholdingRefused,
)
from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import Leaf
from sanyuan.common.streams import START, Position
from sanyuan.common.withholding import Order, is_order

Stream = tuple[str, str]
Partition = tuple[str, int]

OWN_TOPIC: Final = "log"
"""Topic of audit's own records, without domain."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place that stays open: `seen` came instead, at `since` (seconds since 1970).

    `gap` is the index of the leaf that says so, once there is one.
    """

    expected: int
    seen: int
    since: float
    gap: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is not authentic, or takes no place: known by its hash alone."""

    topic: str
    partition: int
    offset: int
    reason: Reason
    hash: bytes


@dataclass
class State:
    """Everything that decides what the next leaf is."""

    domain: str
    own: Stream
    size: int = 0
    places: dict[Stream, Position] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    """Next offset of each partition."""
    sealed: dict[Stream, int] = field(default_factory=dict)
    """Last sealed place of each stream."""
    sealed_offsets: dict[Partition, int] = field(default_factory=dict)
    sealed_size: int = 0
    previous_seal: int | None = None
    """Index of the last part of the last seal."""
    moved: set[Stream] = field(default_factory=set)
    """Streams with unsealed records."""
    waiting: dict[Stream, Waiting] = field(default_factory=dict)
    equivocated: set[tuple[str, str, int]] = field(default_factory=set)
    """(source, topic, place) that an equivocation leaf names."""
    refused: list[Refused] = field(default_factory=list)
    """Not yet in a digest leaf."""
    orders: list[int] = field(default_factory=list)
    """Indices of orders to withhold that no leaf has answered, in order."""
    withheld: dict[int, int] = field(default_factory=dict)
    """Index of an entry that a leaf says is withheld -> index of the order."""

    participants: list[bytes] = field(default_factory=list)
    """Every entry of `participants`: the next year's log begins with them."""
    next: str | None = None
    """The log in which the domain goes on; this one is closed."""

    def place(self, stream: Stream) -> Position:
        """Return the last place taken in a stream."""
        return self.places.get(stream, START)

    def replay(self, leaf: Leaf, entry: bytes) -> None:
        """Take over a leaf that is in the published log already; `entry` are its bytes."""
        index, envelope = self.size, leaf.envelope
        stream = (envelope.source, envelope.topic.removeprefix(f"{self.domain}/"))
        self.size = index + 1
        self.places[stream] = Position(envelope.number, leaf.hash)
        if stream != self.own:
            self.moved.add(stream)
            if is_order(envelope):
                self.orders.append(index)
            if stream[1] == PARTICIPANTS:
                self.participants.append(entry)
            return
        self._replay_own(index, parse_data(envelope.type, OWN_TOPIC, envelope.data))

    def _replay_own(self, index: int, message: Message) -> None:
        match message:
            case Sealed() as sealed:
                self._replay_seal(index, sealed)
            case Gap() as gap:
                stream = (gap.source, gap.topic.removeprefix(f"{self.domain}/"))
                self.waiting[stream] = Waiting(gap.expected, gap.seen, 0.0, index)
            case GapClosed() as closed:
                stream = (closed.source, closed.topic.removeprefix(f"{self.domain}/"))
                self.waiting.pop(stream, None)
            case Withheld() as withheld:
                self.orders.remove(withheld.order)
                if withheld.log is None:
                    self.withheld[withheld.index] = withheld.order
            case WithholdingRefused() as refused:
                self.orders.remove(refused.order)
            case Closed() as closing:
                self.next = closing.next
            case CarriedOver() as carried:
                self._replay_carried(carried)
            case _:
                pass  # digests and equivocations leave no state that the log depends on

    def replay_blank(self, order: Order) -> None:
        """Take over a withheld leaf: its place is known from the order that withholds it."""
        source, topic = order.stream
        stream = (source, topic.removeprefix(f"{self.domain}/"))
        self.size += 1
        self.places[stream] = Position(order.sequence, order.said.record.hash)
        self.moved.add(stream)

    def _replay_carried(self, carried: CarriedOver) -> None:
        for source, topic, last, head in carried.heads:
            stream = (source, topic.removeprefix(f"{self.domain}/"))
            if stream != self.own and stream[1] != PARTICIPANTS:
                self.places[stream] = Position(last, head)
                self.sealed[stream] = last
        for source, topic, expected, seen in carried.gaps:
            stream = (source, topic.removeprefix(f"{self.domain}/"))
            self.waiting[stream] = Waiting(expected, seen, 0.0, 0)
        self._replay_positions(carried.positions)

    def _replay_positions(self, positions: dict[str, dict[str, int]]) -> None:
        for topic, partitions in positions.items():
            for partition, offset in partitions.items():
                self.offsets[topic, int(partition)] = offset
                self.sealed_offsets[topic, int(partition)] = offset

    def _replay_seal(self, index: int, sealed: Sealed) -> None:
        for source, topic, _first, last, _head in sealed.rows:
            stream = (source, topic.removeprefix(f"{self.domain}/"))
            self.sealed[stream] = last
            self.moved.discard(stream)
        self._replay_positions(sealed.positions)
        if sealed.part == sealed.parts:
            self.previous_seal, self.sealed_size = index, index + 1
