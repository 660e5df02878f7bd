"""Provisioning: from a verified directory to a broker that serves exactly that (design §2).

Topics, users (one for each access node), permissions and byte rates on the broker, and the
connection fields in `var/systems/<name>.json`. Idempotent: what is there already is left alone.
Private keys are neither read nor written.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from sanyuan.client.broker import Broker
from sanyuan.client.progress import Report, silent
from sanyuan.client.provisioning import connections, permissions
from sanyuan.client.provisioning.administration import Administration, ProvisioningError
from sanyuan.client.provisioning.permissions import Permission
from sanyuan.client.provisioning.quotas import set_byte_rates
from sanyuan.common.directory import Directory
from sanyuan.common.sources import Source
from sanyuan.common.topics import Topic

__all__ = ["Provisioned", "ProvisioningError", "found", "provision"]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What a run changed; all zero and empty when everything was there."""

    topics: int = 0
    users: int = 0
    granted: int = 0
    taken: int = 0
    connected: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = field(default=(), compare=False)
    """Registered systems that have no file here, so that nobody could be told a password."""


async def found(
    agency: Source, agency_key: str, broker: Broker, systems: Path, report: Report = silent
) -> Provisioned:
    """Step 3 of the founding order: `participants` and the agency's user, nothing else.

    Raises ProvisioningError or ConnectionFileError.
    """
    work = _Work(broker, systems, report)
    return await asyncio.to_thread(
        work.run,
        topics=permissions.founding_topics(),
        nodes={agency.name: [agency.name]},
        granted=permissions.founding_permissions(agency),
        fields={"agency_key": agency_key},
    )


async def provision(
    directory: Directory,
    broker: Broker,
    systems: Path,
    urls: Mapping[str, str],
    report: Report = silent,
) -> Provisioned:
    """Step 5, and every later one: all that `directory` asks for.

    `directory` was verified from the pinned agency key; `systems` is the folder of system files,
    `urls` where the services' HTTP reads are. Raises ProvisioningError or ConnectionFileError.
    """
    if directory.founding is None:
        raise ProvisioningError(
            "the domain is not founded", do="have the agency found it: sanyuan agency found"
        )
    work = _Work(broker, systems, report)
    fields = {
        "agency_key": str(directory.pinned),
        "log_key": str(directory.founding.log_key),
        "urls": dict(urls),
    }
    done = await asyncio.to_thread(
        work.run,
        topics=permissions.topics_of(directory),
        nodes=permissions.nodes_of(directory.systems.values()),
        granted=permissions.permissions_of(directory),
        fields=fields,
    )
    rates = permissions.byte_rates(directory)
    try:
        await set_byte_rates(broker, rates)
    except KafkaError as error:
        raise ProvisioningError(
            f"the byte rates were refused: {error}", where=broker.bootstrap_servers
        ) from error
    return done


@dataclass(frozen=True, slots=True)
class _Work:
    """One run over one broker and one folder of system files."""

    broker: Broker
    systems: Path
    report: Report

    def run(
        self,
        topics: Mapping[str, Topic],
        nodes: Mapping[str, list[str]],
        granted: frozenset[Permission],
        fields: Mapping[str, object],
    ) -> Provisioned:
        """Topics, permissions, users, connections: who can connect may then use it at once."""
        names = [name for behind in nodes.values() for name in behind]
        files = {name: connections.load(self._path(name)) for name in names}
        here = {name: content for name, content in files.items() if content is not None}
        local = {node: [n for n in behind if n in here] for node, behind in nodes.items()}
        known = {
            node: connections.password_of(node, map(here.__getitem__, behind))
            for node, behind in local.items()
            if behind
        }
        administration = Administration(self.broker)
        self.report("Topics", 0, len(topics))
        created = administration.ensure_topics(topics)
        self.report("Topics", len(topics), len(topics))
        self.report("Permissions", 0, len(granted))
        principals = {f"User:{node}" for node in nodes}
        added, removed = administration.ensure_permissions(granted, principals)
        self.report("Permissions", len(granted), len(granted))
        users, passwords = administration.ensure_users(known, self._advance("Users", len(known)))
        logins = {name: (node, passwords[node]) for node in known for name in local[node]}
        connected = self._connect(logins, fields)
        elsewhere = tuple(name for name in names if name not in here)
        return Provisioned(created, users, added, removed, connected, elsewhere)

    def _connect(
        self, logins: Mapping[str, tuple[str, str]], fields: Mapping[str, object]
    ) -> tuple[str, ...]:
        """Writes each system's user and password into its file; the names of changed files."""
        changed = list[str]()
        advance = self._advance("Connections", len(logins))
        for number, (name, (user, password)) in enumerate(logins.items(), 1):
            login = {"username": user, "password": password}
            if connections.connect(self._path(name), {**self.broker.public(), **login, **fields}):
                changed.append(name)
            advance(number)
        return tuple(changed)

    def _advance(self, what: str, total: int) -> Callable[[int], None]:
        return lambda done: self.report(what, done, total)

    def _path(self, name: str) -> Path:
        return self.systems / f"{name}.json"
