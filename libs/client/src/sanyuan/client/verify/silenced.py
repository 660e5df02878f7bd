"""Signed heads against a verified log: which streams the log does not have, or has otherwise.

A head counts from a minute before the log's last seal; later ones may be on their way. What a head
says of a place that the log has passed is compared with the entries, the newest first, until every
one is found. Heads come from the supervisor's receiver (ADR 0030); their signatures are checked by
the keys that the log itself registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from sanyuan.client.heads.keeping import Notes, Posted, load_folder
from sanyuan.client.heads.note import Head, HeadsError
from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.looking import look_back
from sanyuan.client.verify.source import LogSource, SourceError, read_tile
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import ZERO_HASH
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import WIDTH

GRACE_SECONDS: Final = 60.0
"""What a record may take into the log, and clocks may differ; a gap is stated after as long."""
TIMEOUT_SECONDS: Final = 30.0

Stream = tuple[str, str]
"""(source, signed topic)."""
LogHeads = Mapping[Stream, tuple[int, str]]
"""Last place and hash of each stream in the log."""


def load_posted(where: str) -> list[Posted]:
    """Every note of the supervisor's folder or receiver; raises SourceError."""
    try:
        if where.startswith(("http://", "https://")):
            url = f"{where.rstrip('/')}/heads"
            answer = httpx.get(url, timeout=TIMEOUT_SECONDS).raise_for_status()
            return Notes.read(answer.content, url)
        if not Path(where).is_dir():
            raise SourceError("there is no such folder of heads", where=where)
        return list(load_folder(Path(where)))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, HeadsError) as error:
        what = f"the heads cannot be read: {str(error) or type(error).__name__}"
        raise SourceError(what, where=where) from None


@dataclass(frozen=True, slots=True)
class _Claim:
    """A head that its source signed, and when the supervisor got it."""

    source: str
    head: Head
    received: float

    @property
    def stream(self) -> Stream:
        return self.source, self.head.topic


def compare_heads(
    posted: Sequence[Posted],
    source: LogSource,
    checkpoint: Checkpoint,
    heads: LogHeads,
    directory: Directory,
) -> Iterator[Finding]:
    """Compare with the verified log of ``checkpoint``; raises nothing for what it finds."""
    if not posted:
        return
    claims: list[_Claim] = []
    for each in posted:
        if (why := _distrust(each, directory)) is not None:
            what = f"a note of heads does not count: {why}"
            yield Finding(Grade.NOTICE, what, source=each.heads.source)
        else:
            claims += [
                _Claim(each.heads.source, head, each.received) for head in each.heads.streams
            ]
    try:
        reader = _Entries(source, checkpoint)
        yield from _silenced(claims, heads, reader.sealed_at())
        yield from _otherwise(claims, heads, reader)
    except SanyuanError as error:  # the verification itself has named what is wrong, if anything is
        yield Finding(Grade.UNREADABLE, f"heads cannot be compared: {error}", path=error.where)


def _distrust(posted: Posted, directory: Directory) -> str | None:
    key = directory.keys_of(posted.heads.source).get(posted.note.key_id)
    if key is None:
        return "the log registers no such key for its source"
    try:
        posted.note.verify(key)
    except HeadsError as error:
        return error.what
    return None


def _silenced(claims: Iterable[_Claim], heads: LogHeads, sealed_at: float) -> Iterator[Finding]:
    """One finding for a stream, by the furthest head that the log should have."""
    furthest: dict[Stream, _Claim] = {}
    for claim in claims:
        place, _ = heads.get(claim.stream, (0, ZERO_HASH))
        known = furthest.get(claim.stream)
        if claim.head.last <= place or abs(claim.received - sealed_at) < GRACE_SECONDS:
            continue
        if known is None or known.head.last < claim.head.last:
            furthest[claim.stream] = claim
    for (source, topic), claim in sorted(furthest.items()):
        place, found = heads.get((source, topic), (0, ZERO_HASH))
        seconds = round(abs(sealed_at - claim.received))
        when = (
            f"{seconds} s before the log's last seal"
            if claim.received < sealed_at
            else f"{seconds} s after the log's last seal: the log is older, or held up"
        )
        yield Finding(
            Grade.INCOMPLETE,
            f"silenced: the source had signed {claim.head.last} records of this stream, "
            f"{when}; the log has {place}",
            source=source,
            topic=topic,
            sequence=claim.head.last,
            expected=claim.head.hash,
            found=found,
        )


def _otherwise(claims: Iterable[_Claim], heads: LogHeads, reader: _Entries) -> Iterator[Finding]:
    """Places that the log has, with other records than their source told the supervisor."""
    known: dict[tuple[str, str, int], str] = {}
    wanted: set[tuple[str, str, int]] = set()
    claimed: dict[tuple[str, str, int], set[str]] = {}
    for claim in claims:
        place = (*claim.stream, claim.head.last)
        last, head = heads.get(claim.stream, (0, ZERO_HASH))
        if claim.head.last == last:
            known[place] = head
        elif claim.head.last < last:
            wanted.add(place)
        claimed.setdefault(place, set()).add(claim.head.hash)
    known |= reader.find(wanted)
    for (source, topic, last), found in sorted(known.items()):
        for said in sorted(claimed[source, topic, last] - {found}):
            yield Finding(
                Grade.INCOMPLETE,
                "the source told the supervisor of another record at this place than the log has",
                source=source,
                topic=topic,
                sequence=last,
                expected=said,
                found=found,
            )


class _Entries:
    """The entries of a verified log, from its end."""

    def __init__(self, source: LogSource, checkpoint: Checkpoint) -> None:
        self._tiles = AuthenticTiles(partial(read_tile, source), checkpoint, source.name)
        self._size = checkpoint.size

    def sealed_at(self) -> float:
        """When the last entry was written, which a checkpoint's seal is (seconds since 1970)."""
        if not self._size:
            return 0.0
        last = parse_leaf(self._tiles.entries((self._size - 1) // WIDTH)[-1])
        return datetime.fromisoformat(last.envelope.time).timestamp()

    def find(self, wanted: set[tuple[str, str, int]]) -> dict[tuple[str, str, int], str]:
        """The hashes of records, each by its own entry or by what the next of its stream names."""
        left, found = set(wanted), dict[tuple[str, str, int], str]()

        def numbers() -> set[int]:
            return {number + step for _, _, number in left for step in (0, 1)}

        for _, _, leaf in look_back(self._tiles, numbers):
            source, topic, number = *leaf.stream, leaf.envelope.number
            for at, its in ((number, leaf.hash), (number - 1, leaf.envelope.previous)):
                if (place := (source, topic, at)) in left:
                    found[place] = its
                    left.discard(place)
        return found
