"""The part of the verification that runs on every core: bundles, as far as they stand alone.

Pure. A worker gets the bytes of some bundles and of their hash tiles and the keys known so far; it
hashes and parses every entry, checks every signature whose key it knows, and joins the records of
a stream that continue each other to runs. Whether a key was allowed to sign at that index, and how
the runs fit together, is judged afterwards by `history`, in sequence: so little is left for the one
process that must see everything in order.
"""

from __future__ import annotations

from typing import NamedTuple

from sanyuan.client.verify.runs import Facts, Keys, Place, Runs, glance
from sanyuan.common.tlog.merkle import leaf_hash, perfect_root
from sanyuan.common.tlog.tiles import (
    BLANK,
    ENTRIES,
    WIDTH,
    Tile,
    TileError,
    decode_bundle,
    decode_hashes,
)


class Task(NamedTuple):
    """One bundle: `raw` and `tile` are its bytes and those of its level 0 hash tile."""

    first: int
    width: int
    raw: bytes
    tile: bytes
    skip: int = 0
    """So many entries were judged by an earlier run."""


class Mismatch(NamedTuple):
    """The entry of this leaf does not have the hash that its tile says."""

    leaf: int
    tile: bytes
    entry: bytes
    place: Place | None


class Bundle(NamedTuple):
    """The hashes of a bundle's entries."""

    first: int
    hashes: list[bytes]
    root: bytes | None
    """Of a full one: the hash that the next level has for it."""
    mismatches: list[Mismatch]
    broken: tuple[Tile, str] | None = None
    """Which file of the two could not be read at all, and why."""


def check_bundles(tasks: list[Task], keys: Keys | None) -> tuple[list[Bundle], Facts]:
    """Check consecutive bundles up to the first broken one.

    Without `keys`, signatures and all but what tree and streams need is left unchecked.
    """
    bundles: list[Bundle] = []
    runs = Runs(keys)
    end = 0
    for task in tasks:
        bundle, entries = _check_bundle(task)
        bundles.append(bundle)
        if bundle.broken:
            break
        end = runs.add(task.first + task.skip, entries[task.skip :], bundle.hashes[task.skip :])
    return bundles, Facts(end, runs.parts())


def _check_bundle(task: Task) -> tuple[Bundle, list[bytes]]:
    level = ENTRIES
    try:
        entries = decode_bundle(task.raw, task.width)
        level = 0
        expected = decode_hashes(task.tile, task.width)
    except TileError as error:
        broken = Tile(level, task.first // WIDTH, task.width), error.what
        return Bundle(task.first, [], None, [], broken), []
    hashes = [
        expected[at] if entry == BLANK else leaf_hash(entry) for at, entry in enumerate(entries)
    ]
    mismatches = [] if hashes == expected else list(_compare(task.first, entries, expected, hashes))
    root = perfect_root(hashes) if task.width == WIDTH else None
    return Bundle(task.first, hashes, root, mismatches), entries


def _compare(
    first: int, entries: list[bytes], expected: list[bytes], hashes: list[bytes]
) -> list[Mismatch]:
    return [
        Mismatch(first + at, expected[at], hashes[at], glance(entry))
        for at, entry in enumerate(entries)
        if expected[at] != hashes[at]
    ]
