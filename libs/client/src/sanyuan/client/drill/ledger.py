"""A log in memory whose every key one holds: what an attacker of any rank can make of it.

`rewrite` is what an operator does who holds some of the keys: it numbers, chains, seals and signs
again whatever those keys can sign, and leaves the rest as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from sanyuan.client.verify.source import CHECKPOINT
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import encode_leaf, parse_leaf
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tiles import ENTRIES, WIDTH, Tile, encode_bundle, tiles_between
from sanyuan.common.tlog.tree import Tree

Stream = tuple[str, str]
Head = tuple[int, str]
"""A stream's last place and the hash of its value."""
Heads = Mapping[Stream, Head]
SEAL: Final = "log.sealed.v1"
Files = Mapping[str, bytes]
"""Path below the log's prefix -> bytes."""


class DrillError(SanyuanError):
    """The log is no ground for a drill."""


class Entry(NamedTuple):
    """An entry and what it says."""

    raw: bytes
    source: str
    topic: str
    sequence: int
    type: str

    @property
    def stream(self) -> Stream:
        """(source, signed topic)."""
        return self.source, self.topic

    @property
    def own(self) -> bool:
        """Whether it is one of audit's own."""
        return self.topic.endswith("/log")

    @classmethod
    def parse(cls, raw: bytes) -> Entry:
        """Parse an entry; raises LeafError."""
        envelope = parse_leaf(raw).envelope
        return cls(raw, envelope.source, envelope.topic, envelope.number, envelope.type)


@dataclass(frozen=True)
class Ledger:
    """A log with its keys: `keys` by source, the newest of each."""

    entries: tuple[Entry, ...]
    keys: Mapping[str, SigningKey]
    agency: SigningKey
    log_key: SigningKey
    origin: str
    carried: Heads = field(default_factory=dict)
    """Where the streams stood when a later year's log began; empty in a domain's first log."""

    @cached_property
    def files(self) -> Files:
        """The log as files, its checkpoint signed by the log's key; read-only."""
        hashes = [leaf_hash(entry.raw) for entry in self.entries]
        tree = Tree()
        files = {tile.path: raw for tile, raw in tree.extend(hashes)}
        files |= {tile.path: raw for tile, raw in tree.partial()}
        for tile in tiles_between(0, len(hashes)):
            if tile.level == ENTRIES:
                first = tile.index * WIDTH
                some = self.entries[first : first + tile.width]
                files[tile.path] = encode_bundle(entry.raw for entry in some)
        head = Checkpoint(self.origin, len(hashes), tree.root())
        return MappingProxyType({CHECKPOINT: head.sign([self.log_key]), **files})

    @cached_property
    def streams(self) -> Mapping[Stream, Sequence[int]]:
        """Stream -> indices of its records; audit's own and the agency's left out."""
        found: dict[Stream, list[int]] = {}
        for index, entry in enumerate(self.entries):
            if not entry.own and not entry.topic.endswith("/participants"):
                found.setdefault(entry.stream, []).append(index)
        return found

    @cached_property
    def seals(self) -> Sequence[int]:
        """Indices of the last parts of whole seals."""
        return [at for at, entry in enumerate(self.entries) if _ends_seal(entry)]

    def holding(self, entries: Iterable[Entry]) -> Ledger:
        """Return the same log with other entries, signed anew by the log's key."""
        return replace(self, entries=tuple(entries))

    def rewritten(self, entries: Iterable[Entry], holds: Collection[str]) -> Ledger:
        """Return it with other entries, made consistent by whoever holds these sources' keys."""
        return self.holding(Pen(self.keys, holds, dict(self.carried)).rewrite(entries))


@dataclass
class Pen:
    """Writes entries again, in order, under the keys of the sources that it `holds`."""

    keys: Mapping[str, SigningKey]
    holds: Collection[str]
    heads: dict[Stream, Head] = field(default_factory=dict)
    moved: dict[Stream, int] = field(default_factory=dict)
    gaps: dict[tuple[str, str, int], int] = field(default_factory=dict)
    previous_seal: int | None = None
    rows: list[list[Any]] = field(default_factory=list)
    index: int = 0

    def rewrite(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries as they can be made to fit."""
        return [self.write(entry) for entry in entries]

    def write(
        self,
        entry: Entry,
        *,
        data: dict[str, Any] | None = None,
        key: SigningKey | None = None,
    ) -> Entry:
        """Return the next entry, with other data and under another key where these are given."""
        last, head = self.heads.get(entry.stream, (0, ZERO_HASH))
        if entry.source in self.holds:
            said = orjson.loads(entry.raw.partition(b"\n\n")[0])
            said |= {"sequence": format_sequence(last + 1), "previous": head}
            said["data"] = self._own(entry, said["data"] if data is None else data)
            value = encode(said)
            signer = key or self.keys[entry.source]
            raw = encode_leaf(value, signer.sign(value + b"\n").encode())
            entry = entry._replace(raw=raw, sequence=last + 1)
        value, _, _ = entry.raw.partition(b"\n\n")
        self.heads[entry.stream] = (entry.sequence, hash_value(value))
        if not entry.own:
            self.moved.setdefault(entry.stream, entry.sequence)
        self.index += 1
        return entry

    def _own(self, entry: Entry, data: dict[str, Any]) -> dict[str, Any]:
        """Audit's own leaves speak of heads, places and indices: as these are now."""
        if not entry.own:
            return data
        if entry.type == SEAL:
            return self._seal(data)
        if entry.type == "log.gap.v1":
            self.gaps[data["source"], data["topic"], data["expected"]] = self.index
        elif entry.type == "log.gap-closed.v1":
            opened = self.gaps.get((data["source"], data["topic"], data["expected"]))
            return data | {"gap": data["gap"] if opened is None else opened}
        return data

    def _seal(self, data: dict[str, Any]) -> dict[str, Any]:
        part, parts = data["part"], data["parts"]
        if part == 1:
            moved = sorted(self.moved.items())
            self.rows = [[*stream, first, *self.heads[stream]] for stream, first in moved]
            self.moved = {}
        size = -(-len(self.rows) // parts)
        rows = self.rows[(part - 1) * size : part * size]
        sealed = data | {"previous_seal": self.previous_seal, "rows": rows}
        if part == parts:
            self.previous_seal = self.index
        return sealed


@dataclass
class MemorySource:
    """A log's files in memory; see `verify.source.LogSource`."""

    files: Files
    name: str = "the drill's copy"
    partial: bool = False

    def read(self, path: str) -> bytes | None:
        """Return a file, None when there is none."""
        return self.files.get(path)

    def year(self, year: int) -> MemorySource | None:  # noqa: ARG002 -- there is none
        """Return None: the copy is of one year."""
        return None

    def fingerprint(self, tiles: Iterable[Tile]) -> bytes | None:
        """Digest the files themselves."""
        digest = hashlib.sha256()
        for tile in tiles:
            raw = self.files.get(tile.path)
            if raw is None:
                return None
            digest.update(hashlib.sha256(raw).digest())
        return digest.digest()


def _ends_seal(entry: Entry) -> bool:
    if entry.type != SEAL or not entry.own:
        return False
    data = orjson.loads(entry.raw.partition(b"\n\n")[0])["data"]
    return bool(data["part"] == data["parts"])
