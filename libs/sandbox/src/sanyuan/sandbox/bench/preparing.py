"""What every measure needs of an installation: grants, licences, assertions, and its services."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sanyuan.client.broker import Broker
from sanyuan.sandbox import services
from sanyuan.sandbox.bench.calls import Prepared, prepare
from sanyuan.sandbox.bench.exchanges import TERMS, Exchanger, prepare_exchanges
from sanyuan.sandbox.runner import mourner
from sanyuan.sandbox.starting import SERVICE_LIVES, Installation


@dataclass(frozen=True, slots=True)
class Setting:
    """An installation where calls and exchanges are granted."""

    installation: Installation
    calls: Prepared
    exchangers: Sequence[Exchanger]

    @property
    def admin(self) -> Broker:
        """The broker, as its administrator."""
        return self.installation.kafka.admin

    def start(
        self, name: str, environment: Mapping[str, str] | None = None, module: str | None = None
    ) -> None:
        """Start a service, or the module that stands for it; it may not be ready yet."""
        start(self.installation, name, environment, module)

    def wait(self, name: str) -> None:
        """Return once a service is ready."""
        wait(self.installation, name)

    def stop(self, *names: str) -> None:
        """Stop services."""
        for name in names:
            self.installation.runner.stop(name)

    def pid(self, name: str) -> int:
        """The process of a service that runs."""
        states = self.installation.runner.states()
        return next(state.process.pid for state in states if state.name == name and state.process)


def prepare_all(installation: Installation) -> Setting:
    """Grant everything; raises NotPreparedError, and what the SDK raises."""
    installation.runner.stop("identity")
    start(installation, "identity", TERMS)
    wait(installation, "identity")
    var = installation.settings.var
    calls = asyncio.run(prepare(var))
    return Setting(installation, calls, asyncio.run(prepare_exchanges(var, installation.catalogue)))


def start(
    installation: Installation,
    name: str,
    environment: Mapping[str, str] | None = None,
    module: str | None = None,
) -> None:
    """Start a service, or the module that stands for it, with additions to its environment."""
    program = services.program(name, installation.settings.var, installation.ports[name])
    own = {**program.environment, **(environment or {})}
    command = (sys.executable, "-m", module) if module else program.command
    installation.runner.start(replace(program, command=command, environment=own))


def wait(installation: Installation, name: str) -> None:
    """Return once a service is ready; raises ServiceNotReadyError."""
    given_up = mourner(installation.runner, name, SERVICE_LIVES)
    port = installation.ports[name]
    services.wait_until_ready(name, port, installation.settings.var, given_up)
