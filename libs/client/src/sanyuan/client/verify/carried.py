"""What a later year's log begins with: the carry-over of the one before (design §8, ADR 0033).

The first leaves are its parts, signed by audit; `participants` follows verbatim from its first
record, so that every key can be judged from the pinned agency key on. Only then is audit's key
known, and the parts are verified. Pure; what it says is compared with the log before by `connect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.seals import Stream
from sanyuan.common.contracts.log import CarriedOver
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.directory import Directory
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import Leaf
from sanyuan.common.logkeys import verifier_of, year_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint

Heads = dict[Stream, tuple[int, str]]


@dataclass
class Carried:
    """The carry-over that a log begins with."""

    log: str = ""
    checkpoint: Checkpoint | None = None
    """The final one of `log`."""
    heads: Heads = field(default_factory=dict)
    """Every stream but `participants`, as it goes on here."""
    participants: Heads = field(default_factory=dict)
    """Where the copy of `participants` must end."""
    gaps: list[tuple[str, str, int]] = field(default_factory=list)
    positions: dict[str, dict[str, int]] = field(default_factory=dict)
    part: int = 0
    parts: int = 0
    leaves: list[tuple[int, Leaf]] = field(default_factory=list)
    """Not verified yet."""
    settled: bool = False
    """Whether `participants` is whole, and the parts are verified."""

    @property
    def whole(self) -> bool:
        """Whether every part was read."""
        return bool(self.parts) and self.part == self.parts

    def take(self, index: int, leaf: Leaf, key: VerifierKey) -> Iterator[Finding]:
        """Take one part; `key` is this log's."""
        try:
            said = parse_data(leaf.envelope.type, "log", leaf.envelope.data)
        except ContractError as error:
            yield _forged(index, str(error))
            return
        if not isinstance(said, CarriedOver):
            yield _forged(index, f"the carry-over ends after part {self.part} of {self.parts}")
            return
        fits = said.part == self.part + 1 and said.parts == (self.parts or said.parts)
        if not fits or said.part > said.parts or (self.log and said.log != self.log):
            yield _forged(index, f"part {said.part} of {said.parts} is not the next one")
        self.part, self.parts, self.log = said.part, said.parts, said.log
        self.leaves.append((index, leaf))
        for source, topic, last, head in said.heads:
            known = self.participants if topic.endswith(f"/{PARTICIPANTS}") else self.heads
            known[source, topic] = (last, head)
        if said.part == 1:
            self.gaps = [(source, topic, expected) for source, topic, expected, _ in said.gaps]
            self.positions = {topic: dict(each) for topic, each in said.positions.items()}
            yield from self._open(index, said.checkpoint or "", key)

    def _open(self, index: int, note: str, key: VerifierKey) -> Iterator[Finding]:
        before, now = year_of(self.log), year_of(key.name)
        signer = verifier_of(key, self.log)
        if before is None or now is None or before >= now or signer.name != self.log:
            yield _forged(index, f"{self.log} is no earlier log of this domain")
            return
        try:
            self.checkpoint = Checkpoint.open(note.encode(), origin=self.log, keys=[signer])
        except NoteError as error:
            yield _forged(index, f"the checkpoint of {self.log}: {error}")

    def settle(self, heads: Heads, directory: Directory) -> Iterator[Finding]:
        """Verify the parts once the copy of `participants` has reached its end."""
        if self.settled or any(heads.get(each) != at for each, at in self.participants.items()):
            return
        self.settled = True
        for index, leaf in self.leaves:
            envelope = leaf.envelope
            key = directory.keys_of(envelope.source).get(leaf.key_id)
            last, head = heads.get(leaf.stream, (0, ""))
            domain = directory.founding.domain if directory.founding else ""
            if key is None or envelope.source != f"//{domain}/services/audit":
                yield _forged(index, "the carry-over is not signed under a key of audit's")
                continue
            try:
                leaf.verify(key)
            except NoteError as error:
                yield _forged(index, error.what)
            if (envelope.number, envelope.previous) != (last + 1, head):
                yield _forged(index, "the carry-over does not continue audit's own stream")
            heads[leaf.stream] = (envelope.number, leaf.hash)
        self.leaves = []

    def compare(self, before: Mapping[str, Any], size: int, root: bytes) -> Iterator[Finding]:
        """Compare with the verified log before: what `History.dump` says of it, and its head."""
        if self.checkpoint is not None and (self.checkpoint.size, self.checkpoint.root) != (
            size,
            root,
        ):
            yield Finding(
                Grade.FORGED,
                f"{self.log} has {size} entries, and was carried over with {self.checkpoint.size}",
                index=0,
                expected=root.hex(),
                found=self.checkpoint.root.hex(),
            )
            return
        heads = {(source, topic): (last, head) for source, topic, last, head in before["heads"]}
        said = self.heads | self.participants
        for source, topic in sorted(heads.keys() | said.keys()):
            there, here = heads.get((source, topic)), said.get((source, topic))
            if there != here:
                yield Finding(
                    Grade.FORGED,
                    f"the stream is carried over otherwise than {self.log} holds it",
                    index=0,
                    source=source,
                    topic=topic,
                    sequence=here[0] if here else None,
                    expected=f"{there[0]}, {there[1]}" if there else "no such stream",
                    found=f"{here[0]}, {here[1]}" if here else "no such stream",
                )
        gaps = sorted((source, topic, place) for source, topic, place, _ in before["gaps"])
        if sorted(self.gaps) != gaps:
            yield _forged(0, f"other places are carried over as open than {self.log} holds open")
        if self.positions != before["seals"]["positions"]:
            yield _forged(0, f"other positions are carried over than {self.log} was sealed with")

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON can hold it; see `load`."""
        return {
            "log": self.log,
            "checkpoint": bytes(self.checkpoint).decode() if self.checkpoint else None,
            "heads": [[*stream, *at] for stream, at in self.heads.items()],
            "participants": [[*stream, *at] for stream, at in self.participants.items()],
            "gaps": self.gaps,
            "positions": self.positions,
            "parts": self.parts,
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Carried:
        """Return what `dump` saved of a settled carry-over."""
        note = saved["checkpoint"]
        return cls(
            log=saved["log"],
            checkpoint=Checkpoint.parse(note.encode()) if note else None,
            heads={(source, topic): (last, head) for source, topic, last, head in saved["heads"]},
            participants={
                (source, topic): (last, head) for source, topic, last, head in saved["participants"]
            },
            gaps=[(source, topic, place) for source, topic, place in saved["gaps"]],
            positions=saved["positions"],
            part=saved["parts"],
            parts=saved["parts"],
            settled=True,
        )


def _forged(index: int, what: str) -> Finding:
    return Finding(Grade.FORGED, what, index=index)
