"""Seals, and what a new year begins with: all streams, in parts that fit a record (design §8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import orjson

from sanyuan.audit.state import Partition, State
from sanyuan.common.contracts.log import CarriedOver, HeadRow, Row, Sealed

R = TypeVar("R", Row, HeadRow)
PART_BYTES: Final = 56 * 1024
"""Of rows and positions in one part: an envelope fits beside them into 60 KiB."""


def rows_of(state: State) -> list[Row]:
    """Return a sorted row for each stream that moved since the last seal."""
    return sorted(
        (
            stream[0],
            f"{state.domain}/{stream[1]}",
            state.sealed.get(stream, 0) + 1,
            state.places[stream].sequence,
            state.places[stream].hash,
        )
        for stream in state.moved
    )


def moved_offsets(state: State) -> dict[Partition, int]:
    """Return the next offsets that the last seal did not name."""
    return {
        partition: offset
        for partition, offset in state.offsets.items()
        if offset != state.sealed_offsets.get(partition)
    }


def seal_parts(state: State) -> list[Sealed]:
    """Return the parts of the seal over everything up to now; at least one."""
    positions: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(moved_offsets(state).items()):
        positions.setdefault(topic, {})[str(partition)] = offset
    cuts = list(_cut(rows_of(state), len(orjson.dumps(positions))))
    return [
        Sealed(
            part=at + 1,
            parts=len(cuts),
            previous_seal=state.previous_seal,
            positions=positions if at == 0 else {},
            rows=tuple(rows),
        )
        for at, rows in enumerate(cuts)
    ]


def carried_parts(state: State, log: str, note: bytes) -> list[CarriedOver]:
    """Return what the next year's log begins with; `note` is the final checkpoint of `log`."""
    positions: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(state.offsets.items()):
        positions.setdefault(topic, {})[str(partition)] = offset
    gaps = sorted(
        (source, f"{state.domain}/{topic}", waiting.expected, waiting.seen)
        for (source, topic), waiting in state.waiting.items()
        if waiting.gap is not None
    )
    heads: list[HeadRow] = sorted(
        (source, f"{state.domain}/{topic}", place.sequence, place.hash)
        for (source, topic), place in state.places.items()
    )
    used = len(note) + len(orjson.dumps(positions)) + len(orjson.dumps(gaps))
    cuts = list(_cut(heads, used))
    return [
        CarriedOver(
            part=at + 1,
            parts=len(cuts),
            log=log,
            checkpoint=note.decode() if at == 0 else None,
            positions=positions if at == 0 else {},
            gaps=tuple(gaps) if at == 0 else (),
            heads=tuple(rows),
        )
        for at, rows in enumerate(cuts)
    ]


def _cut(rows: list[R], used: int) -> Iterator[list[R]]:
    part: list[R] = []
    for row in rows:
        length = len(orjson.dumps(row)) + 1
        if used + length > PART_BYTES and (part or used):
            yield part
            part, used = [], 0
        part.append(row)
        used += length
    yield part
