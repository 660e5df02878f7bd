"""The embedded Apache Kafka: a real broker, made and started without Java on the machine.

Invariants:
- Everything is under `var/kafka` (0700): data, settings, the admin's password, the ports.
- The ports and the password are chosen once and kept, so that connections outlive restarts.
- The data folder has its name only when it was formatted wholly.
"""

import secrets
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import TypeAdapter, ValidationError

from sanyuan.client.broker import Broker
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import ports as loopback
from sanyuan.sandbox.java import Java
from sanyuan.sandbox.kafka_config import ADMIN, LOG4J, Ports, server_properties
from sanyuan.sandbox.programs import Program

NAME: Final = "kafka"
PORT_SETTING: Final = "SANYUAN_KAFKA_PORT"
_DISK_MIB: Final = 512
_PORTS: Final = TypeAdapter(Ports)


class KafkaFormatError(SanyuanError):
    """The data folder could not be made."""


class KafkaNotReadyError(SanyuanError):
    """The broker does not answer."""


class DiskFullError(SanyuanError):
    """There is no room for a broker's data."""


@dataclass(frozen=True)
class Kafka:
    """One embedded broker; `port` overrides the one that was chosen before."""

    var: Path
    java: Java
    port: int | None = None

    @cached_property
    def home(self) -> Path:
        """Where everything of it lies."""
        return self.var / "kafka"

    @property
    def admin_file(self) -> Path:
        """The administrator's connection, mode 0600."""
        return self.home / "admin.json"

    @property
    def admin(self) -> Broker:
        """The administrator's connection; raises BrokerFileError before `prepare`."""
        return Broker.load(self.admin_file)

    def prepare(self) -> Program:
        """Makes what is missing and returns what to run; idempotent, for a broker that is stopped.

        Raises PortTakenError, DiskFullError or KafkaFormatError.
        """
        self._check_disk()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        (self.home / "tmp").mkdir()
        password = self.admin.password if self.admin_file.exists() else secrets.token_urlsafe(32)
        ports = self._choose_ports()
        self._write("ports.json", _PORTS.dump_json(ports))
        self._write("log4j2.properties", LOG4J.encode())
        admin_of(f"{loopback.HOST}:{ports.clients}", password).save(self.admin_file)
        if not (self.home / "data").exists():
            self._format(ports, password)
        self._write("server.properties", server_properties(ports, password, "data").encode())
        return self.program()

    def program(self, *options: str) -> Program:
        """What to run, once prepared; `options` go to the JVM."""
        command = self.java.command(
            self.home / "server.args",
            "kafka.Kafka",
            ["server.properties"],
            ["-Dlog4j2.configurationFile=log4j2.properties", *options],
        )
        # A fixed locale: names of folders are read as UTF-8 wherever we run.
        return Program(NAME, tuple(command), self.home, {"LC_ALL": "C.UTF-8"}, stop_seconds=15)

    def wait_until_ready(
        self, limit: float = 30.0, given_up: Callable[[], bool] = lambda: False
    ) -> None:
        """Returns when the broker serves clients; a fenced broker is not in its own metadata.

        Raises KafkaNotReadyError after `limit` seconds, or as soon as `given_up` says so.
        """
        admin = self.admin
        if serves(admin, limit, given_up):
            return
        raise KafkaNotReadyError(
            ("Kafka did not start" if given_up() else f"Kafka is not ready after {limit:.0f} s")
            + self._last_words(),
            where=admin.bootstrap_servers,
            do=f"read {self.var / 'logs' / NAME}.log",
        )

    def _check_disk(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.var).free >> 20
        if free < _DISK_MIB:
            raise DiskFullError(
                f"only {free} MiB are free, Kafka needs {_DISK_MIB} MiB to begin with",
                where=str(self.var),
                do="free some space, or set SANYUAN_VAR to a folder on another disk",
            )

    def _choose_ports(self) -> Ports:
        try:
            kept = _PORTS.validate_json((self.home / "ports.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            kept = None
        if kept is None or self.port not in {None, kept.clients}:
            clients = self.port or loopback.free()
            kept = Ports(clients, loopback.free(clients + 1))
        loopback.check(kept.clients, PORT_SETTING)
        if not loopback.is_free(kept.controller):  # nobody else knows it: take another
            kept = Ports(kept.clients, loopback.free(kept.clients + 1))
        return kept

    def _format(self, ports: Ports, password: str) -> None:
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        properties = server_properties(ports, password, draft.name)
        self._write("server.properties", properties.encode())
        scram = f"SCRAM-SHA-512=[name={ADMIN},password={password}]"
        cluster = cluster_id()
        arguments = ["format", "-t", cluster, "-c", "server.properties", "--add-scram", scram]
        file = self.home / "format.args"
        command = self.java.command(file, "kafka.tools.StorageTool", arguments)
        ended = subprocess.run(command, cwd=self.home, capture_output=True, text=True, check=False)
        file.unlink()
        if ended.returncode != 0:
            said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
            raise KafkaFormatError(
                f"Kafka's data folder could not be formatted: {said[-1] if said else 'no reason'}",
                where=str(draft),
                do="look at the disk and its permissions, then run the same command again",
            )
        # If we crash before this line, the next prepare formats again; after it, never.
        draft.replace(self.home / "data")

    def _write(self, name: str, content: bytes) -> None:
        draft = self.home / f"{name}.new"
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(self.home / name)

    def _last_words(self) -> str:
        """The last error in its log, which usually is the reason."""
        try:
            lines = (self.var / "logs" / f"{NAME}.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        errors = [line for line in lines[-400:] if " ERROR " in line or " FATAL " in line]
        causes = [line for line in lines[-400:] if line.startswith("Caused by: ")]
        return f": {(causes or errors)[-1][:300]}" if errors else ""


def cluster_id(new: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A random id as Kafka writes it; like Kafka's own, none that reads as an option."""
    while True:
        text = urlsafe_b64encode(new().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def admin_of(address: str, password: str) -> Broker:
    """The administrator's connection to a broker with our settings."""
    return Broker(
        bootstrap_servers=address,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        username=ADMIN,
        password=password,
    )


def serves(admin: Broker, limit: float, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Wait until a broker serves clients; whether it does within `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end and not given_up():
        if _listens(admin) and _answers(admin, end - time.monotonic()):
            return True
        time.sleep(0.02)
    return False


def _listens(admin: Broker) -> bool:
    host, _, port = admin.bootstrap_servers.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(admin: Broker, limit: float) -> bool:
    try:
        metadata = AdminClient(admin.librdkafka()).list_topics(timeout=max(0.1, min(limit, 2.0)))
    except KafkaException:
        return False
    return bool(metadata.brokers)
