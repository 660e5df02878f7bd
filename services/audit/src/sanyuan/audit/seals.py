"""Seals: which places of which streams the log has, in parts that fit a record (design §8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from sanyuan.audit.state import Partition, State
from sanyuan.common.contracts.log import Row, Sealed

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


def _cut(rows: list[Row], used: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        length = len(orjson.dumps(row)) + 1
        if used + length > PART_BYTES and (part or used):
            yield part
            part, used = [], 0
        part.append(row)
        used += length
    yield part
