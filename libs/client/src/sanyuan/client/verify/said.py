"""What the agency said, as one verifies it and as one remembers it (design §2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sanyuan.common.directory import Directory
from sanyuan.common.folding import fold
from sanyuan.common.leaf import Leaf
from sanyuan.common.sources import key_name

Said = tuple[int, str, str, dict[str, Any]]
"""Sequence, hex key id, type and data of an authentic record of `participants`."""


class _Remembered(NamedTuple):
    source: str
    type: str
    number: int
    data: dict[str, Any]


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
        said = _Remembered(f"//{directory.pinned.name}", kind, number, data)
        directory = fold(directory, said, bytes.fromhex(key_id))
    return directory
