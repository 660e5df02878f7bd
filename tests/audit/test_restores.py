"""Starts on old, missing, damaged and foreign copies: the log goes on without a fork, or refuses.

The world is one log at two moments, `old` and `now`; each test puts together what an operator may
have restored, and says what follows. `now` anywhere is enough to prevent a fork.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from tests.audit.conftest import Broker, CrashError, Lab
from tests.audit.test_faults import RememberingKey
from tests.audit.test_log import assert_all_once
from tests.stores import File

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import ForkError, FoundNote
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint

OLD, NOW, NONE, DAMAGED, FOREIGN = "old", "now", "none", "damaged", "by another key"
STATES: Final = list(
    itertools.product(
        (NOW, OLD, NONE),  # database
        (NOW, OLD),  # tiles
        (NOW, OLD, NONE, DAMAGED, FOREIGN),  # checkpoint file
        (NOW, OLD, NONE),  # topic
    )
)
ROOT: Final = re.compile(r"\d+ leaves, root [0-9a-f]{64}")


def outcome(database: str, tiles: str, checkpoint: str, topic: str) -> str:
    """What has to follow."""
    if checkpoint in (DAMAGED, FOREIGN):
        return "refuses"
    if NOW in (database, checkpoint, topic):
        return "goes on" if tiles == NOW else "refuses"
    if tiles == NOW or {database, checkpoint, topic} == {NONE}:
        return "refuses"  # the tiles tell that there was more
    return "forks unless a witness knows more"


@dataclass
class History:
    """One log at two moments, as folders to copy from; `sent` is how much the topics had then."""

    lab: Lab
    key: RememberingKey
    sent: dict[str, int]

    async def grow(self, moment: str) -> None:
        """Publish some more, and keep a copy of everything."""
        running = await self.lab.start()
        for _ in range(3):
            for _ in range(110):
                self.lab.command()
            await self.lab.drain(running)
        running.close()
        for part in ("audit", "service"):
            shutil.copytree(self.lab.var / part, self.lab.var / moment / part)
        self.sent[moment] = len(self.lab.broker.sent)

    def restored(
        self, var: Path, database: str, tiles: str, checkpoint: str, topic: str
    ) -> tuple[Lab, RememberingKey]:
        """A lab with what is there at the start, put together from both moments."""
        audit = var / "audit"
        shutil.copytree(self.lab.var / tiles / "audit/log", audit / "log")
        (audit / "log/checkpoint").unlink()
        if checkpoint != NONE:
            (audit / "log/checkpoint").write_bytes(self.note(checkpoint))
        if database != NONE:
            shutil.copytree(self.lab.var / database / "service", var / "service")
        key = replace(self.key, signed=list(self.key.signed))
        made = replace(
            self.lab,
            var=var,
            home=File(var),
            broker=Broker(self.lab.broker.sent[: self.sent[topic]]),
            topics={partition: list(raws) for partition, raws in self.lab.topics.items()},
            heads=dict(self.lab.heads),
            log_key=key,
        )
        return made, key

    def note(self, which: str) -> bytes:
        """A checkpoint file."""
        moment = which if which in (OLD, NOW) else NOW
        note = (self.lab.var / moment / "audit/log/checkpoint").read_bytes()
        if which == DAMAGED:
            return note[: len(note) // 2]
        if which == FOREIGN:
            return Checkpoint.open_unverified(note).sign([SigningKey.generate(self.key.name)])
        return note


@pytest.fixture
def home(tmp_path: Path) -> File:
    """What is copied here are files."""
    return File(tmp_path)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    key = RememberingKey("cn/log/2026", bytes(31) + b"L")
    var = tmp_path_factory.mktemp("history")
    lab = Lab(var, File(var), log_key=key)
    lab.found()
    made = History(lab, key, {NONE: 0})
    for moment in (OLD, NOW):
        asyncio.run(made.grow(moment))
    return made


def assert_one_log(lab: Lab, key: RememberingKey) -> None:
    """Whatever was ever signed, before and after the restore, is of one log."""
    head = Checkpoint.open_unverified((lab.folder / "checkpoint").read_bytes())
    tiles = AuthenticTiles(LogFolder(lab.folder).read, head, "log")
    for text in key.signed:
        assert tiles.extends(Checkpoint.parse(text))


async def go_on(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()


@pytest.mark.parametrize(("database", "tiles", "checkpoint", "topic"), STATES)
@pytest.mark.asyncio
async def test_whatever_is_restored_the_log_goes_on_or_refuses_and_says_what_disagrees(
    history: History, tmp_path: Path, database: str, tiles: str, checkpoint: str, topic: str
) -> None:
    lab, key = history.restored(tmp_path, database, tiles, checkpoint, topic)
    match outcome(database, tiles, checkpoint, topic):
        case "goes on":
            await go_on(lab)
            assert_all_once(lab)
            assert_one_log(lab, key)
        case "refuses":
            with pytest.raises(ForkError) as refused:
                await lab.start()
            assert key.signed == history.key.signed
            assert ROOT.search(refused.value.what)
            assert refused.value.where
            assert refused.value.do
        case _:
            witness = FoundNote("a witness", history.note(NOW))
            with pytest.raises(ForkError, match="a witness"):
                await lab.start(notes=[witness])
            assert key.signed == history.key.signed


@pytest.mark.asyncio
async def test_a_witness_keeps_a_log_from_going_on_only_while_it_knows_more(
    history: History, tmp_path: Path
) -> None:
    lab, key = history.restored(tmp_path, OLD, NOW, OLD, OLD)
    await go_on_with(lab, [FoundNote("a witness", history.note(NOW))])
    assert_one_log(lab, key)
    assert_all_once(lab)


async def go_on_with(lab: Lab, notes: list[FoundNote]) -> None:
    running = await lab.start(notes=notes)
    running.close()
    await go_on(lab)


@dataclass
class Fork:
    """The same log gone on twice from its old state; `other` is what the second time made."""

    lab: Lab
    other: Lab


@pytest.fixture
def fork(history: History, tmp_path: Path) -> Fork:
    """What only somebody who has the log's key, and every copy, can make."""
    lab, _ = history.restored(tmp_path / "one", NOW, NOW, NOW, NOW)
    other, _ = history.restored(tmp_path / "two", OLD, OLD, OLD, OLD)
    asyncio.run(go_on(other))
    return Fork(lab, other)


def refusal(lab: Lab) -> ForkError:
    with pytest.raises(ForkError) as refused:
        asyncio.run(lab.start())
    assert len(set(ROOT.findall(refused.value.what))) >= 2
    assert refused.value.do
    return refused.value


def test_the_database_of_a_fork_is_refused_and_the_place_named_where_they_part(fork: Fork) -> None:
    shutil.rmtree(fork.lab.var / "service")
    shutil.copytree(fork.other.var / "service", fork.lab.var / "service")
    with closing(sqlite3.connect(fork.lab.var / "service/service.db")) as database, database:
        database.execute("DELETE FROM published_note")  # it was never told of any
    error = refusal(fork.lab)
    assert "they part at leaf" in error.what
    assert "put this database away" in str(error)


def test_the_checkpoint_of_a_fork_is_refused_wherever_it_is(fork: Fork) -> None:
    fork.lab.broker.sent += fork.other.broker.sent[-3:]
    refusal(fork.lab)
    shutil.copy(fork.lab.folder / "checkpoint", fork.other.folder / "checkpoint.cosigned")
    refusal(fork.other)


def test_the_tiles_of_a_fork_are_refused(fork: Fork) -> None:
    shutil.rmtree(fork.lab.folder / "tile")
    shutil.copytree(fork.other.folder / "tile", fork.lab.folder / "tile")
    error = refusal(fork.lab)
    assert "restore the log's folder" in str(error)


def test_a_tile_that_is_cut_short_under_a_checkpoint_is_named(fork: Fork) -> None:
    tile = max(
        (file for file in (fork.lab.folder / "tile/0").rglob("*") if file.is_file()),
        key=lambda file: file.stat().st_mtime,
    )
    tile.write_bytes(tile.read_bytes()[:-7])
    with pytest.raises(ForkError, match=f"bytes for.*{tile.name}.*restore"):
        asyncio.run(fork.lab.start())


@pytest.mark.asyncio
async def test_a_tile_that_is_cut_short_beyond_every_checkpoint_is_written_again(
    lab: Lab, crash: Callable[..., None]
) -> None:
    running = await lab.start()
    crash("audit.after-tiles")
    for _ in range(300):
        lab.command()
    with pytest.raises(CrashError):
        await lab.drain(running)
    running.close()
    crash(None)
    for tile in (lab.folder / "tile").rglob("*"):
        if tile.is_file():
            tile.write_bytes(tile.read_bytes()[:100])
    await go_on(lab)
    assert_all_once(lab)


@pytest.mark.asyncio
async def test_an_old_database_beside_tiles_of_a_publication_that_died_is_told_apart(
    lab: Lab, crash: Callable[..., None]
) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()
    lab.home.keep()
    running = await lab.start()
    crash("audit.after-tiles")
    lab.command()
    with pytest.raises(CrashError):
        await lab.drain(running)
    running.close()
    crash(None)
    shutil.copy(lab.var / "service/service.db", lab.var / "new.db")
    lab.home.restore()
    with pytest.raises(ForkError, match="no checkpoint that can be found covers") as refused:
        await lab.start()
    assert len(set(ROOT.findall(refused.value.what))) == 2
    lab.home.lose()
    shutil.copy(lab.var / "new.db", lab.var / "service/service.db")
    await go_on(lab)
    assert_all_once(lab)
