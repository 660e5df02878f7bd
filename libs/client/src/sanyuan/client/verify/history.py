"""The judge: every entry in order, against everything that was said before it (design §3, §8).

Invariants checked: leaf 0 founds the domain under the pinned agency key; each record is signed by a
key that the `participants` leaves before it register for its source; each stream counts 1, 2, 3 …
and chains its values; audit's own leaves agree with what the log holds. No IO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from sanyuan.client.verify.bundle import Blank, Fact, Facts, Keys
from sanyuan.client.verify.carried import Carried
from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.seals import SealBook, Stream
from sanyuan.client.verify.superseded import compare_ended
from sanyuan.client.verify.withheld import Withholding, misplaced, unexplained
from sanyuan.common.contracts.log import (
    Closed,
    Digest,
    Equivocation,
    Gap,
    GapClosed,
    Sealed,
    WithholdingRefused,
)
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import ZERO_HASH, Envelope
from sanyuan.common.folding import fold
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.sources import key_name
from sanyuan.common.withholding import ORDERS, Order, is_order, objection

START: Final = (0, ZERO_HASH)


@dataclass
class History:
    """Everything that the entries below `size` said."""

    directory: Directory
    log_key: VerifierKey
    origin: str
    tell: Callable[[Finding], None]
    size: int = 0
    heads: dict[Stream, tuple[int, str]] = field(default_factory=dict)
    """Stream -> last place and the hash of its value."""
    seals: SealBook = field(default_factory=SealBook)
    gaps: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """(source, signed topic, place) that is open -> index of the gap leaf."""
    participants: list[str] = field(default_factory=list)
    """The entries of `participants`, verbatim: the directory can be folded again from them."""
    withholding: Withholding = field(default_factory=Withholding)
    carried: Carried | None = None
    """What a later year's log begins with."""
    next: str | None = None
    """The log in which a closed one goes on."""
    ended: bool = False
    """Whether a closed log's last seal was read."""
    _keys: tuple[Directory, Keys] | None = None

    @property
    def keys(self) -> Keys:
        """All keys known so far; the same object until `participants` goes on."""
        if self._keys is None or self._keys[0] is not self.directory:
            systems = self.directory.systems.values()
            keys = {(s.source, key_id): key for s in systems for key_id, key in s.keys.items()}
            self._keys = (self.directory, keys)
        return self._keys[1]

    def judge(self, facts: Facts, keys: Keys) -> None:
        """Take the entries of one bundle; `keys` are those that its worker was given."""
        for at, fact in enumerate(facts.facts):
            index = facts.first + at
            if isinstance(fact, str):
                self.tell(Finding(Grade.FORGED, fact, index=index))
            elif isinstance(fact, Blank):
                self._take_blank(index, fact)
            else:
                self._take(index, fact, keys)
            self.size = index + 1

    def _take(self, index: int, fact: Fact, keys: Keys) -> None:
        if self._carries_over(index, fact):
            return
        if self.ended:
            self._object(index, fact, "an entry after the last seal of a closed log")
        key = self.directory.keys_of(fact.source).get(fact.key_id)
        if key is None:
            self._object(index, fact, "no such key of the source is registered before this entry")
            return
        checked = fact.checked and keys.get((fact.source, fact.key_id)) is key
        if not checked and not self._check_signature(index, fact, key):
            return
        order = fact.topic.endswith(f"/{ORDERS}")
        if not (order and self.withholding.hidden):  # a reader sees orders of its entries only
            self._take_place(index, fact)
        if order and fact.entry is not None:
            self._take_order(index, parse_leaf(fact.entry))
        own = fact.topic == f"{self._domain}/log"
        if not own:
            self._tell_all(self.seals.interrupted(index))
            self.seals.move((fact.source, fact.topic), fact.sequence)
        if fact.entry is not None and (own or fact.topic.endswith("/participants")):
            if own:
                self._take_own(index, parse_leaf(fact.entry).envelope)
            else:
                self._take_participant(index, fact.entry)

    def _carries_over(self, index: int, fact: Fact) -> bool:
        """Whether this is a leaf that a later year's log begins with; if so, take it."""
        if index == 0 and fact.topic.endswith("/log"):
            self.carried = Carried()
        carried = self.carried
        if carried is None or carried.settled:
            return False
        if not carried.whole:
            self._take_part(carried, index, fact)
            return True
        if not fact.topic.endswith("/participants"):
            self._object(index, fact, "an entry before the copy of participants is whole")
        return False

    def _take_part(self, carried: Carried, index: int, fact: Fact) -> None:
        if fact.entry is None:
            self._object(index, fact, "an entry between the parts of the carry-over")
            return
        self._tell_all(carried.take(index, parse_leaf(fact.entry), self.log_key))
        if carried.whole:
            self.heads = dict(carried.heads)
            self.gaps = dict.fromkeys(carried.gaps, 0)
            self.seals.positions = {at: dict(each) for at, each in carried.positions.items()}

    def _take_blank(self, index: int, blank: Blank) -> None:
        order = self.withholding.explain(index, blank.leaf)
        if order is None:
            if self.withholding.hidden:
                self.withholding.unseen += 1
            else:
                self.tell(unexplained(index, blank))
            return
        last, head = self.heads.get(order.stream, START)
        if order.sequence != last + 1:
            self.tell(misplaced(index, order, last, head))
        self.heads[order.stream] = (order.sequence, order.said.record.hash)
        self._tell_all(self.seals.interrupted(index))
        self.seals.move(order.stream, order.sequence)

    def _take_order(self, index: int, leaf: Leaf) -> None:
        """A command to audit: does it withhold an entry?"""
        if not is_order(leaf.envelope):
            return
        order = objection(leaf.envelope, index, self.origin)
        revoked = self.directory.is_revoked(leaf.envelope.source, leaf.key_id)
        if isinstance(order, Order) and not revoked:
            finding = self.withholding.confirm(order)
            if finding is not None:
                self.tell(finding)

    def _check_signature(self, index: int, fact: Fact, key: VerifierKey) -> bool:
        if fact.entry is None:  # checked under a key that the source replaced by one of the same id
            self._object(index, fact, "the key of the source changed under the same id")
            return False
        try:
            parse_leaf(fact.entry).verify(key)
        except (NoteError, LeafError) as error:
            self._object(index, fact, error.what)
            return False
        return True

    def _take_place(self, index: int, fact: Fact) -> None:
        stream = (fact.source, fact.topic)
        last, head = self.heads.get(stream, START)
        if fact.sequence != last + 1:
            what = f"the stream jumps from {last} to {fact.sequence}"
            self._object(index, fact, what, expected=head, found=fact.hash)
        elif fact.previous != head:
            what = "the record does not continue the one before it in its stream"
            self._object(index, fact, what, expected=head, found=fact.previous)
        self.heads[stream] = (fact.sequence, fact.hash)

    def _take_participant(self, index: int, entry: bytes) -> None:
        self.participants.append(entry.decode())
        before, leaf = self.directory, parse_leaf(entry)
        self.directory = fold_leaf(before, leaf)
        self._tell_all(compare_ended(index, leaf.envelope, self.heads))
        if self.carried is not None:
            self._tell_all(self.carried.settle(self.heads, self.directory))
        founding = self.directory.founding
        if index == 0 and founding is None:
            self.tell(Finding(Grade.FORGED, "leaf 0 does not found the domain", index=0))
        elif founding is not None and before.founding is None:
            said = (founding.log_origin, str(founding.log_key))
            same = verifier_of(founding.log_key, self.origin) == self.log_key
            if not same or (self.carried is None and founding.log_origin != self.origin):
                self.tell(
                    Finding(
                        Grade.FORGED,
                        "the domain was founded with another log",
                        index=index,
                        expected=f"{self.origin} {self.log_key}",
                        found=" ".join(said),
                    )
                )

    def _take_own(self, index: int, envelope: Envelope) -> None:
        if envelope.source != f"//{self._domain}/services/audit":
            self.tell(
                Finding(
                    Grade.FORGED,
                    "only the audit service speaks for the log",
                    index=index,
                    source=envelope.source,
                    topic=envelope.topic,
                )
            )
            return
        try:
            message = parse_data(envelope.type, "log", envelope.data)
        except ContractError as error:
            self.tell(Finding(Grade.FORGED, str(error), index=index, topic=envelope.topic))
            return
        if isinstance(message, Sealed):
            self._tell_all(self.seals.seal(index, message, self.heads))
            self.ended = self.next is not None and message.part == message.parts
            return
        if self.next is not None:
            self.tell(Finding(Grade.FORGED, "a closed log says more than its seal", index=index))
        if isinstance(message, Closed):
            self.next = message.next
        self._tell_all(self.seals.interrupted(index))
        if isinstance(message, WithholdingRefused):
            what = f"the order in entry {message.order} to withhold was refused: {message.reason}"
            self.tell(Finding(Grade.NOTICE, what, index=index))
        if isinstance(message, Gap | GapClosed | Equivocation | Digest):
            self._take_statement(index, message)

    def _take_statement(self, index: int, message: Gap | GapClosed | Equivocation | Digest) -> None:
        match message:
            case Gap():
                last, _ = self.heads.get((message.source, message.topic), START)
                if not last + 1 == message.expected <= message.seen:
                    self._misstated(index, message, f"a gap after {last} is stated")
                self.gaps[message.source, message.topic, message.expected] = index
            case GapClosed():
                last, _ = self.heads.get((message.source, message.topic), START)
                opened = self.gaps.pop((message.source, message.topic, message.expected), None)
                if opened != message.gap or last < message.expected:
                    self._misstated(index, message, f"a gap closes, the stream is at {last}")
            case Equivocation():
                self.tell(
                    Finding(
                        Grade.NOTICE,
                        "the source signed two records for one place; the first one was taken",
                        index=index,
                        source=message.source,
                        topic=message.topic,
                        sequence=message.sequence,
                        expected=message.first,
                        found=message.second,
                    )
                )
            case Digest():
                what = (
                    f"{message.count} records of partition {message.partition}, offsets "
                    f"{message.first_offset} to {message.last_offset}, were not authentic: "
                    f"{message.reason}"
                )
                self.tell(
                    Finding(
                        Grade.NOTICE, what, index=index, topic=message.topic, found=message.digest
                    )
                )
            case _:
                assert_never(message)

    def _misstated(self, index: int, message: Gap | GapClosed, what: str) -> None:
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=index,
                source=message.source,
                topic=message.topic,
                sequence=message.expected,
            )
        )

    def conclude(self) -> None:
        """Say what is open at the end of the log."""
        if self.carried is not None and not self.carried.settled:
            what = "the log ends before what was carried over is whole"
            self.tell(Finding(Grade.FORGED, what, index=self.size))
        self._tell_all(self.withholding.conclude())
        for (source, topic, place), index in self.gaps.items():
            self.tell(
                Finding(
                    Grade.INCOMPLETE,
                    "the log never saw this record",
                    index=index,
                    source=source,
                    topic=topic,
                    sequence=place,
                )
            )
        if not self.seals.settled and not self.withholding.hidden:  # else seals are not shown
            what = f"the last records of {len(self.seals.moved)} streams are under no seal"
            self.tell(Finding(Grade.INCOMPLETE, what, index=self.size))

    @property
    def _domain(self) -> str:
        return self.directory.founding.domain if self.directory.founding else ""

    def _object(
        self,
        index: int,
        fact: Fact,
        what: str,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=index,
                source=fact.source,
                topic=fact.topic,
                sequence=fact.sequence,
                expected=expected,
                found=found or fact.hash,
            )
        )

    def _tell_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.tell(finding)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON can hold it; see `load`."""
        return {
            "size": self.size,
            "heads": [[*stream, *head] for stream, head in self.heads.items()],
            "seals": self.seals.dump(),
            "gaps": [[*place, index] for place, index in self.gaps.items()],
            "participants": self.participants,
            "withheld": self.withholding.dump(),
            "carried": self.carried.dump() if self.carried else None,
            "next": self.next,
            "ended": self.ended,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Continue from what `dump` saved."""
        self.size = saved["size"]
        self.heads = {(source, topic): (last, head) for source, topic, last, head in saved["heads"]}
        self.seals = SealBook.load(saved["seals"])
        self.gaps = {(source, topic, place): index for source, topic, place, index in saved["gaps"]}
        self.participants = saved["participants"]
        self.withholding.load(saved.get("withheld", []))
        self.next, self.ended = saved.get("next"), saved.get("ended", False)
        if saved.get("carried"):
            self.carried = Carried.load(saved["carried"])
        for entry in self.participants:
            self.directory = fold_leaf(self.directory, parse_leaf(entry.encode()))


def fold_leaf(directory: Directory, leaf: Leaf) -> Directory:
    """Apply a leaf of `participants`; only the agency writes there."""
    envelope = leaf.envelope
    if key_name(envelope.source) != directory.pinned.name:
        return directory
    return fold(directory, envelope, leaf.key_id)
