"""A small installation whose every process may be killed: agency, identity, audit, some systems.

Founded by the steps of design §2 as the demo does them, only with fewer members, on a broker of its
own: what other tests empty must not be the broker of a log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.workers import block_of_ports

from sanyuan.client.agency import open_agency
from sanyuan.client.joining import join, system_path
from sanyuan.client.provisioning import found, provision
from sanyuan.client.provisioning.reading import read_directory
from sanyuan.client.verify import Report, verify_log
from sanyuan.common.contracts.participants import ParticipantRegistered
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.sources import Source
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import SERVICES
from sanyuan.sandbox import services, settings
from sanyuan.sandbox.embedded import EmbeddedKafka, install
from sanyuan.sandbox.supervisor import Supervisor
from sanyuan.sandbox.synthetic.registers import make_registers

DOMAIN: Final = "cn"
AGENCY: Final = "11100000000013338W"
DEPARTMENTS: Final = ("91110000600037341L", "11110000000012345X", "11220000013544541J")
PURPOSE: Final = "food-business-licence"
NODE: Final = "front"
RUNNING: Final = ("identity", "audit")


@dataclass
class Installation:
    """Everything that runs, under one supervisor."""

    var: Path
    kafka: EmbeddedKafka
    supervisor: Supervisor
    ports: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)

    def system(self, name: str) -> SystemFile:
        return SystemFile.load(system_path(self.var, name))

    def start(self, name: str, **environment: str) -> None:
        """Start a service, or start it anew with this environment."""
        program = services.program(name, self.var, self.ports[name])
        added = {**program.environment, **self.environment, **environment}
        self.supervisor.start(replace(program, environment=added))

    def deaths(self, name: str) -> int:
        return next(state.deaths for state in self.supervisor.states() if state.name == name)

    def is_ready(self, name: str) -> bool:
        return services.ask(self.ports[name], "/ready").ready

    def ready(self, names: Iterable[str] = RUNNING, limit: float = 120.0) -> None:
        """Wait until services say that they work, whatever dies meanwhile."""
        for name in names:
            services.wait_until_ready(name, self.ports[name], self.var, lambda: False, limit)

    def verify(self) -> Report:
        """`sanyuan verify` over the log's folder, from nothing."""
        key = load_log_key(self.var / LOG_KEY_FILE).verifier
        agency = self.system("agency").signing.verifier
        state = self.var / "verify" / str(time.monotonic_ns())
        folder = str(self.var / "audit" / "log")
        return verify_log(folder, agency, key, state_dir=state, jobs=1)

    def last_words(self, name: str) -> str:
        return (self.var / "logs" / f"{name}.log").read_text(errors="replace")[-3000:]


@contextmanager
def installation(
    var: Path,
    systems: Mapping[str, str],
    *,
    unregistered: Sequence[str] = (),
    running: Sequence[str] = RUNNING,
    purposes: Sequence[str] = (PURPOSE,),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Installation]:
    """Found a domain with `systems` (name → its department) and run it with some services.

    `unregistered` systems have keys and topics' names, and nobody knows them. Every department may
    verify for `purposes`; services see `environment`.
    """
    port = block_of_ports()
    kafka = install(replace(settings.load(), var=var, kafka_port=port))
    with Supervisor(var) as supervisor:
        # The broker's controller has the next one; a standby gets the one after its service's.
        chosen = {name: port + 2 + 2 * at for at, name in enumerate(running)}
        broker = EmbeddedKafka(kafka, supervisor)
        made = Installation(var, broker, supervisor, chosen, dict(environment or {}))
        made.kafka.start()
        make_registers(var / "registers", settings.load().cache)
        for name in running:
            made.start(name)
        sources = [Source(DOMAIN, "department", code, name) for name, code in systems.items()]
        for name in unregistered:
            join(var, Source(DOMAIN, "department", DEPARTMENTS[0], name))
        asyncio.run(_found(made, sources, purposes))
        made.ready(running)
        yield made


async def _found(made: Installation, systems: Sequence[Source], purposes: Sequence[str]) -> None:
    folder = made.var / "systems"
    agency = Source(DOMAIN, "agency", AGENCY, "agency")
    requests = [join(made.var, agency)]
    requests += [join(made.var, Source(DOMAIN, "service", None, name)) for name in SERVICES]
    requests += [join(made.var, source, node=NODE) for source in systems]
    key = load_log_key(made.var / LOG_KEY_FILE)
    await found(agency, str(made.system("agency").signing.verifier), made.kafka.admin, folder)
    codes = sorted({source.participant or "" for source in systems})
    async with open_agency(folder / "agency.json") as office:
        await office.found(key.name, str(key.verifier))
        await office.register(
            [
                ParticipantRegistered(participant=AGENCY, role="agency", name="机构"),
                *(
                    ParticipantRegistered(participant=code, role="department", name="部门")
                    for code in codes
                ),
            ]
        )
        await office.admit(requests)
        await office.permit_all([(code, "identity", list(purposes)) for code in codes])
    await provisioned(made)


async def provisioned(made: Installation) -> None:
    """Bring the broker to what `participants` says now."""
    agency = made.system("agency")
    directory = await read_directory(agency.source, agency.signing.verifier, made.kafka.admin)
    await provision(directory, made.kafka.admin, made.var / "systems", services.urls(made.ports))
