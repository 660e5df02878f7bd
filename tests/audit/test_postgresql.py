"""The log over a server that goes away: whatever was committed is in the log once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.audit.conftest import Lab
from tests.audit.test_log import FOOD, assert_all_once, receipts
from tests.stores import Schema
from tests.wires import Loss, Wire

from sanyuan.audit.store import open_database
from sanyuan.common.database import LostConnectionError
from sanyuan.common.service.waiting import wait_for_lock

if TYPE_CHECKING:
    from tests.postgresql import Server

pytestmark = pytest.mark.asyncio


@pytest.fixture
def wire(postgresql: Server) -> Iterator[Wire]:
    with Wire(postgresql.port) as made:
        yield made


@pytest.fixture
def home(postgresql: Server, wire: Wire) -> Schema:
    return Schema(postgresql, wire.port)


@pytest.mark.parametrize(
    ("word", "loss"),
    [(b"pending_leaves", "question"), (b"COMMIT\0", "question"), (b"COMMIT\0", "answer")],
)
async def test_after_a_lost_connection_the_log_goes_on(
    lab: Lab, wire: Wire, word: bytes, loss: Loss
) -> None:
    """Lost before the leaves are written, before they are committed, and before that is known."""
    running = await lab.start()
    for _ in range(50):
        lab.command()
    await lab.drain(running)
    for _ in range(50):
        lab.command()
    wire.arm(word, loss)
    with pytest.raises(LostConnectionError, match="may be committed"):
        await lab.drain(running, 20)
    assert wire.breaks == 1
    running.close()
    (await wait_for_lock(lambda: open_database(lab.home.address), print)).close()
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()
    assert_all_once(lab)
    assert receipts(lab)[FOOD, "cn/identity-commands"] == 101
