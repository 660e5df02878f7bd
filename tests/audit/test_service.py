"""The audit service as a process on the real broker: whatever is killed, the log is whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError
from tests.e2e.wire import Raw, RawName, Wire
from tests.workers import block_of_ports
from typer.testing import CliRunner

from sanyuan.audit.service import Standing, work
from sanyuan.audit.settings import Settings
from sanyuan.client.agency import load_request, open_agency
from sanyuan.client.cli.main import app
from sanyuan.client.connector import Connector
from sanyuan.client.follow import Follower
from sanyuan.client.joining import join, request_path
from sanyuan.client.proving import find_proof
from sanyuan.client.proving.finding import ByPlace
from sanyuan.client.provisioning import found, provision
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.source import open_source
from sanyuan.common.contracts.participants import ParticipantRegistered
from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.common.ids import new_case
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.partition import partition_of
from sanyuan.common.sources import parse_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import EMPTY_ROOT
from sanyuan.sandbox.embedded import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]

AGENCY = "//cn/agency/11100000000013338W/agency"
AUDIT = "//cn/services/audit"
FOOD = "//cn/departments/11110000000012345X/food-permits"
SUPERVISOR = "//cn/supervisors/11100000MB1600001J/inspection"
EMPTY = Checkpoint("", 0, EMPTY_ROOT)
STEPS = [name for name in FAILPOINTS if name.startswith("audit.")]


@dataclass
class Domain:
    """A founded domain with one department, and its audit process."""

    var: Path
    kafka: EmbeddedKafka
    port: int
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def file(self, name: str) -> SystemFile:
        return SystemFile.load(self.var / "systems" / f"{name}.json")

    def start(self, **environment: str) -> None:
        settings = {
            "SANYUAN_VAR": str(self.var),
            "SANYUAN_AUDIT_HTTP_PORT": str(self.port),
            "SANYUAN_AUDIT_CHECKPOINT_SECONDS": "0.1",
        }
        with (self.var / "audit.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sanyuan.audit"],
                env=os.environ | settings | environment,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    async def ready(self, seconds: float = 120) -> None:
        async with httpx.AsyncClient() as client, asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def logged(self, source: str, count: int, seconds: float = 120) -> None:
        """Wait until so many records of a source's commands are in the published log."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get(f"{self.url}/streams", params={"source": source})
                    rows = {row["topic"]: row["last"] for row in answer.json().get("streams", [])}
                    if rows.get("cn/identity-commands", 0) >= count:
                        return
                assert time.monotonic() < deadline, (self.var / "audit.log").read_text()[-3000:]
                await asyncio.sleep(0.05)

    def verify(self, log: str | None = None) -> Report:
        agency = self.file("agency").signing.verifier
        key = load_log_key(self.var / LOG_KEY_FILE).verifier
        folder = log or str(self.var / "audit" / "log")
        state, reader = self.var / "state", self.file("inspection")
        return verify_log(folder, agency, key, state_dir=state, jobs=1, reader=reader)


@pytest.fixture
def domain(empty_kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Domain]:
    made = Domain(tmp_path, empty_kafka, block_of_ports())
    asyncio.run(_establish(made))
    yield made
    made.stop()


async def _establish(domain: Domain) -> None:
    systems = domain.var / "systems"
    for source in (AGENCY, AUDIT, FOOD, SUPERVISOR):
        join(domain.var, parse_source(source))
    agency = domain.file("agency")
    await found(agency.parsed, str(agency.signing.verifier), domain.kafka.admin, systems)
    key = load_log_key(domain.var / LOG_KEY_FILE)
    async with open_agency(systems / "agency.json") as office:
        await office.found(key.name, str(key.verifier))
        await office.register(
            [
                ParticipantRegistered(participant="11100000000013338W", role="agency", name="机构"),
                ParticipantRegistered(
                    participant="11110000000012345X", role="department", name="局"
                ),
                ParticipantRegistered(
                    participant="11100000MB1600001J", role="supervisor", name="监管"
                ),
            ]
        )
        requests = [
            load_request(request_path(domain.var, name))
            for name in ("agency", "audit", "food-permits", "inspection")
        ]
        await office.admit(requests)
        directory = await office._connector.refresh()
    await provision(directory, domain.kafka.admin, systems, {"audit": domain.url})


@contextlib.asynccontextmanager
async def department(domain: Domain) -> AsyncIterator[Connector]:
    database = domain.var / "client.db"
    async with Connector.open([domain.file("food-permits")], database) as connector:
        yield connector


async def send(domain: Domain, connector: Connector, count: int) -> list[Row]:
    key = domain.file("food-permits").signing
    drafts = [
        Draft(
            key=key,
            domain="cn",
            topic="identity-commands",
            type="identity.verify-person.v1",
            data={"n": number},
            time="2026-11-23T02:17:00.123456Z",
            case=new_case(),
        )
        for number in range(count)
    ]
    return list(await asyncio.gather(*(connector.send(draft) for draft in drafts)))


async def test_what_is_sent_is_in_a_sound_log_within_moments(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 500)
        await domain.logged(FOOD, 500)
        report = domain.verify()
        assert (report.exit_code, report.findings) == (0, ())
        for log in (f"{domain.url}/log/", f"{domain.url}/log/2026"):
            report = domain.verify(log)
            assert (report.exit_code, report.findings) == (0, ()), log
    async with httpx.AsyncClient(base_url=domain.url) as client:
        assert (await client.get("/log/2025/checkpoint")).status_code == 404
        assert (await client.get("/log/tile/0/0")).status_code == 404
        assert (await client.get("/log/..%2faudit.db")).status_code == 404
        assert (await client.get("/streams")).status_code == 400
        assert "sanyuan_audit_log_size" in (await client.get("/metrics")).text
        status = (await client.get("/status")).json()
        assert status["size"] == report.size
        assert status["checkpoint_lag_ms"]["p99"] is not None


async def test_a_broker_that_goes_away_while_a_system_starts_is_waited_for(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks, ask = count(), AIOKafkaConsumer.beginning_offsets

    async def gone_at_first(
        self: AIOKafkaConsumer, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        if next(asks) < 2:
            raise KafkaTimeoutError
        return dict(await ask(self, partitions))

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", gone_at_first)
    async with department(domain) as connector:
        await send(domain, connector, 1)
        await connector.drained()
    assert next(asks) >= 3


async def test_a_follower_sees_every_record_as_it_is_logged(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    key = load_log_key(domain.var / LOG_KEY_FILE).verifier
    with open_source(f"{domain.url}/log", domain.file("inspection")) as source:
        following = Follower(source, domain.file("agency").agency, key, poll_s=0.05)
        async with department(domain) as connector, asyncio.timeout(120):
            rows = await send(domain, connector, 20)
            seen = []
            async for logged in following.records():
                if logged.leaf.envelope.source == FOOD:
                    seen.append(logged.leaf.value)
                if len(seen) == 20:
                    break
    assert seen == [row.value for row in rows]


async def test_the_supervisor_withholds_an_entry_by_one_command(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 5)
        await domain.logged(FOOD, 5)
    with open_source(f"{domain.url}/log", domain.file("inspection")) as source:
        key = load_log_key(domain.var / LOG_KEY_FILE).verifier
        index = find_proof(
            source, domain.file("agency").agency, key, ByPlace(FOOD, "identity-commands", 3)
        ).bundle.index
    command = ["withhold", str(index), f"{domain.url}/log", "--ground", "a number stands in it"]
    command += ["--as", str(domain.var / "systems" / "inspection.json"), "--var", str(domain.var)]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exit_code == 0, result.output
    for log in (None, f"{domain.url}/log"):
        report = domain.verify(log)
        assert (report.exit_code, report.withheld) == (0, 1), log


@pytest.mark.kill
@pytest.mark.slow
async def test_after_a_kill_at_every_step_the_log_goes_on(domain: Domain) -> None:
    sent = 0
    async with department(domain) as connector:
        for step in STEPS:
            started = time.monotonic()
            domain.start(SANYUAN_FAILPOINT=f"{step}:2")
            assert domain.process is not None
            while domain.process.poll() is None:
                sent += len(await send(domain, connector, 100))
                assert time.monotonic() < started + 120, step
                await asyncio.sleep(0.1)
        domain.start()
        sent += len(await send(domain, connector, 100))
        await domain.logged(FOOD, sent)
        await _emptied(connector)
    report = domain.verify()
    assert (report.exit_code, report.findings) == (0, ())


async def _emptied(connector: Connector, seconds: float = 120) -> None:
    """Every record has its receipt: no row is left in the outbox."""
    async with asyncio.timeout(seconds):
        while connector._producer.outbox_bytes:
            await connector._producer._measure()
            await asyncio.sleep(0.1)


@pytest.mark.kill
@pytest.mark.slow
async def test_the_log_survives_the_broker_and_the_broker_the_log(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 200)
        assert domain.process is not None
        domain.process.kill()
        domain.process.wait()
        await asyncio.to_thread(domain.kafka.kill)
        domain.start()
        await send(domain, connector, 200)
        await domain.logged(FOOD, 400)
        await asyncio.to_thread(domain.kafka.kill)
        await send(domain, connector, 200)
        await domain.logged(FOOD, 600)
        await _emptied(connector)
    report = domain.verify()
    assert (report.exit_code, report.findings) == (0, ())


async def test_an_unreadable_header_is_counted_and_stepped_over(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    bad = Raw(b"x", ((RawName(b"\xff"), b""),), FOOD.encode())
    async with department(domain) as connector:
        await send(domain, connector, 10)
        async with Wire.open(domain.kafka.admin, ["audit-seals"]) as wire:
            await wire.send(partition_of(FOOD.encode(), 12), bad)
        await send(domain, connector, 10)
        await domain.logged(FOOD, 20)
    report = domain.verify()
    assert report.exit_code == 0
    assert any("unreadable" in finding.what for finding in report.findings)


async def test_a_broker_that_has_less_than_the_log_has_read_is_refused(domain: Domain) -> None:
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 5)
        await domain.logged(FOOD, 5)
    domain.stop()
    with contextlib.closing(sqlite3.connect(domain.var / "audit" / "audit.db")) as database:
        database.execute("UPDATE next_offset SET offset = 999 WHERE topic = 'identity-commands'")
        database.commit()
    domain.start()
    assert domain.process is not None
    assert await asyncio.to_thread(domain.process.wait, 60) != 0
    assert "the log has read up to offset 999" in (domain.var / "audit.log").read_text()


async def test_the_running_service_turns_the_year_and_producers_notice_nothing(
    domain: Domain,
) -> None:
    now = [time.time()]
    standing = Standing()
    settings = Settings(var=domain.var, checkpoint_seconds=0.1)
    task = asyncio.create_task(work(settings, standing, lambda: now[0]))
    year = datetime.fromtimestamp(now[0], UTC).year

    async def logged(count: int) -> None:
        async with asyncio.timeout(60):
            while standing.streams.get(FOOD, {}).get("cn/identity-commands", (0, ""))[0] < count:
                assert not task.done(), task
                await asyncio.sleep(0.05)

    async with department(domain) as connector:
        await send(domain, connector, 100)
        await logged(100)
        now[0] += 366 * 24 * 3600
        sent = asyncio.create_task(send(domain, connector, 200))
        async with asyncio.timeout(60):
            while not (standing.announced.head or EMPTY).origin.endswith(f"/{year + 1}"):
                assert not task.done(), task
                await asyncio.sleep(0.05)
        await sent
        await send(domain, connector, 100)
        await logged(400)
        await _emptied(connector)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    report = domain.verify()
    assert (report.exit_code, report.findings) == (0, ())
    assert report.origin == f"cn/log/{year + 1}"
    assert report.before is not None
    assert report.before.exit_code == 0
