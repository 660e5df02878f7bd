"""A copy of a log's beginning under keys made for the drill, so that it can play every attacker.

Keys are in the agency's records and, by their hashes, in seals and in what a later year's log
carries over: these say something else in the copy. What all others have said stays byte for byte,
and so do the hashes of their streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from sanyuan.client.drill.ledger import DrillError, Entry, Head, Ledger, Pen, Stream
from sanyuan.client.verify.source import CHECKPOINT, LogSource, read_tile
from sanyuan.common.contracts.log import CarriedOver
from sanyuan.common.errors import SanyuanError
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import LeafError, parse_leaf
from sanyuan.common.logkeys import signing_key_of, verifier_for, verifier_of, year_of
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
            entries += copy.take(raw)
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
            do="let some records be sent first",
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
    carried: dict[Stream, Head] = field(default_factory=dict)
    _opening: list[bytes] = field(default_factory=list)
    """What a later year's log begins with, until it is whole."""
    _log: SigningKey | None = None

    def __post_init__(self) -> None:
        ours = self._replace(str(self.agency))
        self.signers[f"//{self.agency.name}", self.agency.key_id] = ours
        self.newest[f"//{self.agency.name}"] = ours
        self._pen = Pen(self.newest, self.newest.keys())

    def take(self, raw: bytes) -> list[Entry]:
        """Return the next entries: none before the opening of a later year's log is whole."""
        entry = Entry.parse(raw)
        goes_on = self._opening and entry.topic.endswith(f"/{PARTICIPANTS}")
        if entry.type == CarriedOver.TYPE or goes_on:
            self._opening.append(raw)
            return []
        opened = list(self._open(self._opening)) if self._opening else []
        self._opening = []
        return [*opened, self._write(self._pen, raw)]

    def _write(self, pen: Pen, raw: bytes, carried: dict[str, Any] | None = None) -> Entry:
        entry = Entry.parse(raw)
        leaf = parse_leaf(raw)
        data = carried or orjson.loads(leaf.value)["data"]
        if entry.topic.endswith(f"/{PARTICIPANTS}"):
            data = self._replace_keys(data)
        signer = self.signers.get((entry.source, leaf.key_id))
        if signer is None:
            raise LeafError("nobody registered its key")
        return pen.write(entry, data=data, key=signer)

    def _open(self, opening: list[bytes]) -> Iterator[Entry]:
        """Write the carry-over, which says where the copy of `participants` behind it ends."""
        parts = [raw for raw in opening if Entry.parse(raw).own]
        said = opening[len(parts) :]
        agency = Pen(self.newest, self.newest.keys())
        for raw in said:
            self._write(agency, raw)
        carried = [orjson.loads(parse_leaf(raw).value)["data"] for raw in parts]
        for data in carried:
            for source, topic, *head in data["heads"]:
                if not topic.endswith(f"/{PARTICIPANTS}"):
                    self.carried[source, topic] = (head[0], head[1])
        self._pen.heads.update(self.carried)
        for raw, data in zip(parts, carried, strict=True):
            heads = [
                [source, topic, *agency.heads.get((source, topic), head)]
                for source, topic, *head in data["heads"]
            ]
            yield self._write(self._pen, raw, data | {"heads": heads} | self._sign_final(data))
        yield from (self._write(self._pen, raw) for raw in said)

    def _sign_final(self, data: dict[str, Any]) -> dict[str, Any]:
        """The final checkpoint of the log before, under our key."""
        if not data["checkpoint"]:
            return {}
        head = Checkpoint.open_unverified(data["checkpoint"].encode())
        key = self._replace(str(verifier_of(self.log_key, head.origin)))
        return {"checkpoint": head.sign([key]).decode()}

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
            self.carried,
        )

    def _replace(self, old: str) -> SigningKey:
        if old not in self.keys:
            name = VerifierKey.parse(old).name
            year = year_of(name)
            if year is None:
                self.keys[old] = SigningKey.generate(name)
            else:  # the logs of all years have one key
                self._log = self._log or SigningKey.generate(name)
                self.keys[old] = signing_key_of(self._log, year)
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
