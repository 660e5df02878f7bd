"""Witnesses beside the log: real witnesses behind HTTP's interface, some down, slow or hostile."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from httpx import ASGITransport, AsyncClient, Request, Response
from tests.audit.conftest import ORIGIN

from sanyuan.audit import witnesses as module
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import newest, open_heads
from sanyuan.audit.witnesses import Witnesses, notes_of_witnesses
from sanyuan.client.witness.app import make_app
from sanyuan.client.witness.store import MODELS
from sanyuan.common.database import Database
from sanyuan.common.notes import Note
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, verify_cosignatures
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.tlog.witnessing import SIZE_TYPE

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

pytestmark = pytest.mark.asyncio
NAMES = ("w1", "w2", "w3")
Behaviour = Callable[[Request], Awaitable[Response]]


@dataclass
class Neighbours:
    """Three witnesses; `odd` says which of them behave in another way."""

    folder: Path
    lab: Lab
    odd: dict[str, Behaviour] = field(default_factory=dict)
    cosigners: dict[str, Cosigner] = field(
        default_factory=lambda: {
            name: Cosigner(f"{name}.example", name.encode() * 16) for name in NAMES
        }
    )
    databases: list[Database] = field(default_factory=list)
    quorum: str = "group all 2 w1 w2 w3"
    interval: float = 0.05

    def __post_init__(self) -> None:
        self.apps = {name: self._app(name) for name in NAMES}

    def _app(self, name: str) -> ASGITransport:
        database = Database.open(f"sqlite:///{self.folder}/{name}/witness.db", MODELS)
        self.databases.append(database)
        logs = {ORIGIN: (self.lab.log_key.verifier,)}
        return ASGITransport(make_app(database, self.cosigners[name], logs))

    @property
    def policy(self) -> Policy:
        lines = [f"witness {name} {self.cosigners[name].key} http://{name}" for name in NAMES]
        group = self.quorum.replace("all", "q", 1)
        return Policy.parse("\n".join([*lines, group, "quorum q"]).encode())

    def client(self) -> AsyncClient:
        async def route(request: Request) -> Response:
            name = request.url.host
            if name in self.odd:
                return await self.odd[name](request)
            return await self.apps[name].handle_async_request(request)

        return AsyncClient(transport=httpx.MockTransport(route), timeout=5)

    def of(self, running: Running) -> Witnesses:
        async def publish(head: Checkpoint, note: bytes) -> None:
            await running.log._publisher.publish_cosigned(head, note)

        return Witnesses(
            self.policy,
            running.log._publisher._folder,
            running.standing.announced,
            publish,
            self.interval,
            self.client(),
        )

    def seen(self, note: bytes) -> set[str]:
        keys = [each.key for each in self.cosigners.values()]
        return {key.name for key in verify_cosignatures(Note.parse(note), keys)}


@pytest.fixture
def neighbours(lab: Lab, tmp_path: Path) -> Iterator[Neighbours]:
    made = Neighbours(tmp_path / "witnesses", lab)
    yield made
    for each in made.databases:
        each.close()


async def grow(lab: Lab, running: Running, count: int = 3) -> Checkpoint:
    for _ in range(count):
        lab.command()
    await lab.drain(running)
    return running.log._publisher.published


async def cosigned(lab: Lab, size: int) -> bytes:
    """Wait for a cosigned checkpoint of at least this size."""
    path = lab.folder / "checkpoint.cosigned"
    async with asyncio.timeout(30):
        while True:
            if path.exists() and Checkpoint.open_unverified(path.read_bytes()).size >= size:
                return path.read_bytes()
            await asyncio.sleep(0.01)


async def down(_request: Request) -> Response:
    raise httpx.ConnectError("nobody is there")


async def slow(_request: Request) -> Response:
    await asyncio.sleep(60)
    raise AssertionError("nobody waited so long")


async def test_a_quorum_cosigns_what_was_published_in_file_checkpoint_and_topic(
    lab: Lab, neighbours: Neighbours
) -> None:
    running = await lab.start()
    task = asyncio.create_task(neighbours.of(running).run())
    for count in (1, 300, 2):
        head = await grow(lab, running, count)
        note = await cosigned(lab, head.size)
        assert len(neighbours.seen(note)) >= 2
        assert Checkpoint.open(note, keys=[lab.log_key.verifier]) == head
    async with running.log._publisher._turn:
        assert (lab.folder / "checkpoint").read_bytes() == note
        assert lab.broker.of("audit-checkpoints")[-1] == note
    task.cancel()
    assert lab.verify().exit_code == 0


@pytest.mark.parametrize("odd", [down, slow])
async def test_a_witness_that_is_down_or_slow_holds_up_neither_quorum_nor_log(
    lab: Lab, neighbours: Neighbours, odd: Behaviour
) -> None:
    neighbours.odd["w2"] = odd
    running = await lab.start()
    task = asyncio.create_task(neighbours.of(running).run())
    started = time.monotonic()
    for _ in range(3):
        head = await grow(lab, running)
        note = await cosigned(lab, head.size)
        assert neighbours.seen(note) == {"w1.example", "w3.example"}
    assert time.monotonic() - started < module.TIMEOUT_SECONDS
    task.cancel()


async def test_without_a_quorum_the_log_goes_on_and_nothing_is_called_cosigned(
    lab: Lab, neighbours: Neighbours
) -> None:
    neighbours.odd |= {"w1": down, "w2": down}
    running = await lab.start()
    task = asyncio.create_task(neighbours.of(running).run())
    head = await grow(lab, running)
    await asyncio.sleep(0.3)
    assert not task.done()
    assert not (lab.folder / "checkpoint.cosigned").exists()
    assert (lab.folder / "checkpoint").read_bytes() == running.log._publisher.note
    neighbours.odd.clear()  # also the same checkpoint is asked for again, without new records
    assert len(neighbours.seen(await cosigned(lab, head.size))) >= 2
    task.cancel()


def answering(status: int, body: bytes, kind: str = "text/plain") -> Behaviour:
    async def answer(_request: Request) -> Response:
        return Response(status, content=body, headers={"content-type": kind})

    return answer


def cosigning(text: bytes) -> bytes:
    return f"{Cosigner('w1.example', b'w1' * 16).cosign(text, 1)}\n".encode()


@pytest.mark.parametrize(
    "odd",
    [
        answering(200, b""),
        answering(200, b"\xff\xfe\n"),
        answering(200, b"no signature\n"),
        answering(200, cosigning(b"another text\n")),
        answering(200, cosigning(b"x\n") * 2000),
        answering(200, b"\n"),
        answering(409, b"18446744073709551616\n", SIZE_TYPE),
        answering(409, b"99999\n", SIZE_TYPE),
        answering(409, b"3\n"),
        answering(409, b"3\n", SIZE_TYPE),
        answering(422, b"\x1b[2J"),
        answering(500, b""),
        answering(302, b""),
        down,
    ],
)
async def test_nothing_that_a_witness_answers_counts_or_ends_the_round(
    lab: Lab, neighbours: Neighbours, odd: Behaviour
) -> None:
    running = await lab.start()
    head = await grow(lab, running)
    neighbours.odd["w1"] = odd
    asking = neighbours.of(running)
    lines = await asking.ask(head, running.log._publisher.note)
    assert {key.name for key in lines} == {"w2.example", "w3.example"}
    assert asking.askers[0].failures == 1
    assert {key.name for key in await asking.ask(head, running.log._publisher.note)} == {
        "w2.example", "w3.example",
    }  # fmt: skip
    assert asking.askers[0].failures == 1  # it rests


async def test_a_log_that_restarts_is_told_what_its_witnesses_know(
    lab: Lab, neighbours: Neighbours
) -> None:
    running = await lab.start()
    for _ in range(3):
        head = await grow(lab, running, 100)
        lines = await neighbours.of(running).ask(head, running.log._publisher.note)
        assert len(lines) == 3
    running.close()
    running = await lab.start()
    head = await grow(lab, running)
    assert len(await neighbours.of(running).ask(head, running.log._publisher.note)) == 3


async def test_a_cosigned_checkpoint_that_comes_late_replaces_no_newer_one(
    lab: Lab, neighbours: Neighbours
) -> None:
    running = await lab.start()
    head = await grow(lab, running)
    note = running.log._publisher.note
    lines = await neighbours.of(running).ask(head, note)
    newer = await grow(lab, running)
    late = note + "".join(f"{line}\n" for line in lines.values()).encode()
    await running.log._publisher.publish_cosigned(head, late)
    assert (lab.folder / "checkpoint.cosigned").read_bytes() == late
    assert Checkpoint.open_unverified((lab.folder / "checkpoint").read_bytes()) == newer
    last = await grow(lab, running)
    running.close()
    running = await lab.start()  # the last records of the topic hold the late one too
    assert running.log._publisher.published == last
    assert lab.verify().exit_code == 0


@pytest.mark.parametrize("step", ["write_cosigned", "write_checkpoint", "_send_checkpoint"])
@pytest.mark.parametrize("persisted", [True, False])
async def test_after_a_death_at_any_step_of_publishing_cosignatures_the_log_goes_on(
    lab: Lab, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, step: str, *, persisted: bool
) -> None:
    running = await lab.start()
    head = await grow(lab, running)
    publisher = running.log._publisher
    lines = await neighbours.of(running).ask(head, publisher.note)
    note = publisher.note + "".join(f"{line}\n" for line in lines.values()).encode()
    owner = publisher if step == "_send_checkpoint" else publisher._folder
    real = getattr(owner, step)

    def die(*given: object) -> object:
        if persisted and owner is not publisher:
            real(*given)
        raise OSError("died here")

    monkeypatch.setattr(owner, step, die)
    with pytest.raises(OSError, match="died"):
        await publisher.publish_cosigned(head, note)
    running.close()
    running = await lab.start()
    newer = await grow(lab, running)
    assert len(await neighbours.of(running).ask(newer, running.log._publisher.note)) == 3
    report = lab.verify()
    assert (report.exit_code, report.size) == (0, newer.size)


async def test_witnesses_do_not_cosign_a_fork_and_remember_what_an_old_state_forgot(
    lab: Lab, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "make_client", lambda _timeout: neighbours.client())
    running = await lab.start()
    await grow(lab, running)
    running.close()
    shutil.copytree(lab.var / "audit", lab.var / "backup")
    lab.home.keep()
    old_topics = {name: list(records) for name, records in lab.topics.items()}
    sent = list(lab.broker.sent)
    running = await lab.start()
    head = await grow(lab, running, 5)
    assert len(await neighbours.of(running).ask(head, running.log._publisher.note)) == 3
    running.close()
    shutil.rmtree(lab.var / "audit")
    shutil.move(lab.var / "backup", lab.var / "audit")
    lab.home.restore()
    lab.topics, lab.broker.sent = old_topics, sent
    lab.heads.clear()
    notes = await notes_of_witnesses(neighbours.policy, lab.log_key.verifier)
    assert len(notes) == 3
    heads = open_heads([*LogFolder(lab.folder).notes(), *notes], lab.log_key.verifier)
    assert (
        newest(heads, ORIGIN).checkpoint == head
    )  # so that the start refuses: it has no tiles for that size
    running = await lab.start()  # this one did not ask
    lab.heads |= {
        stream: (place.sequence, place.hash)
        for stream, place in running.sequencer.state.places.items()
    }
    lab.made = 1000
    forked = await grow(lab, running, 20)
    assert forked.size > head.size
    asking = neighbours.of(running)
    assert await asking.ask(forked, running.log._publisher.note) == {}
    assert all(each.failures == 1 for each in asking.askers)
