"""The broker of a run as a container, for `make test-docker`; it does what `EmbeddedKafka` does."""

from typing import Final, NoReturn

import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from sanyuan.client.broker import Broker
from sanyuan.sandbox.container import IMAGE, Secrets, script
from sanyuan.sandbox.kafka import KafkaNotReadyError, admin_of, serves
from sanyuan.sandbox.kafka_config import Listener

READY_SECONDS: Final = 60.0
SCRIPT: Final = "/tmp/broker.sh"  # noqa: S108  a path in the container


class ContainedKafka:
    """One node in Kafka's own image, always on one port of this host."""

    def __init__(self, port: int) -> None:
        known = Secrets.fresh()
        address = f"127.0.0.1:{port}"
        self.admin: Broker = admin_of(address, known.password)
        listeners = [Listener("CLIENTS", "0.0.0.0:9092", address)]
        # Testcontainers' own KafkaContainer starts only images with Confluent's scripts.
        self._container = (
            DockerContainer(IMAGE)
            .with_bind_ports(9092, port)
            .with_env("KAFKA_HEAP_OPTS", "-Xms256m -Xmx512m")
            .with_copy_into_container(script(known, listeners).encode(), SCRIPT)
            .with_command(["bash", SCRIPT])
        )

    @property
    def kafka(self) -> NoReturn:
        """What only the embedded broker has: files on this machine."""
        pytest.skip("the broker is a container: it has no folder on this machine")

    def start(self) -> None:
        """Make the container and wait until the broker serves clients."""
        self._container.start()
        self._wait()

    def remove(self) -> None:
        """Stop it and forget its data."""
        self._container.stop()

    def stop(self) -> None:
        """Stop the broker as an operator would."""
        self._running().stop(timeout=15)

    def restart(self) -> None:
        """Stop it, start it, and wait until it serves clients."""
        self._running().restart(timeout=15)
        self._wait()

    def kill(self, *, wait: bool = True) -> None:
        """SIGKILL, then start it again as a supervisor would."""
        self._running().kill("SIGKILL")
        self._running().start()
        if wait:
            self._wait()

    def _running(self) -> Container:
        return self._container.get_wrapped_container()

    def _wait(self) -> None:
        if not serves(self.admin, READY_SECONDS):
            raise KafkaNotReadyError(
                self._running().logs(tail=20).decode(), where=self.admin.bootstrap_servers
            )
