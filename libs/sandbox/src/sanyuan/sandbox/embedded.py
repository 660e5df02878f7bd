"""The embedded Kafka under a supervisor: what the demo, `make up` and the tests start and stop."""

from dataclasses import dataclass
from typing import Final

from sanyuan.client.broker import Broker
from sanyuan.client.progress import Report, silent
from sanyuan.sandbox import jar_cache, training
from sanyuan.sandbox.java import Java
from sanyuan.sandbox.kafka import NAME, Kafka
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.supervisor import Supervisor

READY_SECONDS: Final = 60.0
"""A start takes 1 to 4 s on an idle machine; a busy one gets time."""


def install(settings: Settings, report: Report = silent) -> Kafka:
    """The broker of this installation, its jars fetched and its archive made when they were not.

    Raises JarsUnavailableError, JarForgedError or CacheFolderError.
    """
    java = training.ensure(Java(jar_cache.ensure(settings.cache, report)), report)
    return Kafka(settings.var, java, settings.kafka_port)


@dataclass(frozen=True, slots=True)
class EmbeddedKafka:
    """A broker and the supervisor that runs it."""

    kafka: Kafka
    supervisor: Supervisor

    @property
    def admin(self) -> Broker:
        """The administrator's connection."""
        return self.kafka.admin

    def start(self) -> None:
        """Starts it and waits until it serves clients; raises as Kafka.prepare, or not ready."""
        self.supervisor.start(self.kafka.prepare())
        self._wait()

    def stop(self) -> None:
        """Stops it as an operator would: clients are told, the data is closed."""
        self.supervisor.stop(NAME)

    def restart(self) -> None:
        """Stops it, starts it, and waits until it serves clients."""
        self.stop()
        self.start()

    def kill(self, *, wait: bool = True) -> None:
        """SIGKILL; the supervisor starts it again, and it is waited for."""
        self.supervisor.kill(NAME)
        if wait:
            self.kafka.wait_until_ready(READY_SECONDS)

    def _wait(self) -> None:
        self.kafka.wait_until_ready(READY_SECONDS, given_up=self.supervisor.mourner(NAME))
