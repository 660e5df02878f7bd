"""What the agency said, as one verifies it and as one remembers it (design §2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sanyuan.common.directory import Directory
from sanyuan.common.envelope import ZERO_HASH, Envelope, format_sequence
from sanyuan.common.folding import PARTICIPANTS, fold
from sanyuan.common.leaf import Leaf
from sanyuan.common.sources import key_name

_FORGOTTEN_ID: Final = "00000000-0000-0000-0000-000000000000"
_FORGOTTEN_TIME: Final = "1970-01-01T00:00:00Z"
"""What nobody asks of a record of the agency is not remembered; an envelope has it all the same."""

Said = tuple[int, str, str, dict[str, Any]]
"""Sequence, hex key id, type and data of an authentic record of `participants`."""


def fold_leaf(directory: Directory, leaf: Leaf) -> Directory:
    """Apply a leaf of `participants`; only the agency writes there."""
    envelope = leaf.envelope
    if key_name(envelope.source) != directory.pinned.name:
        return directory
    return fold(directory, envelope, leaf.key_id)


def said_by(leaf: Leaf) -> Said:
    """Return what is worth remembering of a verified leaf: a third of it, without its signature."""
    envelope = leaf.envelope
    return envelope.number, leaf.key_id.hex(), envelope.type, envelope.data


def fold_said(directory: Directory, all_said: Iterable[Said]) -> Directory:
    """Apply again what an earlier run has verified."""
    for number, key_id, kind, data in all_said:
        envelope = Envelope(
            specversion="1.0",
            id=_FORGOTTEN_ID,
            source=f"//{directory.pinned.name}",
            type=kind,
            time=_FORGOTTEN_TIME,
            topic=PARTICIPANTS,
            sequence=format_sequence(number),
            previous=ZERO_HASH,
            data=data,
        )
        directory = fold(directory, envelope, bytes.fromhex(key_id))
    return directory
