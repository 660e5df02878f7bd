"""How fast the log takes records: the real checker, sequencer, database, tiles; no broker.

`make bench` calls `measure`; the broker's part is measured where a broker runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sanyuan.audit.checking import Checker, check_one
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.growth import Growth
from sanyuan.audit.intake import MAX_RECORDS
from sanyuan.audit.publisher import Publisher
from sanyuan.audit.sequencer import Sequencer
from sanyuan.audit.service import AHEAD, AuditLog, Standing
from sanyuan.audit.state import OWN_TOPIC, State
from sanyuan.audit.store import MODELS
from sanyuan.audit.voice import Voice
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory, System
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.follower import Participants
from sanyuan.common.ids import new_case, new_id
from sanyuan.common.notes import SigningKey
from sanyuan.common.partition import partition_of
from sanyuan.common.record import RawRecord, Record, read, verify
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import EMPTY_ROOT

DOMAIN = "cn"
TOPIC = "identity-commands"
PARTITIONS = 12
INTERVAL = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run measured."""

    records: int
    seconds: float
    cpu_seconds: float
    """Of the service's own process; the workers check besides."""
    check_cpu_us: float
    """CPU a record of reading and checking, signature included."""
    signature_us: float
    """CPU of one signature check."""

    @property
    def records_per_second(self) -> float:
        """Appended, published, durable."""
        return self.records / self.seconds

    @property
    def cpu_us_without_signature(self) -> float:
        """CPU a record apart from its signature check, all processes together."""
        return self.cpu_seconds / self.records * 1e6 + self.check_cpu_us - self.signature_us


async def measure(folder: Path, count: int = 60_000, systems: int = 53) -> Figures:
    """Append `count` commands of `systems` departments to a new log in an empty folder."""
    audit, senders = _system("services/audit"), _senders(systems)
    directory = _directory(audit, senders)
    raws = make_records(senders, count)
    sample = raws[:2000]
    check_cpu = _cpu(lambda: [check_one(raw, DOMAIN, directory) for raw in sample]) / len(sample)
    signature = _signature_cpu(sample, directory)
    database = Database.open(f"sqlite:///{folder}/bench.db", MODELS)
    checker = Checker(DOMAIN)
    try:
        audit_log = _new_log(folder, database, audit)
        participants = Participants(audit)
        participants.directory = directory
        await checker.check([], sample, participants)  # the workers are there
        started, cpu = time.perf_counter(), time.process_time()
        await _run(audit_log, checker, participants, raws)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    finally:
        checker.close()
        database.close()
    return Figures(count, seconds, cpu, check_cpu * 1e6, signature * 1e6)


def make_records(senders: Sequence[SystemFile], count: int) -> list[RawRecord]:
    """Return signed commands of about 700 bytes, as the broker would deliver them."""
    heads = {sender.source: (0, ZERO_HASH) for sender in senders}
    offsets: dict[int, int] = {}
    data = {
        "purpose": "food-business-licence",
        "legal_basis": "食品经营许可和备案管理办法",
        "audience": "license-exchange",
        "subject": {"sealed": "sha256:" + "0" * 64},
    }
    raws = []
    for number in range(count):
        sender = senders[number % len(senders)]
        last, head = heads[sender.source]
        value = _command(sender, last + 1, head, data)
        heads[sender.source] = (last + 1, hash_value(value))
        line = sender.signing.sign(value + b"\n")
        key = sender.source.encode()
        partition = partition_of(key, PARTITIONS)
        offset = offsets.get(partition, 0)
        offsets[partition] = offset + 1
        headers = [("signature", line.encode())]
        now = int(time.time() * 1000)
        raws.append(RawRecord(TOPIC, partition, offset, now, key, value, headers))
    return raws


def _command(sender: SystemFile, number: int, previous: str, data: Mapping[str, object]) -> bytes:
    return encode(
        {
            "specversion": "1.0",
            "id": new_id(),
            "source": sender.source,
            "type": "identity.verify-person.v1",
            "time": "2026-11-23T02:17:00.123456Z",
            "topic": f"{DOMAIN}/{TOPIC}",
            "sequence": format_sequence(number),
            "previous": previous,
            "correlationid": new_case(),
            "data": dict(data),
        }
    )


class _NoBroker:
    """Takes what is sent."""

    async def send(self, _topic: str, _key: bytes, _values: object) -> None:
        return None


def _new_log(folder: Path, database: Database, audit: SystemFile) -> AuditLog:
    key = SigningKey.generate("cn/log/2026")
    state = State(DOMAIN, (audit.source, OWN_TOPIC))
    voice = Voice(DOMAIN, audit.source, audit.signing)
    empty = Checkpoint(key.name, 0, EMPTY_ROOT)
    return AuditLog(
        database,
        Sequencer(state, voice, gap_seconds=60.0),
        Growth(),
        Publisher(LogFolder(folder / "log"), key, _NoBroker(), empty),
        Standing(),
    )


async def _run(
    audit_log: AuditLog, checker: Checker, participants: Participants, raws: Sequence[RawRecord]
) -> None:
    batches: asyncio.Queue[asyncio.Task[Checked] | None] = asyncio.Queue(maxsize=AHEAD)

    async def read() -> None:
        for at in range(0, len(raws), MAX_RECORDS):
            batch = raws[at : at + MAX_RECORDS]
            await batches.put(checker.check([], batch, participants))
        await batches.put(None)

    async def append() -> None:
        while (checking := await batches.get()) is not None:
            await audit_log.append(await checking)
        done.set()

    async def seal() -> None:
        while not done.is_set():
            await audit_log.seal()
            await asyncio.sleep(INTERVAL)
        await audit_log.seal()

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for loop in (read, append, seal):
            tasks.create_task(loop())


def _system(path: str) -> SystemFile:
    agency = str(SigningKey.generate(f"{DOMAIN}/agency").verifier)
    return SystemFile.create(f"//{DOMAIN}/{path}").model_copy(update={"agency_key": agency})


def _senders(count: int) -> list[SystemFile]:
    return [_system(f"departments/11110000000012345X/bench-{at}") for at in range(count)]


def _directory(audit: SystemFile, senders: Sequence[SystemFile]) -> Directory:
    systems = {
        each.source: System(
            source=each.source,
            name=each.name,
            role=each.parsed.role,
            participant=each.parsed.participant,
            inbox=each.inbox,
            node=each.name,
            operated_by=None,
            sealing_key="",
            suite="",
            keys={each.signing.key_id: each.signing.verifier},
        )
        for each in (audit, *senders)
    }
    return Directory(SigningKey.generate("cn/agency").verifier, systems=systems)


def _signature_cpu(raws: Sequence[RawRecord], directory: Directory) -> float:
    read_ones = [read(raw, domain=DOMAIN, partitions=PARTITIONS) for raw in raws]
    records = [each for each in read_ones if isinstance(each, Record)]
    keys = [directory.keys_of(record.source)[record.key_id] for record in records]

    def check() -> None:
        for record, key in zip(records, keys, strict=True):
            verify(record, key)

    return _cpu(check) / len(records)


def _cpu(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
