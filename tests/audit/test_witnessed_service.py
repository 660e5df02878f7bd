"""The audit service and its witnesses as processes, on the real broker."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.audit.test_service import AGENCY, FOOD, Domain, department, domain, send
from tests.workers import block_of_ports

from sanyuan.client.verify import verify_log
from sanyuan.client.verify.source import ReadAuth
from sanyuan.client.verify.witnessed import Views
from sanyuan.client.witness.keys import create_witness_key
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.tlog.policy import Policy

__all__ = ["domain"]
pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def witnesses(domain: Domain) -> Iterator[Start]:
    """Start one of three witnesses, as a process; their policy wants two of them."""
    folders = {name: domain.var / "witnesses" / name for name in ("w1", "w2", "w3")}
    first = block_of_ports()
    place = {name: first + at for at, name in enumerate(folders)}
    lines = [
        f"witness {name} {create_witness_key(folder, f'{name}.example').key} "
        f"http://127.0.0.1:{place[name]}"
        for name, folder in folders.items()
    ]
    policy = "\n".join([*lines, "group q 2 w1 w2 w3", "quorum q", ""])
    (domain.var / "policy").write_text(policy)
    key = str(load_log_key(domain.var / LOG_KEY_FILE).verifier)
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        run = "from sanyuan.client.cli.main import main; main()"
        command = ["witness", "serve", str(folders[name]), "--log", key, "--port", str(place[name])]
        running.append(subprocess.Popen([sys.executable, "-c", run, *command]))
        return running[-1]

    yield start
    for each in running:
        each.kill()
        each.wait()


async def cosigned(domain: Domain, seconds: float = 120) -> int:
    """Wait until the newest checkpoint is cosigned; return its size."""
    async with httpx.AsyncClient(base_url=domain.url) as client, asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                status = (await client.get("/status")).json()
                if status["size"] and status["size"] == status["cosigned_size"]:
                    return int(status["size"])
            await asyncio.sleep(0.05)


async def test_the_log_is_cosigned_by_a_quorum_and_never_waits_for_it(
    domain: Domain, witnesses: Start
) -> None:
    policy = domain.var / "policy"
    started = [witnesses("w1"), witnesses("w2")]
    domain.start(SANYUAN_AUDIT_WITNESS_POLICY=str(policy), SANYUAN_AUDIT_WITNESS_SECONDS="0.2")
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 300)
        await domain.logged(FOOD, 300)
        size = await cosigned(domain)
        keys = domain.file("agency").signing.verifier, load_log_key(domain.var / LOG_KEY_FILE)
        views = Views(keys[1].verifier, Policy.parse(policy.read_bytes()))
        await asyncio.to_thread(views.ask)
        log, state = f"{domain.url}/log", Path(domain.var / "state")
        report = await asyncio.to_thread(
            lambda: verify_log(
                log,
                keys[0],
                keys[1].verifier,
                state_dir=state,
                jobs=1,
                views=views,
                reader=domain.file("inspection"),
            )
        )
        assert (report.exit_code, report.witnessed_size) == (0, size)
        assert {each.name for each in report.witnesses} == {"w1.example", "w2.example"}
        started[0].kill()
        await send(domain, connector, 50)
        await domain.logged(FOOD, 350)  # goes on; nothing new is cosigned
        witnesses("w3")
        assert await cosigned(domain) > size
    assert keys[0].name == AGENCY.removeprefix("//")


async def test_the_audit_stream_is_read_from_the_running_service(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 20)
        await domain.logged(FOOD, 20)
    seen = 0
    async with (
        asyncio.timeout(120),
        httpx.AsyncClient(base_url=domain.url) as client,
        client.stream("GET", "/follow", auth=ReadAuth(domain.file("inspection"))) as answer,
    ):
        async for line in answer.aiter_lines():
            seen += line.startswith("data: {") and "identity.verify-person.v1" in line
            if line == "event: checkpoint":
                break
    assert seen == 20
