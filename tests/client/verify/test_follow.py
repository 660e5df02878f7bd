"""A follower hands out every record once, in order, only when a checkpoint covers it."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sanyuan.client.follow import Follower, Logged
from sanyuan.client.verify.source import FolderSource, read_tile
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import tiles_between

if TYPE_CHECKING:
    from tests.client.verify.conftest import LogMaker

AGENCY = "//cn/agency/11100000000013338W/agency"


def follower(log: LogMaker, file: Path | None = None) -> Follower:
    agency = log.key(AGENCY).verifier
    return Follower(FolderSource(log.folder), agency, log.log_key.verifier, file, poll_s=0.01)


async def take(following: Follower, count: int) -> list[Logged]:
    taken = []
    async with asyncio.timeout(20):
        async for logged in following.records():
            taken.append(logged)
            if len(taken) == count:
                break
    return taken


def fill(log: LogMaker, count: int) -> None:
    for _ in range(count):
        log.command()
    log.seal()


@pytest.mark.asyncio
async def test_every_record_comes_once_in_order_as_checkpoints_cover_it(log: LogMaker) -> None:
    fill(log, 300)
    log.publish()
    following = follower(log)
    records = following.records()
    seen = [await anext(records) for _ in log.entries]
    waiting = asyncio.ensure_future(anext(records))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    fill(log, 300)
    log.publish()
    seen += [await waiting, *[await anext(records) for _ in range(300)]]
    assert [logged.index for logged in seen] == list(range(len(log.entries)))
    values = [entry.partition(b"\n\n")[0] for entry in log.entries]
    assert [logged.leaf.value for logged in seen] == values
    await records.aclose()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.asyncio
async def test_a_follower_goes_on_where_it_stopped(log: LogMaker, tmp_path: Path) -> None:
    fill(log, 300)
    log.publish()
    file = tmp_path / "follower"
    following = follower(log, file)
    records = following.records()
    for _ in log.entries:
        await anext(records)
    waiting = asyncio.ensure_future(anext(records))
    await asyncio.sleep(0.1)
    waiting.cancel()
    done = len(log.entries)
    fill(log, 10)
    log.publish()
    assert follower(log, file).index == done
    assert [logged.index for logged in await take(follower(log, file), 11)] == [
        done + at for at in range(11)
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("more", [0, 300])
async def test_a_log_that_shrank_or_forked_hands_out_nothing(
    log: LogMaker, tmp_path: Path, more: int
) -> None:
    file = tmp_path / "follower"
    begun = list(log.entries)
    fill(log, 3)
    log.publish()
    following = follower(log, file)
    await take(following, len(log.entries))
    following._save()
    log.entries = begun
    for _ in range(more):
        log.command()
    shutil.rmtree(log.folder)
    log.publish()
    with pytest.raises(ForgedLogError):
        await take(follower(log, file), 1)


@pytest.mark.asyncio
async def test_a_changed_entry_is_refused(log: LogMaker) -> None:
    fill(log, 300)
    log.publish()
    file = log.folder / "tile/entries/000"
    file.write_bytes(file.read_bytes().replace(b'"case"', b'"cafe"', 1))
    with pytest.raises(ForgedLogError):
        await take(follower(log), 1)


def test_any_changed_hash_tile_is_refused_when_it_is_needed(log: LogMaker) -> None:
    fill(log, 600)
    head = log.publish()
    for tile in tiles_between(0, head.size):
        file = log.folder / tile.path
        good = file.read_bytes()
        file.write_bytes(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
        with pytest.raises(ForgedLogError):
            read_all(log, authentic(log, head))
        file.write_bytes(good)
    assert read_all(log, authentic(log, head)) == log.entries


def authentic(log: LogMaker, head: Checkpoint) -> AuthenticTiles:
    return AuthenticTiles(partial(read_tile, FolderSource(log.folder)), head, "log")


def read_all(log: LogMaker, tiles: AuthenticTiles) -> list[bytes]:
    bundles = range(-(-len(log.entries) // 256))
    return [entry for index in bundles for entry in tiles.entries(index)]
