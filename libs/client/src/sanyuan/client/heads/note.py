"""A note of stream heads: what a system says, signed, of how far its own streams go. Pure.

A C2SP signed note whose text is the title, the source, the time (a claim of the sender), and a line
for each stream: signed topic, last place in decimal, hex SHA-256 of the value there; sorted by
topic, each once. One signature, under a record key of the source. No record can be taken for one: a
record's value has no newline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self

from sanyuan.common.envelope import HEX_SHA256
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import Note, NoteError, SigningKey, VerifierKey, parse_signature
from sanyuan.common.sources import SourceError, key_name, parse_source

TITLE: Final = "sanyuan-heads/v1"
LEAST_LINES: Final = 3
_HASH: Final = re.compile(HEX_SHA256)
_TOPIC: Final = re.compile(r"[a-z][a-z0-9.-]{0,255}/[a-z][a-z0-9-]{0,127}")
_PLACE: Final = re.compile(r"[1-9][0-9]{0,17}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


class HeadsError(SanyuanError):
    """A text is no note of heads, or not its source's."""


class Head(NamedTuple):
    """The last record of a stream; ``topic`` as it is signed (``cn/calls``)."""

    topic: str
    last: int
    hash: str

    def __str__(self) -> str:
        return f"{self.topic} {self.last} {self.hash}"


@dataclass(frozen=True, slots=True)
class Heads:
    """All heads of one source at a time (RFC 3339, microseconds, ``Z``)."""

    source: str
    time: str
    streams: tuple[Head, ...]

    @classmethod
    def of(cls, source: str, time: str, streams: Iterable[Head]) -> Self:
        """Heads in any order."""
        return cls(source, time, tuple(sorted(streams)))

    def sign(self, key: SigningKey) -> bytes:
        """The note under a key of the source."""
        lines = (TITLE, self.source, self.time, *map(str, self.streams))
        text = "".join(f"{line}\n" for line in lines).encode()
        return bytes(Note(text, (key.sign(text),)))

    def behind(self, other: Heads) -> Head | None:
        """The first head of ``other`` that this one does not reach, or contradicts."""
        mine = {head.topic: head for head in self.streams}
        for head in other.streams:
            own = mine.get(head.topic)
            if own is None or own.last < head.last or (own.last == head.last and own != head):
                return head
        return None


@dataclass(frozen=True, slots=True)
class SignedHeads:
    """A note as it came; trust nothing before `verify`."""

    raw: bytes
    heads: Heads
    key_id: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a note, by its one spelling; raises HeadsError."""
        try:
            note = Note.parse(raw)
            (line,) = note.signatures
            name, key_id, _ = parse_signature(line)
            heads = _parse_text(note.text.decode())
        except (NoteError, SourceError) as error:
            raise HeadsError(f"no note of heads: {error}") from None
        except ValueError:
            raise HeadsError("a note of heads has one signature") from None
        if name != key_name(heads.source):
            raise HeadsError("the note is signed by somebody else than its source", where=name)
        return cls(raw, heads, key_id)

    def verify(self, key: VerifierKey) -> None:
        """Raises HeadsError unless ``key`` has signed it."""
        try:
            Note.parse(self.raw).verify([key])
        except NoteError as error:
            raise HeadsError(error.what, where=self.heads.source) from None


def _parse_text(text: str) -> Heads:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < LEAST_LINES or lines[0] != TITLE:
        raise HeadsError(f"the first line of heads is {TITLE}")
    _, source, time, *rest = lines
    parse_source(source)
    if _TIME.fullmatch(time) is None or not _is_time(time):
        raise HeadsError("the third line is a time in UTC with microseconds and Z")
    streams = tuple(_parse_head(line) for line in rest)
    topics = [head.topic for head in streams]
    if topics != sorted(set(topics)):
        raise HeadsError("streams are sorted by topic, each once")
    return Heads(source, time, streams)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _parse_head(line: str) -> Head:
    topic, _, rest = line.partition(" ")
    last, _, head = rest.partition(" ")
    good = _TOPIC.fullmatch(topic) and _PLACE.fullmatch(last) and _HASH.fullmatch(head)
    if not good:
        raise HeadsError("a stream is its topic, its last place and a hash")
    return Head(topic, int(last), head)
