"""The fault table: each durable write of the log's writer × each way to fail, and the log goes on.

After each fault another process starts on what is left and goes on; never are there two checkpoints
of one size, everything that was ever signed is of the final log's past, every record is in it once,
and `sanyuan verify` finds it sound.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import pytest
from tests.audit import test_withholding, test_years
from tests.audit.conftest import FOOD, ORIGIN, CrashError, Lab, Running
from tests.audit.faulty import Fault, Faults, install
from tests.audit.test_log import receipts, taken
from tests.stores import File

import sanyuan.audit
from sanyuan.audit import seals, service
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.intake import Intake
from sanyuan.client.verify import verify_log
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint

EACH: Final = tuple(Fault)
FILE: Final = tuple(fault for fault in Fault if fault is not Fault.FAILS_HALF)
"""Of a file, of which a full disk leaves half as any other failure does."""
WHOLE: Final = tuple(fault for fault in Fault if fault not in (Fault.FAILS_HALF, Fault.DIES_HALF))
"""Of what has no half."""
SENT: Final = tuple(fault for fault in Fault if fault is not Fault.FULL)
"""Of what goes to the broker, whose disk is its own affair."""
UNFILLED: Final = tuple(fault for fault in WHOLE if fault is not Fault.FULL)
"""Of what takes no room."""

CHANGE: Final = test_years.test_a_death_at_any_step_of_the_change_is_finished_by_the_next_start
MOVE: Final = test_years.test_a_death_while_files_are_moved_is_finished_by_the_next_start
BLANK: Final = test_withholding.test_a_death_in_the_middle_is_finished_by_the_next_start

FILES: Final = (
    "full bundle",
    "full hashes",
    "partial bundle",
    "partial hashes",
    "checkpoint",
    "checkpoint.cosigned",
)
NAMED: Final = tuple(f"{file} named" for file in FILES)

TABLE: Final = {
    "opening": UNFILLED,
    "recovery": EACH,
    "append": EACH,
    "seal": EACH,
    "forget": EACH,
    "folder made": FILE,
    **dict.fromkeys(FILES, FILE),
    **dict.fromkeys(NAMED, UNFILLED),
    "folder synced": UNFILLED,
    "audit-checkpoints sent": UNFILLED,
    "audit-seals sent": SENT,
    "partials dropped": SENT,
}
"""Every durable write of the writer, with the faults that it has."""

WRITES: Final = {
    "store.tables.open_database Database.open": ("opening",),
    "service.work._work_on_one database.transaction": ("recovery",),
    "service.log.AuditLog.append self._transact": ("append",),
    "service.log.AuditLog._take_seal self._commit": ("seal",),
    "service.log.AuditLog.forget self._database.transaction": ("forget",),
    "folder.LogFolder.write_tiles _make_folders": ("folder made",),
    "folder._write _draft": FILES,
    "folder._write _name": NAMED,
    "folder.LogFolder.write_tiles _sync_folder": ("folder synced",),
    "folder.LogFolder._put _sync_folder": ("folder synced",),
    "folder.LogFolder.drop_partials shutil.rmtree": ("partials dropped",),
    "publisher.Publisher._send_checkpoint self._sender.send": ("audit-checkpoints sent",),
    "publisher.Publisher._send_parts self._sender.send": ("audit-seals sent",),
}
"""Where they are in the code."""

BENEATH: Final = {
    "service.log.AuditLog._commit self._transact",
    "service.log.AuditLog._transact self._database.transaction",
    "folder._make_folders folder.mkdir",
    "folder.LogFolder.write_tiles _write",
    "folder.LogFolder._put _write",
    "folder._write os.fsync",
    "folder._draft _draft_of(path).open",
    "folder._draft file.write",
    "folder._name _draft_of(path).replace",
    "folder._sync_folder os.open",
    "folder._sync_folder os.fsync",
    "publisher.Sender.send producer.send",
}
"""What those are made of, or are parts of."""

ELSEWHERE: Final = {
    "service.log.AuditLog._close self._commit": CHANGE,
    "service.log.AuditLog.turn_year self._transact": CHANGE,
    "folder.LogFolder.put_away (self.path / name).rename": MOVE,
    "folder.LogFolder.put_away _sync_folder": MOVE,
    "withholding.carry_out database.transaction": BLANK,
    "folder.LogFolder.blank _write": BLANK,
    "folder.LogFolder.blank _sync_folder": BLANK,
    "folder.LogFolder.blank path.unlink": BLANK,
    "folder.LogFolder.blank _draft_of(whole).unlink": BLANK,
}
"""Writes of rare events, with the test that lets the process die there."""

NO_WRITES: Final = {
    "__main__.main uvicorn.run": "serves",
    "checking.Checker._keys_of replace": "of a dataclass",
    "folder.LogFolder.__init__ path.mkdir": "an empty folder says nothing",
    "folder.LogFolder.hold path.open": "the lock's file, always empty",
    "heads.open_heads Checkpoint.open": "parses",
    "publisher.Publisher._head_of Checkpoint.open": "parses",
    "sequencer.Sequencer._answer self.state.orders.remove": "of a list",
    "sequencer.Sequencer._state_gap replace": "of a dataclass",
    "sequencer.Sequencer.carry_over replace": "of a dataclass",
    "state.State._replay_own self.orders.remove": "of a list",
    "years._check_carried Checkpoint.open": "parses",
    "service.work.wait_for_folder folder.hold": "a lock",
    "service.work._work_on_one run": "the loops",
    "service.work._work_on_one witnesses.run": "a loop",
    "withholding.earlier_log Checkpoint.open": "parses",
    "witnesses._note_at Checkpoint.open": "parses",
}

WRITING: Final = re.compile(
    "_?(commit|copy|copyfile|copytree|draft|fsync|hardlink_to|hold|link|make_folders|makedirs|"
    "mkdir|move|name|open|remove|rename|renames|replace|rmdir|rmtree|run|send|send_and_wait|"
    "symlink_to|sync_folder|touch|transact|transaction|truncate|unlink|write|write_bytes|"
    "write_text|writelines)"
)
"""The names by which anything is written that outlives the process."""


def test_every_write_in_the_code_has_its_row_and_every_row_its_write() -> None:
    folder = Path(*sanyuan.audit.__path__)
    files = [file for file in folder.rglob("*.py") if file.stem != "bench"]
    found = {call for file in files for call in calls(file, folder)}
    assert found == {*WRITES, *BENEATH, *ELSEWHERE, *NO_WRITES}
    assert {row for rows in WRITES.values() for row in rows} == set(TABLE)


def calls(file: Path, folder: Path) -> Iterator[str]:
    """Each call by one of those names, with where it stands."""

    def walk(node: ast.AST, where: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inside = where
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{where}.{child.name}"
            if isinstance(child, ast.Call):
                name = ast.unparse(child.func)
                if WRITING.fullmatch(name.rpartition(".")[2]):
                    yield f"{where} {name}"
            yield from walk(child, inside)

    module = ".".join(file.relative_to(folder).with_suffix("").parts)
    return walk(ast.parse(file.read_text()), module)


@dataclass(frozen=True)
class RememberingKey(SigningKey):
    """The log's key, which knows everything that it ever signed."""

    signed: list[bytes] = field(default_factory=list, compare=False)

    def sign(self, text: bytes) -> str:
        self.signed.append(text)
        return super().sign(text)


@dataclass
class Reader:
    """Stands for the intake: reads ahead of what is appended."""

    lab: Lab
    running: Running
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    async def next(self) -> asyncio.Task[Checked]:
        return asyncio.create_task(_given(await self._read()))

    async def _read(self) -> Checked:
        while True:
            offsets = self.running.sequencer.state.offsets | self.offsets
            checked = await self.lab.read(self.running, 40, offsets)
            if checked.offsets:
                self.offsets |= checked.offsets
                return checked
            await asyncio.sleep(0.004)


async def _given(checked: Checked) -> Checked:
    return checked


SOURCES: Final = (FOOD, *(f"{FOOD}-{at}" for at in range(1, 9)))
BIG: Final = {
    "full bundle",
    "full bundle named",
    "full hashes",
    "full hashes named",
    "partials dropped",
    "folder made",
}
AT_START: Final = {"opening", "recovery"}


@dataclass
class World:
    """The lab, its faults, and what was sent."""

    lab: Lab
    key: RememberingKey
    faults: Faults
    sent: int = 0

    async def live(self, seconds: float = 60) -> None:
        """One life of the service: it works until the armed fault strikes, or all is published."""
        running = await self.lab.start()
        self.check_finished()
        reader = cast("Intake", Reader(self.lab, running))
        work = asyncio.create_task(service.run(reader, running.log, 0.004))
        try:
            async with asyncio.timeout(seconds):
                await self.ask(running, work)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            running.close()

    async def ask(self, running: Running, work: asyncio.Task[None]) -> None:
        while not work.done() and self.faults.write not in AT_START:
            count = 130 if self.faults.write in BIG else 9
            for at in range(count):
                self.lab.command(SOURCES[at % len(SOURCES)])
            self.sent += count
            while not work.done() and self.published(running) < self.sent:  # noqa: ASYNC110
                await asyncio.sleep(0.004)
            if not work.done():
                await running.log.forget()
                await running.log._publisher.publish_cosigned(
                    running.log._publisher.published, running.log._publisher.note
                )
            if not self.faults.write:
                return
        if work.done():
            await work

    def published(self, running: Running) -> int:
        streams = running.standing.streams
        topic = "cn/identity-commands"
        return sum(streams.get(source, {}).get(topic, (0, ""))[0] for source in SOURCES)

    async def suffer(self, write: str, fault: Fault, hits: int) -> None:
        """Live until the fault has struck, then bury the dead."""
        if write == "recovery":
            self.lab.home.lose()  # so that it has all of the log to write
        self.faults.arm(write, fault, hits)
        with contextlib.suppress(BaseExceptionGroup, CrashError, OSError, SanyuanError):
            while not self.faults.struck:
                await self.live()
        assert self.faults.struck
        self.faults.bury()

    def check_finished(self) -> None:
        """What the process before had begun to publish is where it belongs, before anything new."""
        notes = [note for _, note in LogFolder(self.lab.folder).notes()]
        heads = [Checkpoint.open_unverified(note) for note in notes]
        sent = self.lab.broker.of("audit-checkpoints")
        if heads:
            assert Checkpoint.open_unverified(sent[-1]) == heads[0]
            last = parse_leaf(self.lab.entries()[-1])
            assert self.lab.broker.of("audit-seals")[-1] == last.value

    def check(self) -> None:
        """One log: whoever saw any checkpoint of it, or a part, saw the past of this one."""
        report = verify_log(
            str(self.lab.folder),
            self.lab.key("//cn/agency/11100000000013338W/agency").verifier,
            self.lab.log_key.verifier,
            state_dir=self.lab.var.parent / "verifier",  # remembers what it saw in former lives
            jobs=1,
        )
        assert (report.exit_code, report.findings) == (0, ())
        head = Checkpoint.open_unverified((self.lab.folder / "checkpoint").read_bytes())
        tiles = AuthenticTiles(LogFolder(self.lab.folder).read, head, "log")
        roots: dict[int, bytes] = {}
        for text in self.key.signed:
            signed = Checkpoint.parse(text)
            assert roots.setdefault(signed.size, signed.root) == signed.root
            assert tiles.extends(signed)

    def check_records(self) -> None:
        """Every record once, and a receipt for each."""
        values = taken(self.lab)
        for records in self.lab.topics.values():
            assert all(values[raw.value or b""] == 1 for raw in records)
        known = receipts(self.lab)
        assert sum(known[source, "cn/identity-commands"] for source in SOURCES) == self.sent


@pytest.fixture
def home(tmp_path: Path) -> File:
    """A copy of a file is what a dead process leaves; a server's part of it is the server's."""
    return File(tmp_path)


@pytest.fixture
def world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> World:
    key = RememberingKey(ORIGIN, lab.log_key.seed)
    lab.log_key = key
    lab.var = lab.var / "life-0"
    lab.home = File(lab.var)
    for source in SOURCES[1:]:
        lab.register(source)
    monkeypatch.setattr(seals, "PART_BYTES", 700)  # so that a seal has parts
    faults = Faults(lab)
    install(faults, monkeypatch)
    return World(lab, key, faults)


@pytest.mark.asyncio
@pytest.mark.parametrize("write", TABLE)
async def test_whatever_happens_to_a_write_the_log_goes_on(world: World, write: str) -> None:
    await world.live()
    for number, fault in enumerate(TABLE[write]):
        await world.suffer(write, fault, hits=1 if write in BIG else 1 + number % 2)
        await world.live()
        world.check()
    world.check_records()
