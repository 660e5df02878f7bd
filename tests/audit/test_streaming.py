"""The audit stream: what a reader of server-sent events gets, computed as a reader would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import pytest
import uvicorn
from httpx import AsyncClient
from starlette.applications import Starlette

from sanyuan.audit import api
from sanyuan.audit.announcing import Announcement
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.reading import may_read
from sanyuan.audit.settings import Settings
from sanyuan.audit.streaming import HEARTBEAT, RETRY, event, events
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.tlog.authentic import ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import leaf_hash
from sanyuan.common.tlog.tree import Tree

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

AGENCY = "//cn/agency/11100000000013338W/agency"
FOOD = "//cn/departments/11110000000012345X/food-permits"
SUPERVISOR = "//cn/supervisors/11100000MB1600001J/inspection"
pytestmark = pytest.mark.asyncio


class Event(NamedTuple):
    """An event as the WHATWG's algorithm reads it."""

    kind: str
    id: str | None
    data: str


def parse(raw: bytes) -> list[Event]:
    read = []
    for block in raw.decode().split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, text = line.partition(": ")
            fields.setdefault(name, []).append(text)
        if "data" in fields:
            identity = fields.get("id", [None])[0]
            read.append(Event(fields["event"][0], identity, "\n".join(fields["data"])))
    return read


async def until(stream: AsyncIterator[bytes], kind: str) -> list[Event]:
    read: list[Event] = []
    while not read or read[-1].kind != kind:
        read += parse(await anext(stream))
    return read


async def test_a_reader_gets_every_entry_once_in_order_and_then_the_checkpoint_over_them(
    lab: Lab,
) -> None:
    running = await lab.start()
    stream = events(LogFolder(lab.folder), running.standing.announced, 0)
    assert await anext(stream) == RETRY
    tree = Tree()
    for count in (300, 3):
        for _ in range(count):
            lab.command()
        await lab.drain(running)
        *records, last = await until(stream, "checkpoint")
        assert [int(each.id or "") for each in records] == list(
            range(tree.size, len(lab.entries()))
        )
        tree.extend(leaf_hash(f"{each.data}\n".encode()) for each in records)
        note = f"{last.data}\n".encode()
        head = Checkpoint.open(note, keys=[lab.log_key.verifier])
        assert (head.size, head.root) == (tree.size, tree.root())
    await stream.aclose()


async def test_a_reader_goes_on_where_it_was_also_inside_a_bundle(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(300):
        lab.command()
    await lab.drain(running)
    entries = lab.entries()
    for start in (0, 1, 255, 256, 257, len(entries) - 1):
        stream = events(LogFolder(lab.folder), running.standing.announced, start)
        records = (await until(stream, "checkpoint"))[:-1]
        assert [f"{each.data}\n".encode() for each in records] == entries[start:]
        await stream.aclose()


async def test_an_idle_stream_is_kept_alive(lab: Lab) -> None:
    stream = events(LogFolder(lab.folder), Announcement(), 0, heartbeat=0.01)
    assert [await anext(stream) for _ in range(3)] == [RETRY, HEARTBEAT, HEARTBEAT]
    await stream.aclose()


async def test_what_does_not_belong_to_the_tree_is_never_sent(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    size = len(lab.entries())
    bundle = lab.folder / f"tile/entries/000.p/{size}"
    bundle.write_bytes(bundle.read_bytes().replace(b"identity", b"idenTity", 1))
    stream = events(LogFolder(lab.folder), running.standing.announced, 0)
    await anext(stream)
    with pytest.raises(ForgedLogError):
        await anext(stream)


async def test_a_partial_tile_that_grew_meanwhile_is_read_from_the_full_one(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    early = Announcement()
    head = running.standing.announced.head
    assert head is not None
    early.tell(head, running.standing.announced.note)
    for _ in range(2):
        for _ in range(300):
            lab.command()
        await lab.drain(running)
    stream = events(LogFolder(lab.folder), early, 0)
    records = (await until(stream, "checkpoint"))[:-1]
    assert [f"{each.data}\n".encode() for each in records] == lab.entries()[: head.size]
    await stream.aclose()


async def test_a_note_of_several_lines_is_one_event() -> None:
    assert event(b"record", b"a\n\nb\n", 7) == b"event: record\nid: 7\ndata: a\ndata: \ndata: b\n\n"


@asynccontextmanager
async def served(lab: Lab, running: Running) -> AsyncIterator[AsyncClient]:
    app = Starlette(routes=api.routes(Settings(var=lab.var), running.standing))
    config = uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await task


async def test_the_stream_over_http(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_FOLLOWERS", 1)
    lab.supervise()
    running = await lab.start()
    async with served(lab, running) as client:
        client.headers.update(lab.token(SUPERVISOR))
        assert (await client.get("/follow")).status_code == 503
        lab.command()
        await lab.drain(running)
        size = len(lab.entries())
        for wrong in ("-1", "01", "x", ""):
            assert (await client.get(f"/follow?from={wrong}")).status_code == 400
        assert (await client.get(f"/follow?from={size + 1}")).status_code == 409
        behind = {"Last-Event-ID": str(size - 2)}
        async with client.stream("GET", "/follow", headers=behind) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "private, no-store"
            read = b""
            async for chunk in answer.aiter_bytes():
                read += chunk
                if b"event: checkpoint" in read and read.endswith(b"\n\n"):
                    break
            assert [each.id for each in parse(read)] == [str(size - 1), None]
            assert (await client.get("/follow")).status_code == 503


async def test_a_participant_follows_its_own_records_and_no_others(lab: Lab) -> None:
    lab.supervise()
    running = await lab.start()
    for _ in range(150):
        lab.command()
        lab.command(SUPERVISOR)
    await lab.drain(running)
    participants = running.standing.participants
    assert participants is not None
    directory = participants.directory
    check = may_read(directory.systems[FOOD], directory)
    stream = events(LogFolder(lab.folder), running.standing.announced, 0, check)
    *records, last = await until(stream, "checkpoint")
    await stream.aclose()
    entries = lab.entries()
    assert [f"{each.data}\n".encode() for each in records] == [
        entries[int(each.id or "")] for each in records
    ]
    assert Counter(parse_leaf(f"{each.data}\n".encode()).envelope.source for each in records) == {
        AGENCY: len(lab.topics["participants", 0]),
        FOOD: 150,
    }
    head = Checkpoint.open(f"{last.data}\n".encode(), keys=[lab.log_key.verifier])
    assert head.size == len(entries)
