"""The supervisor's receiver: signed heads in, durable before the answer, readable by all."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.client.heads.test_note import HASH, TIME, note
from tests.common.conftest import AGENCY, FOOD, TAX, World, signing

from sanyuan.client.heads.app import make_app
from sanyuan.client.heads.keeping import Notes
from sanyuan.client.heads.note import Head, Heads
from sanyuan.common.directory import Directory
from sanyuan.common.follower import CatchUpError

pytestmark = pytest.mark.asyncio


class Supervisor:
    """A receiver that can start again over its folder; `up` is whether the broker answers."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.up = True
        self.known = world.directory
        self.now = 1_800_000_000.0
        self.start()

    def start(self) -> None:
        app = make_app(self.folder, lambda: self.known, self.refresh, clock=lambda: self.now)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")

    async def refresh(self) -> Directory:
        if not self.up:
            raise CatchUpError("no broker")
        self.known = self.world.directory
        return self.known

    async def post(self, raw: bytes) -> int:
        return (await self.http.post("/heads", content=raw)).status_code

    async def kept(self) -> list[tuple[float, Heads]]:
        answer = await self.http.get("/heads")
        return [(each.received, each.heads) for each in Notes.read(answer.content, "here")]


@pytest.fixture
def supervisor(world: World, tmp_path: Path) -> Supervisor:
    return Supervisor(world, tmp_path / "heads")


def said(last: int, second: int = 0, source: str = FOOD, head: str = HASH) -> Heads:
    time = f"2026-11-26T02:17:{second:02}.123456Z"
    return Heads.of(source, time, [Head("cn/calls", last, head)])


async def test_heads_are_kept_and_outlive_the_process(supervisor: Supervisor) -> None:
    for source in (FOOD, TAX):
        heads = said(3, source=source)
        assert await supervisor.post(heads.sign(signing(source))) == 200
    supervisor.start()
    assert {(supervisor.now, said(3)), (supervisor.now, said(3, source=TAX))} == set(
        await supervisor.kept()
    )
    assert (await supervisor.http.get("/health")).text == "ok\n"


async def test_a_source_without_records_is_heard_too(supervisor: Supervisor) -> None:
    assert await supervisor.post(Heads(FOOD, TIME, ()).sign(signing(FOOD))) == 200


async def test_what_is_no_note_is_malformed_and_what_is_not_signed_forbidden(
    supervisor: Supervisor,
) -> None:
    lines = ("sanyuan-heads/v1", FOOD, TIME)
    assert await supervisor.post(note(*lines, "x")) == 400
    assert await supervisor.post(b"x" * 1_000_001) == 400
    good = note(*lines)
    changed = good.replace(b"02:17:00", b"02:17:01")
    assert await supervisor.post(changed) == 403
    stranger = f"{FOOD}-2"
    assert await supervisor.post(said(1, source=stranger).sign(signing(stranger))) == 403
    assert await supervisor.kept() == []


async def test_a_key_is_known_once_it_is_registered_and_no_longer_when_it_is_revoked(
    supervisor: Supervisor,
) -> None:
    late = f"{FOOD}-2"
    supervisor.world.admit(late)
    assert await supervisor.post(said(1, source=late).sign(signing(late))) == 200
    key = str(signing(late).verifier)
    supervisor.world.say("participant.key-revoked.v1", source=late, signing_key=key)
    await supervisor.refresh()
    assert await supervisor.post(said(2, 5, source=late).sign(signing(late))) == 403


async def test_without_any_keys_nothing_is_refused_for_good(supervisor: Supervisor) -> None:
    supervisor.known, supervisor.up = Directory(signing(AGENCY).verifier), False
    assert await supervisor.post(said(1).sign(signing(FOOD))) == 503
    supervisor.up = True
    assert await supervisor.post(said(1).sign(signing(FOOD))) == 200


async def test_heads_that_are_taken_back_or_repeated_are_a_conflict(
    supervisor: Supervisor,
) -> None:
    assert await supervisor.post(said(9, 1).sign(signing(FOOD))) == 200
    assert await supervisor.post(said(9, 1).sign(signing(FOOD))) == 409
    assert await supervisor.post(said(8, 0).sign(signing(FOOD))) == 409
    assert [heads for _, heads in await supervisor.kept()] == [said(9, 1)]
    assert await supervisor.post(said(8, 2).sign(signing(FOOD))) == 409
    assert [heads for _, heads in await supervisor.kept()] == [said(9, 1), said(8, 2)]
