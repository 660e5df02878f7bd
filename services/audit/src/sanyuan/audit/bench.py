"""The writer alone: real checker, sequencer, database, tiles and checkpoints; no broker.

``python -m sanyuan.audit.bench FOLDER SIZE…`` grows one verifiable log in an empty folder. At each
size it prints a line of JSON, then waits for a line: whoever started it (`make bench`) looks at its
memory and its CPU meanwhile, and verifies the log. The first line has the log's keys.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final

from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.growth import Growth
from sanyuan.audit.intake import MAX_RECORDS
from sanyuan.audit.publisher import Publisher
from sanyuan.audit.sequencer import Sequencer
from sanyuan.audit.service import AHEAD, AuditLog, Standing
from sanyuan.audit.state import OWN_TOPIC, State
from sanyuan.audit.store import open_database
from sanyuan.audit.voice import Voice
from sanyuan.common import memory
from sanyuan.common.database import Database
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.follower import Participants
from sanyuan.common.ids import new_case, new_id
from sanyuan.common.notes import SigningKey
from sanyuan.common.partition import partition_of
from sanyuan.common.record import RawRecord
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import EMPTY_ROOT

DOMAIN: Final = "cn"
TOPIC: Final = "identity-commands"
PARTITIONS: Final = 12
INTERVAL: Final = 0.5
SYSTEMS: Final = 53
_DEPARTMENT: Final = "11110000000012345X"
_AGENCY: Final = "11100000000013338W"
_DATA: Final[Mapping[str, object]] = {
    "purpose": "food-business-licence",
    "legal_basis": "食品经营许可和备案管理办法",
    "audience": "license-exchange",
    "subject": {"sealed": "sha256:" + "0" * 64},
}


@dataclass
class World:
    """A domain's keys and systems, and what they send."""

    agency: SystemFile
    audit: SystemFile
    senders: Sequence[SystemFile]
    log_key: SigningKey
    _heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def make(cls, systems: int = SYSTEMS) -> World:
        """A domain of one department with so many systems."""
        agency = SystemFile.create(f"//{DOMAIN}/agency/{_AGENCY}/agency")
        pinned = {"agency_key": str(agency.signing.verifier)}
        names = [f"//{DOMAIN}/departments/{_DEPARTMENT}/bench-{at}" for at in range(systems)]
        return cls(
            agency.model_copy(update=pinned),
            SystemFile.create(f"//{DOMAIN}/services/audit").model_copy(update=pinned),
            [SystemFile.create(name) for name in names],
            SigningKey.generate(f"{DOMAIN}/log/2026"),
        )

    def founding(self) -> list[RawRecord]:
        """The records of `participants`."""
        founded = {
            "domain": DOMAIN,
            "agency_key": str(self.agency.signing.verifier),
            "log_origin": self.log_key.name,
            "log_key": str(self.log_key.verifier),
        }
        records = [self._agency("domain.founded.v1", founded)]
        for code, role in ((_AGENCY, "agency"), (_DEPARTMENT, "department")):
            data = {"participant": code, "role": role, "name": role}
            records.append(self._agency("participant.registered.v1", data))
        for system in (self.agency, self.audit, *self.senders):
            registered: dict[str, object] = {
                "source": system.source,
                "role": system.parsed.role,
                "signing_key": str(system.signing.verifier),
                "sealing_key": "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "suite": "hpke-x25519-hkdf-sha256-aes-256-gcm",
                "inbox": None if system.parsed.role == "service" else system.inbox,
            }
            records.append(self._agency("participant.system-registered.v1", registered))
        return records

    def commands(self) -> Iterator[RawRecord]:
        """Signed commands of about 700 bytes, system by system, as the broker delivers them."""
        for sender in cycle(self.senders):
            yield self._record(sender, TOPIC, PARTITIONS, "identity.verify-person.v1", _DATA)

    def _agency(self, kind: str, data: Mapping[str, object]) -> RawRecord:
        return self._record(self.agency, "participants", 1, kind, data)

    def _record(
        self,
        sender: SystemFile,
        topic: str,
        partitions: int,
        kind: str,
        data: Mapping[str, object],
    ) -> RawRecord:
        last, head = self._heads.get((sender.source, topic), (0, ZERO_HASH))
        value = encode(
            {
                "specversion": "1.0",
                "id": new_id(),
                "source": sender.source,
                "type": kind,
                "time": "2026-11-23T02:17:00.123456Z",
                "topic": f"{DOMAIN}/{topic}",
                "sequence": format_sequence(last + 1),
                "previous": head,
                "correlationid": new_case(),
                "data": dict(data),
            }
        )
        self._heads[sender.source, topic] = (last + 1, hash_value(value))
        key = sender.source.encode()
        partition = partition_of(key, partitions)
        offset = self._offsets.get((topic, partition), 0)
        self._offsets[topic, partition] = offset + 1
        headers = [("signature", sender.signing.sign(value + b"\n").encode())]
        now = int(time.time() * 1000)
        return RawRecord(topic, partition, offset, now, key, value, headers)


class _NoBroker:
    """Takes what is sent."""

    async def send(self, _topic: str, _key: bytes, _values: object) -> None:
        return None


def new_log(folder: Path, database: Database, world: World) -> AuditLog:
    """Return an empty log in a folder."""
    state = State(DOMAIN, (world.audit.source, OWN_TOPIC))
    voice = Voice(DOMAIN, world.audit.source, world.audit.signing)
    empty = Checkpoint(world.log_key.name, 0, EMPTY_ROOT)
    return AuditLog(
        database,
        Sequencer(state, voice, gap_seconds=60.0),
        Growth(),
        Publisher(LogFolder(folder / "log"), world.log_key, _NoBroker(), empty),
        Standing(),
    )


class Writer:
    """Grows one log."""

    def __init__(self, folder: Path, world: World, checker: Checker, database: Database) -> None:
        self._world = world
        self._checker = checker
        self._log = new_log(folder, database, world)
        self._participants = Participants(world.audit)
        self._commands = world.commands()

    async def found(self) -> None:
        """Append the records of `participants`."""
        checking = self._checker.check(self._world.founding(), [], self._participants)
        await self._log.append(await checking)
        await self._log.seal()

    async def grow(self, count: int) -> None:
        """Append ``count`` records, with a checkpoint every half second and one at the end."""
        batches: asyncio.Queue[asyncio.Task[Checked] | None] = asyncio.Queue(maxsize=AHEAD)
        done = asyncio.Event()

        async def read() -> None:
            for at in range(0, count, MAX_RECORDS):
                raws = [next(self._commands) for _ in range(min(MAX_RECORDS, count - at))]
                await batches.put(self._checker.check([], raws, self._participants))
            await batches.put(None)

        async def append() -> None:
            while (checking := await batches.get()) is not None:
                await self._log.append(await checking)
            done.set()

        async def seal() -> None:
            while not done.is_set():
                await self._log.seal()
                await asyncio.sleep(INTERVAL)
            await self._log.seal()

        async with asyncio.TaskGroup() as tasks:
            for loop in (read, append, seal):
                tasks.create_task(loop())


async def main(folder: Path, sizes: Sequence[int]) -> None:
    """Grow a log to each size in turn; see the module."""
    world = World.make()
    database = open_database(f"sqlite:///{folder}/bench.db")
    checker = Checker(DOMAIN)
    try:
        writer = Writer(folder, world, checker, database)
        await writer.found()
        memory.settle()
        keys = world.agency.signing.verifier, world.log_key.verifier
        await _say({"agency_key": str(keys[0]), "log_key": str(keys[1])})
        grown = 0
        for size in sizes:
            started = time.perf_counter()
            await writer.grow(size - grown)
            seconds = time.perf_counter() - started
            await _say({"records": size, "grown": size - grown, "seconds": round(seconds, 3)})
            grown = size
    finally:
        checker.close()
        database.close()


async def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]]))
