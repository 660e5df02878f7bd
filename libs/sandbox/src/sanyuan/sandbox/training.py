"""Halves the broker's time to start: an archive of its classes, loaded and linked (JEP 483, 514).

Java makes it at the end of a training run: a throw-away broker that serves a few clients. It is
made once for each machine, cached beside the jars, and named by all that it depends on. Java checks
it again and ignores it when it does not fit, so that it can only ever cost time, never be wrong.
"""

import hashlib
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from sanyuan.client.broker import Broker
from sanyuan.client.progress import Report, silent
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.alone import alone_in
from sanyuan.sandbox.java import OPTIONS, Java
from sanyuan.sandbox.kafka import Kafka

STEP: Final = "Kafka's first start"
_STAGES: Final = 4
_END_SECONDS: Final = 120
"""Java writes 70 MB when the training broker ends: 8 s of both cores where it was measured."""


def ensure(java: Java, report: Report = silent) -> Java:
    """Returns `java` with its archive, training it when there is none; without when that fails."""
    archive = java.jars.parent / _name(java)
    try:
        if not archive.exists():
            with alone_in(archive.parent):
                if not archive.exists():
                    _make(archive, java, report)
    except (SanyuanError, KafkaException, OSError, subprocess.TimeoutExpired):
        # A broker that starts a second later is no reason to stop anybody.
        report(STEP, _STAGES, _STAGES)
        return java
    return Java(java.jars, archive, java.executable)


def _make(archive: Path, java: Java, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix=".kafka-", dir=archive.parent) as scratch:
        made = _train(Java(java.jars, None, java.executable), Path(scratch), report)
        made.replace(archive)


def _name(java: Java) -> str:
    release = (java.executable.parent.parent / "release").read_bytes()
    machine = f"{platform.system()} {platform.machine()}"
    inputs = (release, machine.encode(), "\n".join(OPTIONS).encode())
    digest = hashlib.sha256(b"\0".join(inputs)).hexdigest()[:12]
    return f"{java.jars.name}-classes-{digest}.aot"


def _train(java: Java, scratch: Path, report: Report) -> Path:
    archive = scratch / "classes.aot"
    kafka = Kafka(scratch, java)
    report(STEP, 0, _STAGES)
    kafka.prepare()
    report(STEP, 1, _STAGES)
    with _running(kafka, archive) as broker:
        kafka.wait_until_ready(given_up=lambda: broker.poll() is not None)
        report(STEP, 2, _STAGES)
        _use(kafka.admin)
        report(STEP, 3, _STAGES)
    report(STEP, _STAGES, _STAGES)
    return archive


@contextmanager
def _running(kafka: Kafka, archive: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = kafka.program(f"-XX:AOTCacheOutput={archive}")
    with (kafka.var / "kafka.log").open("wb") as log:
        broker = subprocess.Popen(
            program.command, cwd=program.folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield broker
        broker.terminate()
        broker.wait(_END_SECONDS)
    finally:
        broker.kill()
        broker.wait()


def _use(admin: Broker) -> None:
    """What clients do all day, so that the classes for it are in the archive."""
    settings = admin.librdkafka()
    administrator = AdminClient(settings)
    created = administrator.create_topics([NewTopic("training", 12, 1)])["training"]
    created.result(10)
    user = UserScramCredentialUpsertion(
        "training", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"training"
    )
    administrator.alter_user_scram_credentials([user])["training"].result(10)
    producer = Producer(settings | {"enable.idempotence": True})
    consumer = Consumer(settings | {"group.id": "training", "auto.offset.reset": "earliest"})
    consumer.subscribe(["training"])
    for _ in range(20):
        for number in range(20):
            producer.produce("training", bytes(600), str(number), headers={"signature": b"x"})
        producer.flush(5)
        consumer.consume(20, timeout=0.2)
    consumer.commit(asynchronous=False)
    consumer.close()
