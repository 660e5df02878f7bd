"""Entries as a worker reads them: parsed, their signatures checked, joined to runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Final, NamedTuple

import orjson

from sanyuan.common.envelope import hash_value
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.notes import NoteError, VerifierKey, verify_all
from sanyuan.common.tlog.tiles import BLANK

Keys = Mapping[tuple[str, bytes], VerifierKey]
"""(source, key id) -> key."""


WHOLE: Final = ("/participants", "/log", "/audit-commands")
"""Signed topics (without domain) whose entries the judge needs verbatim, and in their order."""


AT_ONCE: Final = 32
"""Entries that are parsed, then checked, then joined.

A signature check displaces the interpreter from the nearest caches: one between any two entries
makes everything else twice as slow; the parsed entries of a whole bundle do not fit there either.
"""


class Place(NamedTuple):
    """What an entry says about itself, true or not."""

    source: str
    topic: str
    sequence: int
    previous: str
    hash: str
    """Hex SHA-256 of the value."""
    key_id: bytes = b""


class Run(NamedTuple):
    """Records of one stream that continue each other, under one key."""

    at: int
    """Index of the first one; those of other streams may lie between."""
    start: Place
    """The first one."""
    last: int
    """Sequence of the last one."""
    head: str
    """Hash of the last one."""
    checked: bool
    """Whether the signatures hold under the key that the worker was given for the key id."""
    entry: bytes | None
    """The only entry, verbatim, where the judge needs more than this."""


class Refusal(NamedTuple):
    """An entry that is no authentic record, and what it says about itself, if it can be read."""

    at: int
    what: str
    place: Place | None
    found: str
    """Hex hash of its value, or of the leaf when it cannot even be split."""


class Blank(NamedTuple):
    """An entry whose bytes are not shown; `leaf` is its hash in the tree."""

    at: int
    leaf: bytes


class Facts(NamedTuple):
    """What the entries say below `end`, in the order in which they must be judged."""

    end: int
    parts: Sequence[Run | Refusal | Blank]


def check_entries(first: int, entries: list[bytes], hashes: Sequence[bytes], keys: Keys) -> Facts:
    """Check entries of which the first has index `first`; `hashes` are those of their leaves."""
    runs = Runs(keys)
    end = runs.add(first, entries, hashes)
    return Facts(end, runs.parts())


@dataclass
class Runs:
    """Joins entries to runs."""

    keys: Keys | None
    _parts: list[Refusal | Run | Blank | _Growing] = field(default_factory=list)
    _open: dict[tuple[str, str], _Growing] = field(default_factory=dict)

    def add(self, first: int, entries: list[bytes], hashes: Sequence[bytes]) -> int:
        """Take entries, the first one of index `first`; return the index behind the last one.

        `hashes` are those of their leaves.
        """
        for start in range(0, len(entries), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            self._add_some(first + start, entries[some], hashes[some])
        return first + len(entries)

    def parts(self) -> list[Run | Refusal | Blank]:
        """Return what was joined, in the order of the first entries."""
        return [part.run() if isinstance(part, _Growing) else part for part in self._parts]

    def _add_some(self, first: int, entries: list[bytes], hashes: Sequence[bytes]) -> None:
        if self.keys is None:
            for at, entry in enumerate(entries):
                place = glance(entry)
                if place is None:
                    self._refuse(first + at, entry, hashes[at], "the entry is not a signed record")
                else:
                    self._join(first + at, place, entry, checked=True)
            return
        leaves = [_parse(entry) for entry in entries]
        verdicts = _verify(leaves, self.keys)
        for at, (leaf, verdict) in enumerate(zip(leaves, verdicts, strict=True)):
            if isinstance(leaf, LeafError):
                self._refuse(first + at, entries[at], hashes[at], str(leaf))
            else:
                self._take(first + at, entries[at], leaf, verdict)

    def _refuse(self, index: int, entry: bytes, leaf: bytes, what: str) -> None:
        if entry == BLANK:
            self._open.clear()  # it has a place in some stream: no run may reach across it
            self._parts.append(Blank(index, leaf))
        else:
            self._parts.append(Refusal(index, what, None, leaf.hex()))

    def _take(
        self,
        index: int,
        entry: bytes,
        leaf: Leaf,
        verdict: bool | NoteError,  # noqa: FBT001 -- it is no option
    ) -> None:
        envelope = leaf.envelope
        # Interned texts are one object each: pickle then writes them once for all bundles.
        place = Place(
            intern(envelope.source),
            intern(envelope.topic),
            envelope.number,
            envelope.previous,
            leaf.hash,
            leaf.key_id,
        )
        if isinstance(verdict, NoteError):
            self._parts.append(Refusal(index, verdict.what, place, place.hash))
            return
        self._join(index, place, entry, checked=verdict)

    def _join(self, index: int, place: Place, entry: bytes, *, checked: bool) -> None:
        stream = (place.source, place.topic)
        if place.topic.endswith(WHOLE):
            # What it says is about the streams as they stand here: no run may reach across it.
            self._open.clear()
        elif checked:
            run = self._open.get(stream)
            if run is not None and run.continues(place):
                run.last, run.head = place.sequence, place.hash
            else:
                self._open[stream] = run = _Growing(index, place)
                self._parts.append(run)
            return
        else:
            self._open.pop(stream, None)
        self._parts.append(Run(index, place, place.sequence, place.hash, checked, entry))


class _Growing:
    """A run that may go on."""

    __slots__ = ("head", "index", "last", "start")

    def __init__(self, index: int, start: Place) -> None:
        self.index = index
        self.start = start
        self.last = start.sequence
        self.head = start.hash

    def continues(self, place: Place) -> bool:
        return (
            place.previous == self.head
            and place.sequence == self.last + 1
            and place.key_id == self.start.key_id
        )

    def run(self) -> Run:
        return Run(self.index, self.start, self.last, self.head, checked=True, entry=None)


def _parse(entry: bytes) -> Leaf | LeafError:
    try:
        return parse_leaf(entry)
    except LeafError as error:
        return error


def _verify(leaves: Sequence[Leaf | LeafError], keys: Keys) -> list[bool | NoteError]:
    """Whether each signature was checked, or why it does not hold."""
    signed = {
        at: (key, leaf.value + b"\n", leaf.blob)
        for at, leaf in enumerate(leaves)
        if isinstance(leaf, Leaf) and (key := keys.get((leaf.envelope.source, leaf.key_id)))
    }
    verdicts: list[bool | NoteError] = [False] * len(leaves)
    for at, refusal in zip(signed, verify_all(list(signed.values())), strict=True):
        verdicts[at] = refusal or True
    return verdicts


def glance(entry: bytes) -> Place | None:
    """Read where an entry says that it belongs, and judge nothing; None if it does not say."""
    value, _, _ = entry.partition(b"\n\n")
    try:
        said = orjson.loads(value)
        source, topic, previous = said["source"], said["topic"], said["previous"]
        sequence = int(said["sequence"])
    except (ValueError, LookupError, TypeError):
        return None
    if not (type(source) is type(topic) is type(previous) is str):
        return None
    return Place(intern(source), intern(topic), sequence, previous, hash_value(value))
