"""Nothing is missing unseen, on the real broker: what is lost is named, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tests.audit.test_service import FOOD, Domain, _emptied, department, domain, send
from tests.workers import block_of_ports
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.connector import Connector
from sanyuan.client.follow import Follower
from sanyuan.client.recovering import prepare_recovery
from sanyuan.client.system import connect
from sanyuan.client.verify import silenced, verify_log
from sanyuan.client.verify.findings import Grade
from sanyuan.client.verify.silenced import load_posted
from sanyuan.client.verify.source import SourceError, open_source
from sanyuan.common import producing
from sanyuan.common.contracts.participants import SystemSuperseded
from sanyuan.common.ids import new_case
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.outbox import Draft
from sanyuan.common.partition import partition_of
from sanyuan.common.receipts import RestoredBackupError
from sanyuan.common.systems import SystemFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanyuan.client.heads.keeping import Posted
    from sanyuan.client.verify import Report

__all__ = ["domain"]
pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]
STREAM = (FOOD, "identity-commands")
PARTITION = partition_of(FOOD.encode(), 12)


def lose(
    domain: Domain, before: int, topic: str = "identity-commands", partition: int = PARTITION
) -> None:
    """Remove what the broker has acknowledged, up to an offset, before anybody has read it."""
    admin = AdminClient(domain.kafka.admin.librdkafka())
    end = TopicPartition(topic, partition, before)
    for done in admin.delete_records([end]).values():
        done.result(10)


async def reported(domain: Domain, exit_code: int, seconds: float = 60) -> Report:
    """Wait until `sanyuan verify` says so."""
    async with asyncio.timeout(seconds):
        while True:
            if (report := domain.verify()).exit_code == exit_code:
                return report
            await asyncio.sleep(0.2)


async def passed_by(connector: Connector, offset: int, seconds: float = 120) -> None:
    """Wait until the producer has read a seal whose positions lie beyond an offset."""
    logged = connector._producer._passed._logged
    async with asyncio.timeout(seconds):
        while True:
            if logged.get(("identity-commands", PARTITION), 0) > offset:
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def receiver(domain: Domain) -> Iterator[str]:
    """The supervisor's receiver as a process; every system knows its address."""
    port = block_of_ports()
    url = f"http://127.0.0.1:{port}"
    for path in (domain.var / "systems").glob("*.json"):
        system = SystemFile.load(path)
        system.model_copy(update={"urls": system.urls | {"heads": url}}).save(path)
    run = "from sanyuan.client.cli.main import main; main()"
    command = ["heads", "serve", str(domain.var / "heads"), "--port", str(port)]
    reader = ["--as", str(domain.var / "systems" / "agency.json")]
    process = subprocess.Popen([sys.executable, "-c", run, *command, *reader])
    yield url
    process.terminate()
    process.wait(60)


async def told(url: str, last: int, after: float = 0.0, seconds: float = 60) -> Posted:
    """Wait until the supervisor knows of so many records, from a note that it got after a time."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(SourceError):
                for each in await asyncio.to_thread(load_posted, url):
                    places = [head.last for head in each.heads.streams]
                    if places == [last] and each.received > after:
                        return each
            await asyncio.sleep(0.1)


async def test_a_stream_that_the_broker_silences_is_named_by_what_the_supervisor_was_told(
    domain: Domain, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", 3600.0)  # as if nothing came through
    monkeypatch.setattr(silenced, "GRACE_SECONDS", 0.0)
    domain.start()
    await domain.ready()
    system, database = domain.file("food-permits"), domain.var / "client.db"
    async with Connector.open([system], database, heads_seconds=0.2) as connector:
        first = await send(domain, connector, 3)
        await domain.logged(FOOD, 3)
        domain.stop()
        second = await send(domain, connector, 2)
        await connector.drained()
        lose(domain, 5)
        domain.start()
        await domain.ready()
        note = await told(receiver, 5)
        await told(receiver, 5, after=note.received + 0.5)  # idle, and heard all the same
    assert (await reported(domain, 0)).findings == ()
    agency, key = domain.file("agency"), load_log_key(domain.var / LOG_KEY_FILE).verifier
    for where in (receiver, str(domain.var / "heads")):
        report = verify_log(
            str(domain.var / "audit" / "log"),
            agency.signing.verifier,
            key,
            state_dir=domain.var / "state",
            jobs=1,
            heads=load_posted(where),
        )
        assert report.exit_code == 10
        [finding] = report.findings
        assert (finding.source, finding.topic) == (FOOD, "cn/identity-commands")
        assert (finding.sequence, finding.expected) == (5, second[-1].hash)
        assert finding.found == first[-1].hash


async def test_a_system_that_lost_its_outbox_goes_on_as_a_new_source_by_one_command(
    domain: Domain,
) -> None:
    domain.start()
    await domain.ready()
    systems, again = domain.var / "systems", f"{FOOD}~2"
    async with connect(systems / "food-permits.json") as me:
        await send(domain, me._connector, 3)
        await domain.logged(FOOD, 3)
        copy = (systems / "food-permits.json").read_bytes()
        with pytest.raises(AssertionError, match="a process has the database open"):
            await recover(domain)
    shutil.rmtree(domain.var / "state" / "food-permits")
    with pytest.raises(RestoredBackupError, match="sanyuan recover"):
        async with connect(systems / "food-permits.json"):
            pass
    said = await recover(domain)
    assert f"{FOOD} → {again}" in said
    async with connect(systems / "food-permits.json") as me:
        assert me.source == again
        await send(domain, me._connector, 2)
        await domain.logged(again, 2)
        directory = await me._connector.refresh()
    old, new = directory.systems[FOOD], directory.by_name["food-permits"]
    assert (old.superseded_by, new.source, new.inbox) == (again, again, "inbox-food-permits")
    assert (new.node, new.sealing_key) == (old.node, old.sealing_key)
    assert directory.is_revoked(FOOD, next(iter(old.keys)))
    report = await reported(domain, 0)
    assert report.findings == ()
    [ended] = await superseded(domain)
    assert ended.heads[0][:2] == ("cn/identity-commands", 3)
    # A second loss is a third life, also when the file of the first one comes back.
    shutil.rmtree(domain.var / "state" / "food-permits")
    (systems / "food-permits.json").write_bytes(copy)
    first = await prepare_recovery(domain.var, "food-permits")
    assert (await prepare_recovery(domain.var, "food-permits")).request == first.request
    assert f"{again} → {FOOD}~3" in await recover(domain)
    assert domain.file("food-permits").source == first.request.source == f"{FOOD}~3"


async def recover(domain: Domain) -> str:
    """`sanyuan recover food-permits`, as a person types it."""
    command = ["recover", "food-permits", "--var", str(domain.var)]
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    said = " ".join(done.output.split())
    assert done.exit_code == 0, said
    return said


async def superseded(domain: Domain) -> list[SystemSuperseded]:
    """What the log has of it."""
    agency, key = domain.file("agency"), load_log_key(domain.var / LOG_KEY_FILE).verifier
    with open_source(str(domain.var / "audit" / "log")) as source:
        follower = Follower(source, agency.agency, key)
        found = []
        async for logged in follower.records():
            envelope = logged.leaf.envelope
            if envelope.type == SystemSuperseded.TYPE:
                found.append(SystemSuperseded.model_validate(envelope.data))
            if envelope.source.endswith("~2") and envelope.number == 2:
                return found
    raise AssertionError("the new source is not in the log")


async def test_a_record_that_is_lost_on_the_way_is_named_sent_again_and_seen_as_closed(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setattr(producing, "WATCH_SECONDS", 0.2)
    domain.start()
    await domain.ready()
    async with department(domain) as connector:
        await send(domain, connector, 3)
        await domain.logged(FOOD, 3)
        await _emptied(connector)
        domain.stop()
        await send(domain, connector, 3)
        await connector.drained()
        lose(domain, 5)  # the fourth and the fifth; the sixth arrives
        domain.start(SANYUAN_AUDIT_GAP_SECONDS="0.3")
        report = await reported(domain, 10)
        [gap] = report.having(Grade.INCOMPLETE)
        assert (gap.source, gap.topic, gap.sequence) == (FOOD, "cn/identity-commands", 4)
        await passed_by(connector, 5)
    # The next process knows of it, although no seal will name the partition again.
    monkeypatch.setattr(producing, "PATIENCE_SECONDS", 0.0)
    async with department(domain) as connector:
        await domain.logged(FOOD, 6)
        await _emptied(connector)
        await send(domain, connector, 1)
        await domain.logged(FOOD, 7)
    report = await reported(domain, 0)
    assert report.findings == ()


GOLDEN = Path(__file__).parents[1] / "golden" / "identity.person-verified.v1.json"


async def test_what_an_inbox_lost_to_its_retention_comes_from_the_log_with_attachments_expired(
    domain: Domain,
) -> None:
    golden = json.loads(GOLDEN.read_text())
    domain.start()
    await domain.ready()
    inbox, agency = "inbox-food-permits", domain.file("agency")
    async with Connector.open([agency], domain.var / "state" / "agency" / "client.db") as office:
        for _ in range(6):
            draft = Draft(
                key=agency.signing,
                domain="cn",
                topic=inbox,
                type="identity.person-verified.v1",
                data=json.loads(golden["value"])["data"],
                time="2026-11-23T02:17:00.123456Z",
                case=new_case(),
                sealed={"assertion": b64decode(golden["headers"]["sealed-assertion"])},
            )
            await office.send(draft)
        await office.drained()
        async with department(domain) as connector:
            first = await anext(connector.decisions(FOOD))
            assert (first.envelope.number, first.expired) == (1, ())
            await connector.read_inbox(inbox)
        await _emptied(office)
    (domain.var / "client.db").unlink()  # a reader that has taken nothing: all is older for it
    lose(domain, 4, inbox, 0)
    seen: list[tuple[int, tuple[str, ...], bool]] = []
    previous: list[str] = []
    async with asyncio.timeout(60), department(domain) as connector:
        async for decision in connector.decisions(FOOD):
            attached = decision.envelope.data["assertion"]["sealed"].startswith("sha256:")
            seen.append((decision.envelope.number, decision.expired, attached))
            previous.append(decision.envelope.previous)
            if len(seen) == 6:
                break
    lost = ("assertion",)
    assert seen == [(n, lost if n <= 4 else (), True) for n in range(1, 7)]
    # And where nothing has come since: the reader stands behind what is lost, and is told by audit.
    with contextlib.closing(sqlite3.connect(domain.var / "client.db")) as database:
        for change in ("next_offset SET offset = 4", "stream_place SET sequence = 4, hash = ?"):
            where = f"UPDATE {change} WHERE topic = '{inbox}'"
            database.execute(where, (previous[4],) if "?" in change else ())
        database.execute("DELETE FROM inbox_row")
        database.commit()
    lose(domain, 6, inbox, 0)
    again = []
    async with asyncio.timeout(60), department(domain) as connector:
        async for decision in connector.decisions(FOOD):
            again.append((decision.envelope.number, decision.expired))
            if len(again) == 2:
                break
    assert again == [(5, lost), (6, lost)]
