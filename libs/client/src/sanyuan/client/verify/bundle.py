"""The part of the verification that runs on every core: one bundle, as far as it stands alone.

Pure. A worker gets the bytes of a bundle and of its hash tile and the keys known so far; it hashes
and parses every entry and checks every signature whose key it knows. Whether that key was allowed
to sign at that index, and the order of things, is judged afterwards by `history`, in sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import intern
from typing import Final, NamedTuple

from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tiles import BLANK, TileError, decode_bundle, decode_hashes

Keys = Mapping[tuple[str, bytes], VerifierKey]
"""(source, key id) -> key."""


WHOLE: Final = ("/participants", "/log", "/audit-commands")
"""Signed topics (without domain) whose entries the judge needs verbatim."""


class Fact(NamedTuple):
    """What one entry says, small enough to travel between processes by the million."""

    source: str
    topic: str
    sequence: int
    previous: str
    hash: str
    key_id: bytes
    checked: bool
    """Whether the signature holds under the key that the worker was given for `key_id`."""
    entry: bytes | None
    """Verbatim, where the judge needs more than these facts."""


class Blank(NamedTuple):
    """An entry whose bytes are not shown; `leaf` is its hash in the tree."""

    leaf: bytes


class Task(NamedTuple):
    """One bundle: `raw` and `tile` are its bytes and those of its level 0 hash tile."""

    first: int
    width: int
    raw: bytes
    tile: bytes


class Mismatch(NamedTuple):
    """The entry of this leaf does not have the hash that its tile says."""

    leaf: int
    tile: bytes
    entry: bytes


class Facts(NamedTuple):
    """What a bundle says, entry by entry, in order."""

    first: int
    hashes: list[bytes]
    facts: list[Fact | Blank | str]
    """A text is why an entry is no authentic record."""
    mismatches: list[Mismatch]
    broken: str | None = None
    """Why the bundle or its tile could not be read at all."""


def check_bundles(tasks: list[Task], keys: Keys) -> list[Facts]:
    """Check several bundles."""
    return [check_bundle(task, keys) for task in tasks]


def check_bundle(task: Task, keys: Keys) -> Facts:
    """Check one bundle."""
    try:
        entries = decode_bundle(task.raw, task.width)
        expected = decode_hashes(task.tile, task.width)
    except TileError as error:
        return Facts(task.first, [], [], [], error.what)
    hashes = [
        expected[at] if entry == BLANK else leaf_hash(entry) for at, entry in enumerate(entries)
    ]
    mismatches = [
        Mismatch(task.first + at, expected[at], hashes[at])
        for at in range(task.width)
        if expected[at] != hashes[at]
    ]
    return Facts(task.first, hashes, check_entries(entries, hashes, keys), mismatches)


def check_entries(
    entries: list[bytes], hashes: Sequence[bytes], keys: Keys
) -> list[Fact | Blank | str]:
    """Parse entries, whose leaf hashes are `hashes`; check the signatures whose keys are known."""
    return [_check(entry, leaf, keys) for entry, leaf in zip(entries, hashes, strict=True)]


def _check(entry: bytes, leaf: bytes, keys: Keys) -> Fact | Blank | str:
    if entry == BLANK:
        return Blank(leaf)
    try:
        parsed = parse_leaf(entry)
        key = keys.get((parsed.envelope.source, parsed.key_id))
        if key is not None:
            parsed.verify(key)
    except (LeafError, NoteError) as error:
        return str(error)
    return _fact(parsed, entry, checked=key is not None)


def _fact(leaf: Leaf, entry: bytes, *, checked: bool) -> Fact:
    envelope = leaf.envelope
    # Interned texts are one object each: pickle then writes them once for the whole bundle.
    return Fact(
        source=intern(envelope.source),
        topic=intern(envelope.topic),
        sequence=envelope.number,
        previous=envelope.previous,
        hash=leaf.hash,
        key_id=leaf.key_id,
        checked=checked,
        entry=entry if not checked or envelope.topic.endswith(WHOLE) else None,
    )
