"""Finds a record in a log and puts its proof together, from tiles that are proven as they are read.

A record is wanted by its index, by its place in its stream, or by its id. Without an index the log
is read from its beginning up to the record; only what looks like it is hashed and parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from sanyuan.client.proving.bundle import RecordProof, RecordProofError, registered_key
from sanyuan.client.verify.source import CHECKPOINT, COSIGNED, LogSource, SourceError, read_tile
from sanyuan.common.envelope import format_sequence
from sanyuan.common.errors import SanyuanError
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_for
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.sources import SOURCE, key_name
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import inclusion_proof
from sanyuan.common.tlog.tiles import BLANK, ENTRIES, WIDTH, Tile, nodes_of

MAX_DIGITS: Final = 18
_INDEX: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACE: Final = re.compile(rf"({SOURCE})/([a-z0-9-]+)/([0-9]{{1,{MAX_DIGITS}}})")
_REGISTERS: Final = f'/{PARTICIPANTS}"'.encode()


class NoSuchRecordError(SanyuanError):
    """The log has no such record."""


@dataclass(frozen=True)
class ByIndex:
    """Entry `index` of the log."""

    index: int


@dataclass(frozen=True)
class ByPlace:
    """Record `sequence` of a stream; `topic` is without domain."""

    source: str
    topic: str
    sequence: int


@dataclass(frozen=True)
class ById:
    """The record with this id."""

    id: str


Wanted = ByIndex | ByPlace | ById


def parse_wanted(text: str) -> Wanted:
    """Read what a person types: an index, an id, or `SOURCE/TOPIC/SEQUENCE`.

    Raises NoSuchRecordError.
    """
    if _INDEX.fullmatch(text):
        return ByIndex(int(text))
    if _ID.fullmatch(text):
        return ById(text)
    if found := _PLACE.fullmatch(text):
        *_, topic, sequence = found.groups()
        return ByPlace(found[1], topic, int(sequence))
    raise NoSuchRecordError(
        "this names no record",
        where=text[:200],
        do="give its index in the log, its id, or SOURCE/TOPIC/SEQUENCE",
    )


def find_proof(
    source: LogSource, agency_key: VerifierKey, log_key: VerifierKey, wanted: Wanted
) -> RecordProof:
    """Make the proof of a record, and verify it.

    It is made under the cosigned checkpoint when that covers the record, else under the newest one.
    Raises NoSuchRecordError, SourceError, ForgedLogError and RecordProofError.
    """
    cosigned = source.read(COSIGNED)  # first: the newest checkpoint can only be newer
    raw = source.read(CHECKPOINT)
    if raw is None:
        raise SourceError("the log has no checkpoint yet", where=source.name)
    log_key = verifier_for(log_key, raw)
    search = _search(source, raw, agency_key, log_key)
    index = search.index_of(wanted)
    if cosigned is not None and index < _open(source, cosigned, log_key).size:
        raw, search = cosigned, _search(source, cosigned, agency_key, log_key)
    proof = RecordProof.make(
        search.entry(index),
        (index, search.path(index)),
        [(at, search.entry(at), search.path(at)) for at in search.keys_of(index)],
        raw,
    )
    proof.verify(agency_key, log_key)
    return proof


def _open(source: LogSource, note: bytes, log_key: VerifierKey) -> Checkpoint:
    try:
        return Checkpoint.open(note, origin=log_key.name, keys=[log_key])
    except NoteError as error:
        raise ForgedLogError(error.what, where=source.name) from None


def _search(
    source: LogSource, note: bytes, agency_key: VerifierKey, log_key: VerifierKey
) -> _Search:
    head = _open(source, note, log_key)
    tiles = AuthenticTiles(partial(read_tile, source), head, source.name)
    return _Search(source, tiles, agency_key)


class _Search:
    """Looks around in one tree."""

    def __init__(self, source: LogSource, tiles: AuthenticTiles, agency_key: VerifierKey) -> None:
        self._source = source
        self._tiles = tiles
        self._agency_key = agency_key
        self._node = nodes_of(tiles.head.size, tiles.hashes)

    def entry(self, index: int) -> bytes:
        entry = self._tiles.entries(index // WIDTH)[index % WIDTH]
        if entry == BLANK:
            raise NoSuchRecordError(
                f"entry {index} is withheld, or not shown to this reader", where=self._source.name
            )
        return entry

    def path(self, index: int) -> tuple[bytes, ...]:
        return tuple(inclusion_proof(index, self._tiles.head.size, self._node))

    def index_of(self, wanted: Wanted) -> int:
        """Where the wanted record is; raises NoSuchRecordError."""
        match wanted:
            case ByIndex(index):
                if index < self._tiles.head.size:
                    return index
            case ByPlace(source, topic, sequence):
                place = (source, topic, sequence)
                text = f'"sequence":"{format_sequence(sequence)}"'
                return self._first(text.encode(), lambda leaf: _place_of(leaf) == place)
            case ById(record):
                return self._first(record.encode(), lambda leaf: leaf.envelope.id == record)
            case _:
                assert_never(wanted)
        raise NoSuchRecordError(f"the log has {self._tiles.head.size:,} entries")

    def keys_of(self, index: int) -> list[int]:
        """The registrations that lead from the pinned key to the one of an entry, oldest first.

        Empty for the pinned key, and when there are none: then the proof does not verify.
        """
        leaf = parse_leaf(self.entry(index))
        wanted = key_name(leaf.envelope.source), leaf.key_id
        pinned = self._agency_key.name, self._agency_key.key_id
        chains: dict[tuple[str, bytes], list[int]] = {pinned: []}
        registrations = self._leaves(_REGISTERS, index)
        while wanted not in chains and (found := next(registrations, None)):
            at, each = found
            signer = key_name(each.envelope.source), each.key_id
            if signer[0] == pinned[0] and signer in chains:
                try:
                    key = registered_key(each)
                except (RecordProofError, NoteError):
                    continue
                chains.setdefault((key.name, key.key_id), [*chains[signer], at])
        return chains.get(wanted, [])

    def _first(self, needle: bytes, fits: Callable[[Leaf], bool]) -> int:
        for at, leaf in self._leaves(needle, self._tiles.head.size):
            if fits(leaf):
                return at
        raise NoSuchRecordError(
            "the log has no such record",
            where=f"{self._tiles.head.origin}, {self._tiles.head.size:,} entries",
            do="see whether a seal names it already: a record is in the log after its checkpoint",
        )

    def _leaves(self, needle: bytes, end: int) -> Iterator[tuple[int, Leaf]]:
        """The leaves below `end` that have these bytes; only bundles with them are proven."""
        size = self._tiles.head.size
        for bundle in range(-(-end // WIDTH)):
            width = min(WIDTH, size - bundle * WIDTH)
            if needle not in read_tile(self._source, Tile(ENTRIES, bundle, width)):
                continue
            for at, raw in enumerate(self._tiles.entries(bundle), bundle * WIDTH):
                if at < end and needle in raw:
                    try:
                        yield at, parse_leaf(raw)
                    except LeafError as error:
                        raise ForgedLogError(error.what, where=f"entry {at}") from None


def _place_of(leaf: Leaf) -> tuple[str, str, int]:
    envelope = leaf.envelope
    return envelope.source, envelope.topic.partition("/")[2], envelope.number
