"""Compares what the log says about its streams with the streams it holds (design §8).

A seal names every stream that moved since the seal before, with its first and last place and the
hash at its head, so that completeness lies inside the tree. Pure; the judge tells it every record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.common.contracts.log import Row, Sealed
from sanyuan.common.envelope import ZERO_HASH

Stream = tuple[str, str]
"""(source, signed topic)."""
START: Final = (0, ZERO_HASH)
"""Where a stream stands before its first record."""


@dataclass
class SealBook:
    """What moved since the last whole seal, and the parts of the one being read."""

    moved: dict[Stream, int] = field(default_factory=dict)
    """Stream -> first place since the last seal."""
    previous: int | None = None
    """Index of the last part of the last whole seal."""
    positions: dict[str, dict[str, int]] = field(default_factory=dict)
    """Kafka topic -> partition -> next offset, as the seals say."""
    rows: list[Row] = field(default_factory=list)
    part: int = 0
    """The last part read of the seal being read; 0 between seals."""
    parts: int = 0
    times: dict[Stream, int] = field(default_factory=dict)
    """Stream -> time (seconds since 1970, audit's clock) of the last seal in which it moved."""
    newest: int | None = None
    """Time of the newest whole seal."""

    def move(self, stream: Stream, sequence: int) -> None:
        """A stream took a place."""
        if stream not in self.moved:
            self.moved[stream] = sequence

    @property
    def settled(self) -> bool:
        """Whether every record so far is under a whole seal."""
        return not self.moved and not self.part

    def interrupted(self, index: int) -> Iterator[Finding]:
        """A leaf that is no seal part came: complain when a seal was being read."""
        if self.part:
            yield Finding(
                Grade.FORGED, f"a seal ends after part {self.part} of {self.parts}", index=index
            )
            self._begin_anew()

    def seal(
        self, index: int, sealed: Sealed, heads: dict[Stream, tuple[int, str]], time: str
    ) -> list[Finding]:
        """Take one part; at the last one compare the whole seal with the streams' `heads`.

        `time` is when audit sealed, by RFC 3339.
        """
        findings = list(self._check_place(index, sealed))
        self.part, self.parts = sealed.part, sealed.parts
        self.rows += sealed.rows
        findings += self._advance(index, sealed)
        if sealed.part == sealed.parts:
            findings += self._compare(index, heads)
            self.previous = index
            self.newest = _seconds(time, self.newest or 0)
            self.times.update(dict.fromkeys(self.moved, self.newest))
            self.moved.clear()
            self._begin_anew()
        return findings

    def silence(self, stream: Stream) -> int:
        """Seconds from the seal in which a stream moved last to the newest one; 0 if unsealed."""
        if stream in self.moved or self.newest is None:
            return 0
        return max(0, self.newest - self.times.get(stream, self.newest))

    def _begin_anew(self) -> None:
        self.part = self.parts = 0
        self.rows = []

    def _check_place(self, index: int, sealed: Sealed) -> Iterator[Finding]:
        fits = (sealed.part, sealed.parts) == (self.part + 1, self.parts or sealed.parts)
        if not fits or sealed.part > sealed.parts:
            what = f"seal part {sealed.part} of {sealed.parts} follows {self.part} of {self.parts}"
            yield Finding(Grade.FORGED, what, index=index)
        if sealed.previous_seal != self.previous:
            yield Finding(
                Grade.FORGED,
                "a seal names another seal before it",
                index=index,
                expected=str(self.previous),
                found=str(sealed.previous_seal),
            )

    def _advance(self, index: int, sealed: Sealed) -> Iterator[Finding]:
        for topic, partitions in sealed.positions.items():
            known = self.positions.setdefault(topic, {})
            for partition, offset in partitions.items():
                if offset <= known.get(partition, -1):
                    yield Finding(
                        Grade.FORGED,
                        f"a seal sets partition {partition} back",
                        index=index,
                        topic=topic,
                        expected=f"more than {known[partition]}",
                        found=str(offset),
                    )
                known[partition] = offset

    def _compare(self, index: int, heads: dict[Stream, tuple[int, str]]) -> Iterator[Finding]:
        expected = {
            stream: (stream[0], stream[1], first, *heads[stream])
            for stream, first in self.moved.items()
        }
        found = {(row[0], row[1]): row for row in self.rows}
        if [row[:2] for row in self.rows] != sorted(found):
            yield Finding(Grade.FORGED, "a seal's rows are not sorted, or doubled", index=index)
        for stream in sorted(expected.keys() | found.keys()):
            if expected.get(stream) != found.get(stream):
                yield _wrong_row(index, stream, expected.get(stream), found.get(stream))

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON can hold it; see `load`."""
        moved = [[*stream, first] for stream, first in self.moved.items()]
        return {
            "moved": moved,
            "previous": self.previous,
            "positions": self.positions,
            "rows": self.rows,
            "part": self.part,
            "parts": self.parts,
            "times": [[*stream, at] for stream, at in self.times.items()],
            "newest": self.newest,
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> SealBook:
        """Return the state that `dump` saved."""
        moved = {(source, topic): first for source, topic, first in saved.pop("moved")}
        rows = [tuple(row) for row in saved.pop("rows")]
        times = {(source, topic): at for source, topic, at in saved.pop("times")}
        return cls(moved=moved, rows=rows, times=times, **saved)


def _seconds(time: str, before: int) -> int:
    """Parse RFC 3339; a time that no calendar has (a leap second) counts as `before`."""
    try:
        return int(datetime.fromisoformat(time).timestamp())
    except (ValueError, OverflowError):
        return before


def _wrong_row(index: int, stream: Stream, expected: Row | None, found: Row | None) -> Finding:
    return Finding(
        Grade.FORGED,
        "a seal says something else about a stream than the log holds",
        index=index,
        source=stream[0],
        topic=stream[1],
        sequence=(found or expected or (0, 0, 0, 0))[3],
        expected=_row(expected),
        found=_row(found),
    )


def _row(row: Row | None) -> str:
    return "no row" if row is None else f"{row[2]} to {row[3]}, head {row[4]}"
