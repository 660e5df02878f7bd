"""What audit answers over HTTP, through the ASGI application, without a server or a broker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette

from sanyuan.audit.api import routes
from sanyuan.audit.settings import Settings
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.tlog.tiles import decode_bundle, right_edge

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

AGENCY = "//cn/agency/11100000000013338W/agency"
FOOD = "//cn/departments/11110000000012345X/food-permits"
LAND = "//cn/departments/11110000000012345X/land-registry"
ROADS = "//cn/departments/11220000000012345A/roads"
SUPERVISOR = "//cn/supervisors/11100000MB1600001J/inspection"
AUDIT = "//cn/services/audit"
BUNDLE = "/log/tile/entries/000"
pytestmark = pytest.mark.asyncio


def client(lab: Lab, running: Running) -> AsyncClient:
    app = Starlette(routes=routes(Settings(var=lab.var), running.standing))
    return AsyncClient(transport=ASGITransport(app), base_url="http://audit")


async def test_tiles_last_for_ever_and_the_checkpoint_a_moment(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(300):
        lab.command()
    await lab.drain(running)
    async with client(lab, running) as http:
        head = await http.get("/log/checkpoint")
        assert head.headers["content-type"] == "text/plain; charset=utf-8"
        assert head.headers["cache-control"] == "no-cache"
        for path in ("tile/0/000", right_edge(len(lab.entries()))[0].path):
            tile = await http.get(f"/log/{path}")
            assert tile.content == (lab.folder / path).read_bytes()
            assert tile.headers["content-type"] == "application/octet-stream"
            assert "immutable" in tile.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["tile/0/0", "tile/0/00", "tile/64/000", "tile/0/000.p/0", "tile/0/x000/000", "../audit.db"],
)
async def test_what_is_no_tile_of_the_log_is_not_there(lab: Lab, path: str) -> None:
    running = await lab.start()
    await lab.drain(running)
    async with client(lab, running) as http:
        assert (await http.get(f"/log/{path}")).status_code == 404


@pytest_asyncio.fixture
async def domain(lab: Lab) -> Running:
    """A log in which two departments, and the supervisor, have had something to say."""
    lab.supervise()
    data = {"participant": ROADS.split("/")[4], "role": "department", "name": "roads"}
    lab.send(AGENCY, "participants", "participant.registered.v1", data)
    for source in (LAND, ROADS):
        lab.register(source)
    running = await lab.start()
    for source in (FOOD, ROADS) * 100:
        lab.command(source)
    await lab.drain(running)
    lab.send(AUDIT, "inbox-land-registry", "identity.person-verified.v1", {})
    lab.command(LAND)
    await lab.drain(running)
    for _ in range(60):
        lab.command()
    await lab.drain(running)
    return running


def shown(raw: bytes) -> list[tuple[str, str]]:
    leaves = [parse_leaf(entry) for entry in decode_bundle(raw) if entry]
    return [leaf.stream for leaf in leaves]


async def test_the_supervisor_reads_every_entry_verbatim(lab: Lab, domain: Running) -> None:
    async with client(lab, domain) as http:
        answer = await http.get(BUNDLE, headers=lab.token(SUPERVISOR))
        assert answer.content == (lab.folder / "tile/entries/000").read_bytes()
        assert "Sanyuan-View" not in answer.headers
        assert answer.headers["cache-control"] == "private, no-store"


async def test_a_participant_reads_its_own_records_only(lab: Lab, domain: Running) -> None:
    async with client(lab, domain) as http:
        answer = await http.get(BUNDLE, headers=lab.token(LAND))
    assert answer.headers["Sanyuan-View"] == "own"
    whole = decode_bundle((lab.folder / "tile/entries/000").read_bytes())
    seen = decode_bundle(answer.content)
    assert all(mine in {b"", whole[at]} for at, mine in enumerate(seen))
    streams = set(shown(answer.content))
    assert streams == {
        (AGENCY, "cn/participants"),
        (FOOD, "cn/identity-commands"),  # another system of the same participant
        (LAND, "cn/identity-commands"),
        (AUDIT, "cn/inbox-land-registry"),
    }
    async with client(lab, domain) as http:
        answer = await http.get(BUNDLE, headers=lab.token(ROADS))
    assert {source for source, _ in shown(answer.content)} == {AGENCY, ROADS}


async def test_a_service_reads_what_it_signed(lab: Lab, domain: Running) -> None:
    async with client(lab, domain) as http:
        answer = await http.get(BUNDLE, headers=lab.token(AUDIT))
    assert {source for source, _ in shown(answer.content)} == {AGENCY, AUDIT}


@pytest.mark.parametrize("path", [BUNDLE, "/log/2026/tile/entries/000", "/follow"])
async def test_entries_are_shown_to_nobody_without_leave(
    lab: Lab, domain: Running, path: str
) -> None:
    stranger = "//cn/departments/11110000000012345X/stranger"
    now = time.time()
    async with client(lab, domain) as http:
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for headers in (
            {"Authorization": "Basic eDp5"},
            {"Authorization": "Bearer x.y.z"},
            lab.token(stranger),
            lab.token(SUPERVISOR, now - 66),
            lab.token(SUPERVISOR, now + 60),
        ):
            answer = await http.get(path, headers=headers)
            assert answer.status_code == 401
            assert "identity" not in answer.text


async def test_a_revoked_key_gives_no_leave(lab: Lab, domain: Running) -> None:
    data = {"source": SUPERVISOR, "signing_key": str(lab.key(SUPERVISOR).verifier)}
    lab.send(AGENCY, "participants", "participant.key-revoked.v1", data)
    await lab.drain(domain)
    async with client(lab, domain) as http:
        assert (await http.get(BUNDLE, headers=lab.token(SUPERVISOR))).status_code == 401
