"""The judge: every entry in order, against everything that was said before it (design §3, §8).

Invariants checked: leaf 0 founds the domain under the pinned agency key; each record is signed by a
key that the `participants` leaves before it register for its source; each stream counts 1, 2, 3 …
and chains its values; audit's own leaves agree with what the log holds. No IO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sanyuan.client.verify.carried import Carried
from sanyuan.client.verify.findings import Finding, Grade, Silence
from sanyuan.client.verify.runs import WHOLE, Blank, Facts, Keys, Place, Refusal, Run
from sanyuan.client.verify.said import Said, fold_leaf, fold_said, said_by
from sanyuan.client.verify.seals import START, SealBook, Stream
from sanyuan.client.verify.statements import judge_statement
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
from sanyuan.common.envelope import Envelope
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.withholding import ORDERS, Order, is_order, objection


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
    participants: list[Said] = field(default_factory=list)
    """What the agency said: the directory can be folded again from it."""
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

    def judge(self, facts: Facts, keys: Keys | None) -> None:
        """Take what workers found; `keys` are those that they were given, None: no signatures."""
        for part in facts.parts:
            if isinstance(part, Refusal):
                self._refuse(part)
            elif isinstance(part, Blank):
                self._take_blank(part)
            else:
                self._take(part, keys)
        self.size = max(self.size, facts.end)

    def _refuse(self, refusal: Refusal) -> None:
        if refusal.place is not None:
            self._object(refusal.at, refusal.place, refusal.what)
        else:
            finding = Finding(Grade.FORGED, refusal.what, index=refusal.at, found=refusal.found)
            self.tell(finding)

    def _take(self, run: Run, keys: Keys | None) -> None:
        leaf = self._whole(run)
        if isinstance(leaf, LeafError):  # possible where signatures are not checked
            self._object(run.at, run.start, leaf.what)
        elif not self._carries_over(run, leaf):
            if self.ended:
                self._object(run.at, run.start, "an entry after the last seal of a closed log")
            if keys is None or self._is_signed(run, keys):
                self._take_signed(run, leaf)

    def _whole(self, run: Run) -> Leaf | LeafError | None:
        """Parse the entry where it speaks of other entries."""
        if run.entry is None or not run.start.topic.endswith(WHOLE):
            return None
        try:
            return parse_leaf(run.entry)
        except LeafError as error:
            return error

    def _take_signed(self, run: Run, leaf: Leaf | None) -> None:
        index, start = run.at, run.start
        order = start.topic.endswith(f"/{ORDERS}")
        if not (order and self.withholding.hidden):  # a reader sees orders of its entries only
            self._take_place(run)
        own = start.topic == f"{self._domain}/log"
        if not own:
            self._tell_all(self.seals.interrupted(index))
            self.seals.move((start.source, start.topic), start.sequence)
        if leaf is None:
            return
        if order:
            self._take_order(index, leaf)
        elif own:
            self._take_own(index, leaf.envelope)
        elif start.topic.endswith("/participants"):
            self._take_participant(index, leaf)

    def _carries_over(self, run: Run, leaf: Leaf | None) -> bool:
        """Whether this is a leaf that a later year's log begins with; if so, take it."""
        if run.at == 0 and run.start.topic.endswith("/log"):
            self.carried = Carried()
        carried = self.carried
        if carried is None or carried.settled:
            return False
        if not carried.whole:
            self._take_part(carried, run, leaf)
            return True
        if not run.start.topic.endswith("/participants"):
            what = "an entry before the copy of participants is whole"
            self._object(run.at, run.start, what)
        return False

    def _take_part(self, carried: Carried, run: Run, leaf: Leaf | None) -> None:
        if leaf is None:
            self._object(run.at, run.start, "an entry between the parts of the carry-over")
            return
        self._tell_all(carried.take(run.at, leaf, self.log_key))
        if carried.whole:
            self.heads = dict(carried.heads)
            self.gaps = dict.fromkeys(carried.gaps, 0)
            self.seals.positions = {at: dict(each) for at, each in carried.positions.items()}

    def _take_blank(self, blank: Blank) -> None:
        order = self.withholding.explain(blank.at, blank.leaf)
        if order is None:
            if self.withholding.hidden:
                self.withholding.unseen += 1
            else:
                self.tell(unexplained(blank.at, blank))
            return
        if order.is_late:
            self.tell(self.withholding.take(order))
        last, head = self.heads.get(order.stream, START)
        if order.sequence != last + 1:
            self.tell(misplaced(blank.at, order, last, head))
        self.heads[order.stream] = (order.sequence, order.said.record.hash)
        self._tell_all(self.seals.interrupted(blank.at))
        self.seals.move(order.stream, order.sequence)

    def _take_order(self, index: int, leaf: Leaf) -> None:
        """A command to audit: does it withhold an entry?"""
        if not is_order(leaf.envelope):
            return
        order = objection(leaf.envelope, index, self.origin)
        revoked = self.directory.is_revoked(leaf.envelope.source, leaf.key_id)
        if isinstance(order, Order) and not order.is_late and not revoked:
            finding = self.withholding.confirm(order)
            if finding is not None:
                self.tell(finding)

    def _is_signed(self, run: Run, keys: Keys) -> bool:
        start = run.start
        key = self.directory.keys_of(start.source).get(start.key_id)
        if key is None:
            what = "no such key of the source is registered before this entry"
            self._object(run.at, start, f"{what}: {start.key_id.hex()}")
            return False
        if run.checked and keys.get((start.source, start.key_id)) is key:
            return True
        if run.entry is None:  # checked under a key that the source replaced by one of the same id
            self._object(run.at, start, "the key of the source changed under the same id")
            return False
        try:
            parse_leaf(run.entry).verify(key)
        except (NoteError, LeafError) as error:
            self._object(run.at, start, error.what)
            return False
        return True

    def _take_place(self, run: Run) -> None:
        start = run.start
        stream = (start.source, start.topic)
        last, head = self.heads.get(stream, START)
        if start.sequence != last + 1:
            what = f"the stream jumps from {last} to {start.sequence}"
            self._object(run.at, start, what, expected=head, found=start.previous)
        elif start.previous != head:
            what = "the record does not continue the one before it in its stream"
            self._object(run.at, start, what, expected=head, found=start.previous)
        self.heads[stream] = (run.last, run.head)

    def _take_participant(self, index: int, leaf: Leaf) -> None:
        before = self.directory
        self.directory = fold_leaf(before, leaf)
        if self.directory is not before:
            self.participants.append(said_by(leaf))
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
            self._tell_all(self.seals.seal(index, message, self.heads, envelope.time))
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
            self._tell_all(judge_statement(index, message, self.heads, self.gaps))

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

    def silences(self) -> tuple[Silence, ...]:
        """Every stream by how long it has been silent, the longest first."""
        found = (
            Silence(*stream, last, self.seals.silence(stream))
            for stream, (last, _) in self.heads.items()
            if stream[1] != f"{self._domain}/log"
        )
        return tuple(sorted(found, key=lambda each: (-each.seconds, each.source, each.topic)))

    @property
    def _domain(self) -> str:
        return self.directory.founding.domain if self.directory.founding else ""

    def _object(
        self,
        index: int,
        place: Place,
        what: str,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        self.tell(
            Finding(
                Grade.FORGED,
                what,
                index=index,
                source=place.source,
                topic=place.topic,
                sequence=place.sequence,
                expected=expected,
                found=found or place.hash,
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
        self.withholding.load(saved["withheld"])
        self.next, self.ended = saved["next"], saved["ended"]
        if saved["carried"]:
            self.carried = Carried.load(saved["carried"])
        self.participants = [(*said,) for said in saved["participants"]]
        self.directory = fold_said(self.directory, self.participants)
