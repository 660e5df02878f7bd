"""A small log made by hand: every leaf, seal, tile and checkpoint, without the audit service."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sanyuan.client.verify import Report, verify_log
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.leaf import encode_leaf, parse_leaf
from sanyuan.common.notes import SigningKey
from sanyuan.common.sources import inbox_of, key_name, parse_source
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tiles import BLANK, ENTRIES, WIDTH, encode_bundle, tiles_between
from sanyuan.common.tlog.tree import Tree

AGENCY = "//cn/agency/11100000000013338W/agency"
AUDIT = "//cn/services/audit"
FOOD = "//cn/departments/11110000000012345X/food-permits"
SUPERVISOR = "//cn/supervisors/11100000MB1600001J/inspection"
ORIGIN = "cn/log/2026"


@dataclass
class Stream:
    last: int = 0
    head: str = ZERO_HASH
    sealed: int = 0


@dataclass
class LogMaker:
    """Appends leaves as an honest (or, by hand, a dishonest) log would."""

    folder: Path
    state: Path
    keys: dict[str, SigningKey] = field(default_factory=dict)
    log_key: SigningKey = field(
        default_factory=lambda: SigningKey.from_seed(ORIGIN, bytes(31) + b"L")
    )
    entries: list[bytes] = field(default_factory=list)
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    previous_seal: int | None = None
    offset: int = 0
    seal_time: str = "2026-11-23T02:17:00.123456Z"
    blanked: set[int] = field(default_factory=set)
    """Entries that are published without their bytes."""

    def key(self, source: str) -> SigningKey:
        seed = hash_value(source.encode()).encode()[:32]
        return self.keys.setdefault(source, SigningKey.from_seed(key_name(source), seed))

    def add(self, source: str, topic: str, kind: str, data: dict[str, Any], **other: Any) -> int:  # noqa: ANN401
        """Append a record; `other` replaces fields of its envelope. Returns its index."""
        stream = self.streams.setdefault((source, f"cn/{topic}"), Stream())
        fields = {
            "specversion": "1.0",
            "id": str(uuid.UUID(int=len(self.entries))),
            "source": source,
            "type": kind,
            "time": "2026-11-23T02:17:00.123456Z",
            "topic": f"cn/{topic}",
            "sequence": format_sequence(stream.last + 1),
            "previous": stream.head,
            "correlationid": "case",
            "data": data,
        } | other
        value = encode(fields)
        stream.last, stream.head = int(fields["sequence"]), hash_value(value)
        self.entries.append(encode_leaf(value, self.key(source).sign(value + b"\n").encode()))
        return len(self.entries) - 1

    def found(self) -> None:
        self.add(
            AGENCY,
            "participants",
            "domain.founded.v1",
            {
                "domain": "cn",
                "agency_key": str(self.key(AGENCY).verifier),
                "log_origin": ORIGIN,
                "log_key": str(self.log_key.verifier),
            },
        )
        for code, role in (("11100000000013338W", "agency"), ("11110000000012345X", "department")):
            data = {"participant": code, "role": role, "name": role}
            self.add(AGENCY, "participants", "participant.registered.v1", data)
        for source in (AGENCY, AUDIT, FOOD):
            self.register(source)

    def register(self, source: str) -> None:
        parsed = parse_source(source)
        self.add(
            AGENCY,
            "participants",
            "participant.system-registered.v1",
            {
                "source": source,
                "role": parsed.role,
                "signing_key": str(self.key(source).verifier),
                "sealing_key": "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "suite": "hpke-x25519-hkdf-sha256-aes-256-gcm",
                "inbox": None if parsed.role == "service" else inbox_of(parsed.name),
            },
        )

    def supervise(self) -> None:
        """Register the supervisor and a system of it."""
        data = {"participant": SUPERVISOR.split("/")[4], "role": "supervisor", "name": "监管"}
        self.add(AGENCY, "participants", "participant.registered.v1", data)
        self.register(SUPERVISOR)

    def order(self, index: int, /, source: str = SUPERVISOR, **other: Any) -> int:  # noqa: ANN401
        """Append an order to withhold an entry; `other` replaces fields of it."""
        entry = self.entries[index]
        leaf = parse_leaf(entry)
        data = {
            "log": ORIGIN,
            "index": index,
            "entry": leaf_hash(entry).hex(),
            "record": {
                "source": leaf.envelope.source,
                "topic": leaf.envelope.topic,
                "sequence": leaf.envelope.sequence,
                "hash": leaf.hash,
            },
            "ground": "a citizen number stands in it",
        } | other
        return self.add(source, "audit-commands", "audit.withhold-entry.v1", data)

    def command(self, source: str = FOOD, **other: Any) -> int:  # noqa: ANN401
        data = {"purpose": "food-business-licence", "n": len(self.entries)}
        return self.add(source, "identity-commands", "identity.verify-person.v1", data, **other)

    def own(self, kind: str, data: dict[str, Any]) -> int:
        return self.add(AUDIT, "log", kind, data)

    def rows(self) -> list[list[Any]]:
        return sorted(
            [source, topic, stream.sealed + 1, stream.last, stream.head]
            for (source, topic), stream in self.streams.items()
            if topic != "cn/log" and stream.last > stream.sealed
        )

    def seal(self, split: int = 1, **other: Any) -> None:  # noqa: ANN401
        rows, self.offset = self.rows(), self.offset + 10
        size = -(-len(rows) // split)
        for part in range(1, split + 1):
            data = {
                "part": part,
                "parts": split,
                "previous_seal": self.previous_seal,
                "positions": {"identity-commands": {"3": self.offset}} if part == 1 else {},
                "rows": rows[(part - 1) * size : part * size],
            }
            last = self.add(AUDIT, "log", "log.sealed.v1", data | other, time=self.seal_time)
        self.previous_seal = last
        for stream in self.streams.values():
            stream.sealed = stream.last

    def publish(self) -> Checkpoint:
        """Write every tile and the checkpoint."""
        hashes = [leaf_hash(entry) for entry in self.entries]
        tree = Tree()
        for tile, raw in [*tree.extend(hashes), *tree.partial()]:
            self.write(tile.path, raw)
        for tile in tiles_between(0, len(hashes)):
            if tile.level == ENTRIES:
                start = tile.index * WIDTH
                shown = [
                    BLANK if at in self.blanked else self.entries[at]
                    for at in range(start, start + tile.width)
                ]
                self.write(tile.path, encode_bundle(shown))
        head = Checkpoint(ORIGIN, len(hashes), tree.root())
        self.write("checkpoint", head.sign([self.log_key]))
        return head

    def write(self, path: str, raw: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_bytes() != raw:
            file.write_bytes(raw)

    def verify(self, *, state: Path | None = None, jobs: int = 1) -> Report:
        return verify_log(
            str(self.folder),
            self.key(AGENCY).verifier,
            self.log_key.verifier,
            state_dir=state or self.state,
            jobs=jobs,
        )


@pytest.fixture
def log(tmp_path: Path) -> LogMaker:
    """A founded, not yet sealed or published log."""
    maker = LogMaker(tmp_path / "log", tmp_path / "state")
    maker.found()
    return maker


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def served(log: LogMaker) -> Iterator[str]:
    """The log's folder over HTTP."""
    log.folder.mkdir()
    handler = partial(_Quiet, directory=str(log.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
