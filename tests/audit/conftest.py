"""The audit service without a broker: real files and database, records made by hand.

`Broker` stands behind the real interface of `Sender`; a `Lab` outlives the "processes" (`Running`)
that die in it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Connection
from tests.stores import Home

from sanyuan.audit import publisher
from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import FoundNote
from sanyuan.audit.intake import ParticipantsFeed
from sanyuan.audit.publisher import Publisher
from sanyuan.audit.recovery import Recovered, recover
from sanyuan.audit.sequencer import Sequencer
from sanyuan.audit.service import AuditLog, Standing
from sanyuan.audit.service import log as service_log
from sanyuan.audit.state import Partition
from sanyuan.audit.store import load_parts, open_database
from sanyuan.audit.voice import Voice
from sanyuan.audit.years import settle
from sanyuan.client.verify import Report, verify_log
from sanyuan.common.access import make_token
from sanyuan.common.database import Database
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import signing_key_of, year_of
from sanyuan.common.notes import SigningKey, encode_base64
from sanyuan.common.partition import partition_of
from sanyuan.common.record import RawRecord
from sanyuan.common.sources import inbox_of, key_name, parse_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.topics import topic_named

AGENCY = "//cn/agency/11100000000013338W/agency"
AUDIT = "//cn/services/audit"
FOOD = "//cn/departments/11110000000012345X/food-permits"
SUPERVISOR = "//cn/supervisors/11100000MB1600001J/inspection"
ORIGIN = "cn/log/2026"


Headers = list[tuple[str, bytes]]


@dataclass
class Broker:
    """Everything that was ever sent to audit's two topics."""

    sent: list[tuple[str, bytes, Headers]] = field(default_factory=list)

    async def send(self, topic: str, key: bytes, values: Sequence[tuple[bytes, Headers]]) -> None:
        self.keep(topic, key, values)

    def keep(self, topic: str, key: bytes, values: Sequence[tuple[bytes, Headers]]) -> None:
        assert key.startswith(b"cn/log/")
        self.sent += [(topic, value, headers) for value, headers in values]

    async def stop(self) -> None:
        return None

    def of(self, topic: str) -> list[bytes]:
        return [value for name, value, _ in self.sent if name == topic]


@dataclass
class Running:
    """One life of the service."""

    database: Database
    log: AuditLog
    sequencer: Sequencer
    feed: ParticipantsFeed
    checker: Checker
    standing: Standing
    held: IO[str]
    """The folder's lock."""
    applied: int = 0
    """Records of `participants` that the follower has read."""
    closed: bool = False

    def follow(self, records: Sequence[RawRecord]) -> None:
        for raw in records[self.applied :]:
            self.feed.apply(raw)
        self.applied = len(records)

    def close(self) -> None:
        """End this life; a second time it does nothing."""
        if self.closed:
            return
        self.closed = True
        self.checker.close()
        self.log._publisher.close()
        self.held.close()
        self.database.close()


@dataclass
class Lab:
    """The world around the service: keys, topics, disk."""

    var: Path
    home: Home
    """Of the database."""
    broker: Broker = field(default_factory=Broker)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    topics: dict[tuple[str, int], list[RawRecord]] = field(default_factory=dict)
    heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    made: int = 0
    time_ms: int = 1_790_000_000_000
    clock: float = 1_790_000_000.0
    """What audit's clock shows."""
    running: Running | None = None

    log_key: SigningKey = field(
        default_factory=lambda: SigningKey.from_seed(ORIGIN, bytes(31) + b"L")
    )

    def key(self, source: str) -> SigningKey:
        seed = hash_value(source.encode()).encode()[:32]
        return self.keys.setdefault(source, SigningKey.from_seed(key_name(source), seed))

    @property
    def folder(self) -> Path:
        return self.var / "audit" / "log"

    def system(self) -> SystemFile:
        made = SystemFile.create(AUDIT)
        key = self.key(AUDIT)
        return made.model_copy(
            update={
                "signing_key": encode_base64(key.seed),
                "agency_key": str(self.key(AGENCY).verifier),
                "bootstrap_servers": "nowhere:1",
            }
        )

    def value(
        self,
        source: str,
        topic: str,
        kind: str,
        data: dict[str, Any],
        **other: Any,  # noqa: ANN401
    ) -> bytes:
        last, head = self.heads.get((source, topic), (0, ZERO_HASH))
        self.made += 1
        fields = {
            "specversion": "1.0",
            "id": str(uuid.UUID(int=self.made)),
            "source": source,
            "type": kind,
            "time": "2026-11-23T02:17:00.123456Z",
            "topic": f"cn/{topic}",
            "sequence": format_sequence(last + 1),
            "previous": head,
            "correlationid": "case",
            "data": data,
        } | other
        value = encode(fields)
        self.heads[source, topic] = (int(fields["sequence"]), hash_value(value))
        return value

    def put(self, topic: str, source: str, value: bytes | None, **other: Any) -> RawRecord:  # noqa: ANN401
        """Append to a topic what `source` signs, as the broker would."""
        row = topic_named(topic)
        assert row is not None
        key = source.encode()
        partition = partition_of(key, row.partitions)
        line = self.key(source).sign((value or b"") + b"\n")
        self.time_ms += 1
        fields: dict[str, Any] = {
            "topic": topic,
            "partition": partition,
            "timestamp_ms": self.time_ms,
            "key": key,
            "value": value,
            "headers": [("signature", line.encode())],
        } | other
        records = self.topics.setdefault((topic, fields["partition"]), [])
        record = RawRecord(offset=len(records), **fields)
        records.append(record)
        return record

    def send(self, source: str, topic: str, kind: str, data: dict[str, Any]) -> RawRecord:
        return self.put(topic, source, self.value(source, topic, kind, data))

    def command(self, source: str = FOOD) -> RawRecord:
        return self.send(source, "identity-commands", "identity.verify-person.v1", {"n": self.made})

    def found(self) -> None:
        self.send(
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
            self.send(AGENCY, "participants", "participant.registered.v1", data)
        for source in (AGENCY, AUDIT, FOOD):
            self.register(source)

    def supervise(self) -> None:
        """Register the supervisor and a system of it."""
        data = {"participant": SUPERVISOR.split("/")[4], "role": "supervisor", "name": "监管"}
        self.send(AGENCY, "participants", "participant.registered.v1", data)
        self.register(SUPERVISOR)

    def reader(self, source: str) -> SystemFile:
        """The file of a system that reads over HTTP."""
        seed = encode_base64(self.key(source).seed)
        return SystemFile.create(source).model_copy(update={"signing_key": seed})

    def token(self, source: str, now: float | None = None) -> dict[str, str]:
        """Headers that give a system leave to read."""
        made = make_token(self.key(source), AUDIT, time.time() if now is None else now)
        return {"Authorization": f"Bearer {made}"}

    def register(self, source: str) -> None:
        parsed = parse_source(source)
        self.send(
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

    def current(self) -> SigningKey:
        """The key of the log that is published in the folder."""
        note = (self.folder / "checkpoint").read_bytes()
        year = year_of(note.partition(b"\n")[0].decode())
        return signing_key_of(self.log_key, year or 0)

    async def start(self, *, gap_seconds: float = 60.0, notes: Sequence[FoundNote] = ()) -> Running:
        """A new process over what the last one left; witnesses have `notes`."""
        system = self.system()
        folder = LogFolder(self.folder)
        topic = "audit-checkpoints"
        last = [FoundNote(topic, note) for note in self.broker.of(topic)[-16:]]
        found = [*folder.notes(), *last, *notes]

        def choose(connection: Connection) -> tuple[SigningKey, list[FoundNote]]:
            return settle(connection, folder, self.log_key, found)

        def begin(connection: Connection) -> Recovered:
            own = (AUDIT, "log")
            return recover(connection, folder, current, key=key.verifier, domain="cn", own=own)

        database = open_database(self.home.address)
        held = None
        try:
            held = folder.hold()
            key, current = await database.transaction(choose)
            recovered = await database.transaction(begin)
        except BaseException:
            if held is not None:
                held.close()
            database.close()
            raise
        voice = Voice("cn", AUDIT, self.key(AUDIT))
        sequencer = Sequencer(recovered.state, voice, gap_seconds=gap_seconds)
        publishing = Publisher(folder, key, self.broker, recovered.published)
        standing = Standing(waiting=None)
        log = AuditLog(
            database, sequencer, recovered.growth, publishing, standing, lambda: self.clock
        )
        feed = ParticipantsFeed(system, recovered.state.offsets.get(("participants", 0), 0))
        standing.participants = feed.seen
        running = self.running = Running(
            database, log, sequencer, feed, Checker("cn", 1), standing, held
        )
        running.follow(self.topics["participants", 0])
        try:
            parts = await database.transaction(load_parts)
            await log.publish_recovered(recovered, parts)
        except BaseException:
            running.close()
            raise
        return running

    async def read(
        self, running: Running, limit: int = 1000, offsets: dict[Partition, int] | None = None
    ) -> Checked:
        """What the intake would deliver next, from what is appended or from `offsets` on."""
        offsets = running.sequencer.state.offsets if offsets is None else offsets
        raws = [
            raw
            for partition, records in sorted(self.topics.items())
            if partition[0] != "participants"
            for raw in records[offsets.get(partition, 0) :][:limit]
        ]
        running.follow(self.topics["participants", 0])
        fresh = running.feed.take()
        return await running.checker.check(fresh, raws, running.feed.judged)

    async def drain(self, running: Running, limit: int = 1000) -> None:
        """Append everything that waits and publish it."""
        while True:
            checked = await self.read(running, limit)
            if not checked.offsets:
                break
            await running.log.append(checked)
        await running.log.seal()

    def verify(self) -> Report:
        return verify_log(
            str(self.folder),
            self.key(AGENCY).verifier,
            self.log_key.verifier,
            state_dir=self.var / "state" / uuid.uuid4().hex,
            jobs=1,
        )

    def entries(self) -> list[bytes]:
        """Every leaf of the published log."""
        key, note = self.current(), (self.folder / "checkpoint").read_bytes()
        head = Checkpoint.open(note, origin=key.name, keys=[key.verifier])
        tiles = AuthenticTiles(LogFolder(self.folder).read, head, "log")
        return [entry for at in range(-(-head.size // 256)) for entry in tiles.entries(at)]

    def said(self, kind: str) -> list[dict[str, Any]]:
        """The data of every leaf of one type."""
        envelopes = [parse_leaf(entry).envelope for entry in self.entries() if entry]
        return [envelope.data for envelope in envelopes if envelope.type == kind]


@pytest.fixture
def lab(tmp_path: Path, home: Home) -> Iterator[Lab]:
    """A founded domain whose audit service never ran."""
    made = Lab(tmp_path, home)
    made.found()
    yield made
    if made.running is not None:
        made.running.close()


class CrashError(RuntimeError):
    """The process died here."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """`crash("audit.after-commit", 2)`: die when that point is passed for the second time."""

    def arm(name: str | None, hits: int = 1) -> None:
        left = hits

        def failpoint(passed: str) -> None:
            nonlocal left
            if passed == name:
                left -= 1
                if left == 0:
                    raise CrashError(passed)

        monkeypatch.setattr(service_log, "failpoint", failpoint)
        monkeypatch.setattr(publisher, "failpoint", failpoint)

    return arm
