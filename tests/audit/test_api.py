"""What audit answers over HTTP, through the ASGI application, without a server or a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette

from sanyuan.audit.api import routes
from sanyuan.audit.settings import Settings
from sanyuan.common.tlog.tiles import right_edge

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

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
        for path in ("tile/0/000", "tile/entries/000", right_edge(len(lab.entries()))[0].path):
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
