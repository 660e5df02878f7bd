import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka.admin import AdminClient, ConfigResource

from sanyuan.client.provisioning import Provisioned, ProvisioningError, found, provision
from sanyuan.client.provisioning.connections import ConnectionFileError
from sanyuan.common.directory import Directory, Founding, System
from sanyuan.common.kafka import connection
from sanyuan.common.notes import SigningKey
from sanyuan.common.sources import parse_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import TOPICS
from sanyuan.sandbox.embedded import EmbeddedKafka

pytestmark = pytest.mark.kafka

CODE = "11110000000012345X"
AGENCY = f"//cn/agency/{CODE}/agency"
LOG = SigningKey.generate("cn/log/2026").verifier
URLS = {"audit": "http://127.0.0.1:1"}


def join(folder: Path, source: str) -> SystemFile:
    created = SystemFile.create(source)
    created.save(folder / f"{created.name}.json")
    return created


def load(folder: Path, name: str) -> SystemFile:
    return SystemFile.load(folder / f"{name}.json")


def directory_of(files: Iterable[SystemFile], nodes: dict[str, str] | None = None) -> Directory:
    systems = {
        file.source: System(
            source=file.source,
            name=file.name,
            role=file.parsed.role,
            participant=file.parsed.participant,
            inbox=file.inbox,
            node=(nodes or {}).get(file.name, file.name),
            operated_by=None,
            sealing_key="",
            suite="",
            keys={},
        )
        for file in files
    }
    agency = next(file for file in files if file.parsed.role == "agency")
    pinned = agency.signing.verifier
    return Directory(pinned, 1, Founding("cn", AGENCY, "cn/log/2026", LOG), systems=systems)


def department(folder: Path, name: str) -> SystemFile:
    return join(folder, f"//cn/departments/{CODE}/{name}")


def run(directory: Directory, kafka: EmbeddedKafka, folder: Path) -> Provisioned:
    return asyncio.run(provision(directory, kafka.admin, folder, URLS))


async def _send(system: SystemFile, topic: str) -> None:
    producer = AIOKafkaProducer(**connection(system), enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"value", key=b"key")
    finally:
        await producer.stop()


async def _read(system: SystemFile, topic: str) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(**connection(system), auto_offset_reset="earliest")
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        records = await consumer.getmany(partition, timeout_ms=1000)
        return [record.value for record in records.get(partition, [])]


def test_the_founding_creates_participants_and_the_agencys_user_and_no_more(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    agency = join(tmp_path, AGENCY)
    department(tmp_path, "permits")
    key = str(agency.signing.verifier)
    done = asyncio.run(found(parse_source(AGENCY), key, empty_kafka.admin, tmp_path))

    assert (done.topics, done.users, done.connected) == (1, 1, ("agency",))
    client = AdminClient(empty_kafka.admin.librdkafka())
    assert {t for t in client.list_topics().topics if not t.startswith("__")} == {"participants"}
    assert load(tmp_path, "agency").connected
    assert not load(tmp_path, "permits").connected
    asyncio.run(_send(load(tmp_path, "agency"), "participants"))


def test_provisioning_again_changes_nothing(empty_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    directory = directory_of([join(tmp_path, AGENCY), department(tmp_path, "permits")])
    first = run(directory, empty_kafka, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    assert first.connected == ("agency", "permits")
    assert run(directory, empty_kafka, tmp_path) == Provisioned()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_keys_are_carried_over_and_files_stay_private(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    before = department(tmp_path, "permits")
    run(directory_of([join(tmp_path, AGENCY), before]), empty_kafka, tmp_path)
    after = load(tmp_path, "permits")

    assert (after.signing_key, after.sealing_key) == (before.signing_key, before.sealing_key)
    assert (after.username, after.urls, after.log_key) == ("permits", URLS, str(LOG))
    assert (tmp_path / "permits.json").stat().st_mode & 0o777 == 0o600


def test_a_system_may_exactly_what_the_table_says(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "permits"), department(tmp_path, "other")]
    run(directory_of(files), empty_kafka, tmp_path)
    permits = load(tmp_path, "permits")

    asyncio.run(_send(permits, "identity-commands"))
    asyncio.run(_send(permits, "inbox-other"))  # the answer to a call
    assert asyncio.run(_read(load(tmp_path, "other"), "inbox-other")) == [b"value"]
    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(_send(permits, "participants"))
    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(_read(permits, "inbox-other"))


def test_a_later_system_and_a_lost_user_are_added_and_old_passwords_stay(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "permits")]
    run(directory_of(files), empty_kafka, tmp_path)
    before = load(tmp_path, "permits").password
    files.append(department(tmp_path, "later"))

    done = run(directory_of(files), empty_kafka, tmp_path)
    assert (done.topics, done.users, done.connected) == (1, 1, ("later",))
    assert load(tmp_path, "permits").password == before
    asyncio.run(_send(load(tmp_path, "later"), "calls"))


def test_a_permission_that_the_table_does_not_give_is_taken_away(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "permits")]
    shared = directory_of(files, {"permits": "node-1", "agency": "node-1"})
    run(shared, empty_kafka, tmp_path)
    assert run(directory_of([*files], {"permits": "node-1"}), empty_kafka, tmp_path).taken > 0

    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(_send(load(tmp_path, "permits"), "participants"))


def test_topics_have_append_time_and_the_retention_of_the_table(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    run(directory_of([join(tmp_path, AGENCY)]), empty_kafka, tmp_path)
    client = AdminClient(empty_kafka.admin.librdkafka())
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in TOPICS]
    settings = {r.name: f.result(5) for r, f in client.describe_configs(resources).items()}

    for name, topic in TOPICS.items():
        kept = int(settings[name]["retention.ms"].value)
        assert kept == (topic.retention.total_seconds() * 1000 if topic.retention else -1)
        assert settings[name]["message.timestamp.type"].value == "LogAppendTime"


def test_systems_behind_one_node_share_its_user(empty_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "a"), department(tmp_path, "b")]
    run(directory_of(files, {"a": "node-1", "b": "node-1"}), empty_kafka, tmp_path)
    a, b = load(tmp_path, "a"), load(tmp_path, "b")

    assert (a.username, a.password) == (b.username, b.password) == ("node-1", a.password)


def test_a_system_elsewhere_gets_its_topic_but_no_user(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "remote")]
    (tmp_path / "remote.json").unlink()
    done = run(directory_of(files), empty_kafka, tmp_path)

    assert done.elsewhere == ("remote",)
    assert done.users == 1
    assert "inbox-remote" in AdminClient(empty_kafka.admin.librdkafka()).list_topics().topics


def test_the_administrators_name_is_no_nodes_name(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    files = [join(tmp_path, AGENCY), department(tmp_path, "admin")]
    with pytest.raises(ProvisioningError, match="admin"):
        run(directory_of(files), empty_kafka, tmp_path)


def test_a_system_that_pins_another_agency_is_not_connected(
    empty_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    stranger = department(tmp_path, "permits")
    other = str(SigningKey.generate("cn/agency").verifier)
    stranger.model_copy(update={"agency_key": other}).save(tmp_path / "permits.json")

    with pytest.raises(ConnectionFileError, match="another agency"):
        run(directory_of([join(tmp_path, AGENCY), stranger]), empty_kafka, tmp_path)


def test_a_broker_that_is_not_there_is_one_clear_error(
    kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sanyuan.client.provisioning.administration._SECONDS", 0.5)
    nowhere = kafka.admin.model_copy(update={"bootstrap_servers": "127.0.0.1:9"})
    directory = directory_of([join(tmp_path, AGENCY)])

    with pytest.raises(ProvisioningError) as caught:
        asyncio.run(provision(directory, nowhere, tmp_path, URLS))
    assert caught.value.where == "127.0.0.1:9"


def test_a_domain_that_is_not_founded_is_not_provisioned(
    kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    directory = replace(directory_of([join(tmp_path, AGENCY)]), founding=None)
    with pytest.raises(ProvisioningError, match="not founded"):
        run(directory, kafka, tmp_path)


def test_eighty_systems_take_seconds(empty_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    files = [join(tmp_path, AGENCY), *(department(tmp_path, f"d{n}") for n in range(80))]
    directory = directory_of(files)
    begun = time.monotonic()
    done = run(directory, empty_kafka, tmp_path)
    spent = time.monotonic() - begun
    print(f"81 systems: {spent:.2f} s, {done.granted} permissions")  # noqa: T201  a figure to see with -s

    assert len(done.connected) == 81
    assert spent < 60  # 3 s on an idle machine
