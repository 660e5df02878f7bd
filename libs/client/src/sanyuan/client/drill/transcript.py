"""A copy of a log's beginning under keys made for the drill, so that it can play every attacker.

Keys are in the agency's records and, by their hashes, in seals: these say something else in the
copy. What all others have said stays byte for byte, and so do the hashes of their streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from sanyuan.client.drill.ledger import DrillError, Entry, Ledger, Pen
from sanyuan.client.verify.source import CHECKPOINT, LogSource, read_tile
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_for, verifier_of
from sanyuan.common.notes import SigningKey, VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import ENTRIES, TileError, decode_bundle, tiles_of_level

ENOUGH: Final = 1_000
"""Entries of a copy before its last seal: many bundles and seals, and a verification is short."""
AT_MOST: Final = 20_000
_KEYS: Final = ("signing_key", "agency_key", "log_key")


def copy_log(
    source: LogSource, agency: VerifierKey, log_key: VerifierKey, enough: int = ENOUGH
) -> Ledger:
    """Copy the first entries of a log, `enough` and then up to a seal, every signature made anew.

    Raises DrillError when the log has nothing to try things on, SourceError when it cannot be read.
    """
    head = _head(source, log_key)
    copy = _Copy(agency, verifier_of(log_key, head.origin), head.origin)
    entries: list[Entry] = []
    sealed = 0
    for raw in _read(source, min(head.size, AT_MOST)):
        try:
            entries.append(copy.take(raw))
        except (SanyuanError, KeyError, TypeError, ValueError):
            break  # a forged, withheld or foreign entry: the copy ends before it
        if copy.ends_seal:
            sealed = len(entries)
            if sealed >= enough and _is_rich(copy.ledger(entries)):
                break
    ledger = copy.ledger(entries[:sealed])
    if not _is_rich(ledger):
        raise DrillError(
            "the log has too little to try things on: two streams of three sealed records each",
            where=source.name,
            do="let some records be sent first; of a later year's log, drill on an earlier one",
        )
    return ledger


def _is_rich(ledger: Ledger) -> bool:
    long = [stream for stream, places in ledger.streams.items() if len(places) >= 3]  # noqa: PLR2004 -- as the error says
    return len(long) > 1 and len(ledger.seals) > 1


def _head(source: LogSource, log_key: VerifierKey) -> Checkpoint:
    note = source.read(CHECKPOINT)
    if note is None:
        raise DrillError("the log has no checkpoint", where=source.name)
    return Checkpoint.open(note, keys=[verifier_for(log_key, note)])


def _read(source: LogSource, size: int) -> Iterator[bytes]:
    try:
        for tile in tiles_of_level(ENTRIES, 0, size):
            yield from decode_bundle(read_tile(source, tile), tile.width)
    except TileError:
        return


@dataclass
class _Copy:
    agency: VerifierKey
    log_key: VerifierKey
    origin: str
    keys: dict[str, SigningKey] = field(default_factory=dict)
    """Old verifier key -> ours."""
    signers: dict[tuple[str, bytes], SigningKey] = field(default_factory=dict)
    """(source, id of the old key) -> ours."""
    newest: dict[str, SigningKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ours = self._replace(str(self.agency))
        self.signers[f"//{self.agency.name}", self.agency.key_id] = ours
        self.newest[f"//{self.agency.name}"] = ours
        self._pen = Pen(self.newest, self.newest.keys())

    def take(self, raw: bytes) -> Entry:
        entry = Entry.parse(raw)
        leaf = parse_leaf(raw)
        data = orjson.loads(leaf.value)["data"]
        if entry.topic.endswith("/participants"):
            data = self._replace_keys(data)
        signer = self.signers.get((entry.source, leaf.key_id))
        if signer is None:
            raise LeafError("nobody registered its key")
        return self._pen.write(entry, data=data, key=signer)

    @property
    def ends_seal(self) -> bool:
        """Whether the entry taken last ends a whole seal."""
        return self._pen.previous_seal == self._pen.index - 1

    def ledger(self, entries: list[Entry]) -> Ledger:
        return Ledger(
            tuple(entries),
            self.newest,
            self.keys[str(self.agency)],
            self._replace(str(self.log_key)),
            self.origin,
        )

    def _replace(self, old: str) -> SigningKey:
        if old not in self.keys:
            self.keys[old] = SigningKey.generate(VerifierKey.parse(old).name)
        return self.keys[old]

    def _replace_keys(self, data: dict[str, Any]) -> dict[str, Any]:
        changed = dict(data)
        for name in _KEYS:
            if name not in data:
                continue
            ours = self._replace(data[name])
            changed[name] = str(ours.verifier)
            if name == "signing_key":
                old = VerifierKey.parse(data[name])
                self.signers[data["source"], old.key_id] = ours
                self.newest[data["source"]] = ours
        return changed
