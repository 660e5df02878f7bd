"""The sequencer: authentic records in, leaves out, in the one order that the log will have.

No IO: it moves the state in memory and describes what one transaction must write. The caller
commits before it does anything else with the result, and gives up the process when it cannot: the
state then is what the database and the tiles say at the next start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from sanyuan.audit.facts import Authentic
from sanyuan.audit.seals import carried_parts, moved_offsets, rows_of, seal_parts
from sanyuan.audit.state import Partition, Refused, State, Stream, Waiting
from sanyuan.audit.voice import Spoken, Voice
from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.contracts.log import (
    Closed,
    Digest,
    Equivocation,
    Gap,
    GapClosed,
    Row,
    Withheld,
    WithholdingRefused,
)
from sanyuan.common.contracts.message import Message
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import encode_leaf, parse_leaf
from sanyuan.common.record import RawRecord, Rejection
from sanyuan.common.streams import Position, Verdict, judge
from sanyuan.common.withholding import ORDERS, is_order

Answer = Withheld | WithholdingRefused
TakenHash = Callable[[Stream, int], str | None]
"""The hash taken at a place of a stream; None when it is older than what is kept."""
_REMEMBERED: Final = (PARTICIPANTS, ORDERS)


@dataclass
class Batch:
    """What one transaction writes."""

    first: int
    """Index of the first entry."""
    entries: list[bytes] = field(default_factory=list)
    starts: dict[Stream, Position] = field(default_factory=dict)
    """Where the streams that moved stood before."""
    hashes: dict[Stream, list[str]] = field(default_factory=dict)
    """What those streams took."""
    offsets: dict[Partition, int] = field(default_factory=dict)
    waiting: dict[Stream, Waiting | None] = field(default_factory=dict)
    """Changed; None: no longer waiting."""
    refused: list[Refused] = field(default_factory=list)
    equivocated: list[tuple[str, str, int]] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    """Indices of new orders to withhold an entry."""
    participants: list[bytes] = field(default_factory=list)
    """The entries that are of `participants`."""


@dataclass
class Sealing(Batch):
    """A batch that ends in a seal: everything refused so far is in its digests."""

    parts: list[Spoken] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    sealed: dict[Stream, int] = field(default_factory=dict)
    sealed_offsets: dict[Partition, int] = field(default_factory=dict)
    answer: Answer | None = None
    closed: bool = False
    """The log ends here."""


class Sequencer:
    """Appends to one log; `gap_seconds` is how long a place may stay open unsaid."""

    def __init__(self, state: State, voice: Voice, *, gap_seconds: float) -> None:
        self.state = state
        self._voice = voice
        self._gap_seconds = gap_seconds

    def append(
        self,
        records: Iterable[Authentic],
        rejections: Iterable[Rejection],
        offsets: dict[Partition, int],
        *,
        taken: TakenHash,
        at: float,
    ) -> Batch:
        """Take authentic records in this order, and count what is not authentic.

        `offsets` are the next offsets after all of them; records below the known ones are skipped.
        """
        batch = Batch(self.state.size)
        for record in records:
            if self._is_new(record.raw):
                self._take(batch, record, taken, at)
        for rejection in rejections:
            if self._is_new(rejection.raw):
                self._refuse(batch, rejection.raw, rejection.reason)
        batch.offsets = dict(offsets)
        self.state.offsets |= offsets
        return batch

    def seal(self, at: float, answer: Answer | None = None) -> Sealing | None:
        """Close what is new: digests, gaps that are due, seal parts; None without anything new.

        `answer` says what became of the oldest order to withhold an entry.
        """
        state = self.state
        due = self._due(at)
        quiet = state.size == state.sealed_size and not moved_offsets(state)
        if quiet and not due and not state.refused and answer is None:
            return None
        batch = Sealing(state.size)
        if answer is not None:
            self._answer(batch, answer, at)
        for digest in _digests(state.refused):
            self._say(batch, digest, at)
        for stream, waiting in due:
            self._state_gap(batch, stream, waiting, at)
        self._seal(batch, at)
        return batch

    def close(self, at: float, following: str) -> Sealing:
        """End the log: the last seal; it goes on as the log `following`."""
        batch = Sealing(self.state.size)
        for digest in _digests(self.state.refused):
            self._say(batch, digest, at)
        self._say(batch, Closed(next=following), at)
        self._seal(batch, at)
        self.state.next = following
        batch.closed = True
        return batch

    def carry_over(self, at: float, log: str, note: bytes) -> Sealing:
        """Begin the log after `log`, whose final checkpoint is `note`; its state is ours from here.

        Streams, positions and open gaps go on; `participants` is repeated from its first record.
        """
        old = self.state
        agency = {stream for stream in old.places if stream[1] == PARTICIPANTS}
        gaps = {
            stream: replace(waiting, gap=0)
            for stream, waiting in old.waiting.items()
            if waiting.gap is not None
        }
        self.state = State(
            domain=old.domain,
            own=old.own,
            places=old.places,
            offsets=old.offsets,
            sealed={stream: last for stream, last in old.sealed.items() if stream not in agency},
            sealed_offsets=dict(old.offsets),
            moved=agency,
            waiting=old.waiting | gaps,
            equivocated=old.equivocated,
            participants=old.participants,
        )
        batch = Sealing(0)
        batch.waiting |= gaps
        for part in carried_parts(old, log, note):
            self._say(batch, part, at)
        batch.entries += old.participants
        self.state.size += len(old.participants)
        self._seal(batch, at)
        return batch

    def _is_new(self, raw: RawRecord) -> bool:
        return raw.offset >= self.state.offsets.get((raw.topic, raw.partition), 0)

    def _take(self, batch: Batch, record: Authentic, taken: TakenHash, at: float) -> None:
        raw, facts = record
        source, number, previous, own_hash, signature, _ = facts
        stream = source, raw.topic
        place = self.state.place(stream)
        known = None
        if number < place.sequence:
            known = _recent(batch, stream, number) or taken(stream, number)
        match judge(place, number, previous, own_hash, known):
            case Verdict.TAKE:
                entry = encode_leaf(raw.value or b"", signature)
                self._append(batch, stream, entry, Position(number, own_hash))
                if raw.topic in _REMEMBERED:
                    self._remember(batch, raw.topic, entry)
                if stream in self.state.waiting:
                    self._fill(batch, stream, number, at)
            case Verdict.SKIP:
                pass
            case Verdict.AHEAD:
                self._wait(batch, stream, Waiting(place.sequence + 1, number, at))
            case Verdict.CHAIN:
                self._wait(batch, stream, Waiting(place.sequence + 1, number, at))
                self._refuse(batch, raw, "chain")
            case Verdict.FORKED:
                first = known or place.hash
                self._equivocate(batch, record, first, at)
                self._refuse(batch, raw, "forked")

    def _append(self, batch: Batch, stream: Stream, entry: bytes, place: Position) -> None:
        state = self.state
        hashes = batch.hashes.get(stream)
        if hashes is None:
            batch.starts[stream] = state.place(stream)
            hashes = batch.hashes[stream] = []
            if stream != state.own:
                state.moved.add(stream)
        hashes.append(place.hash)
        batch.entries.append(entry)
        state.places[stream] = place
        state.size += 1

    def _remember(self, batch: Batch, topic: str, entry: bytes) -> None:
        """Keep what is needed later: participants for the next year, orders until a checkpoint."""
        if topic == PARTICIPANTS:
            batch.participants.append(entry)
            self.state.participants.append(entry)
        if topic == ORDERS and is_order(parse_leaf(entry).envelope):
            index = self.state.size - 1
            batch.orders.append(index)
            self.state.orders.append(index)

    def _answer(self, batch: Sealing, answer: Answer, at: float) -> None:
        self._say(batch, answer, at)
        batch.answer = answer
        self.state.orders.remove(answer.order)
        if isinstance(answer, Withheld) and answer.log is None:
            self.state.withheld[answer.index] = answer.order

    def _say(self, batch: Batch, message: Message, at: float) -> Spoken:
        own = self.state.own
        spoken = self._voice.say(self.state.place(own), message, at)
        self._append(batch, own, spoken.entry, spoken.place)
        return spoken

    def _refuse(self, batch: Batch, raw: RawRecord, reason: Reason) -> None:
        value_hash = hashlib.sha256(raw.value or b"").digest()
        refused = Refused(raw.topic, raw.partition, raw.offset, reason, value_hash)
        batch.refused.append(refused)
        self.state.refused.append(refused)

    def _wait(self, batch: Batch, stream: Stream, waiting: Waiting) -> None:
        """Remember since when a place is open; the first record that came instead is enough."""
        if stream not in self.state.waiting:
            self.state.waiting[stream] = batch.waiting[stream] = waiting

    def _fill(self, batch: Batch, stream: Stream, number: int, at: float) -> None:
        waiting = self.state.waiting[stream]
        if number < waiting.expected:
            return
        del self.state.waiting[stream]
        batch.waiting[stream] = None
        if waiting.gap is not None:
            message = GapClosed(
                source=stream[0],
                topic=self._signed(stream[1]),
                expected=waiting.expected,
                gap=waiting.gap,
            )
            self._say(batch, message, at)

    def _equivocate(self, batch: Batch, record: Authentic, first: str, at: float) -> None:
        facts = record.facts
        place = (*record.stream, facts.number)
        if place in self.state.equivocated:
            return
        self.state.equivocated.add(place)
        batch.equivocated.append(place)
        message = Equivocation(
            source=facts.source,
            topic=self._signed(record.raw.topic),
            sequence=facts.number,
            first=first,
            second=facts.hash,
            signature=facts.signature.decode(),
        )
        self._say(batch, message, at)

    def _due(self, at: float) -> list[tuple[Stream, Waiting]]:
        return [
            (stream, waiting)
            for stream, waiting in sorted(self.state.waiting.items())
            if waiting.gap is None and at - waiting.since >= self._gap_seconds
        ]

    def _state_gap(self, batch: Sealing, stream: Stream, waiting: Waiting, at: float) -> None:
        stated = replace(waiting, gap=self.state.size)
        message = Gap(
            source=stream[0],
            topic=self._signed(stream[1]),
            expected=waiting.expected,
            seen=waiting.seen,
        )
        self._say(batch, message, at)
        self.state.waiting[stream] = batch.waiting[stream] = stated

    def _seal(self, batch: Sealing, at: float) -> None:
        state = self.state
        batch.sealed_offsets = moved_offsets(state)
        batch.rows = rows_of(state)
        batch.parts = [self._say(batch, part, at) for part in seal_parts(state)]
        batch.sealed = {stream: state.places[stream].sequence for stream in state.moved}
        state.sealed |= batch.sealed
        state.sealed_offsets |= batch.sealed_offsets
        state.previous_seal, state.sealed_size = state.size - 1, state.size
        state.moved.clear()
        state.refused.clear()

    def _signed(self, topic: str) -> str:
        return f"{self.state.domain}/{topic}"


def _recent(batch: Batch, stream: Stream, number: int) -> str | None:
    """The hash that this very batch took at a place."""
    start = batch.starts.get(stream)
    if start is None or number <= start.sequence:
        return None
    return batch.hashes[stream][number - start.sequence - 1]


def _digests(refused: Sequence[Refused]) -> list[Digest]:
    """One for each partition and reason, in that order."""

    def group(one: Refused) -> tuple[str, int, str]:
        return one.topic, one.partition, one.reason

    digests = []
    ordered = sorted(refused, key=lambda one: (*group(one), one.offset))
    for (topic, partition, _), members in groupby(ordered, key=group):
        found = list(members)
        digests.append(
            Digest(
                topic=topic,
                partition=partition,
                reason=found[0].reason,
                first_offset=found[0].offset,
                last_offset=found[-1].offset,
                count=len(found),
                digest=hashlib.sha256(b"".join(one.hash for one in found)).hexdigest(),
            )
        )
    return digests
