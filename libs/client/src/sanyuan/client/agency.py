"""The agency's side: it alone writes ``participants`` (design §2).

Every method is idempotent: what the directory says already is not said again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

from pydantic import ValidationError

from sanyuan.client.connector import Connector
from sanyuan.client.system import state_folder
from sanyuan.common.contracts.participants import (
    DomainFounded,
    KeyAdded,
    KeyRevoked,
    ParticipantRegistered,
    ParticipantRole,
    ParticipantsMessage,
    Permitted,
    ServiceName,
    SystemRegistered,
)
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.service.waiting import Say
from sanyuan.common.sources import inbox_of, parse_name, parse_source
from sanyuan.common.systems import JoinRequest, SystemFile

PARTICIPANTS: Final = "participants"


class AdmissionError(SanyuanError):
    """A request cannot be admitted as it is."""


class Agency:
    """Publishes what the agency decides; durable and acknowledged once a method returns."""

    def __init__(self, connector: Connector, system: SystemFile) -> None:
        self._connector = connector
        self._system = system

    async def directory(self) -> Directory:
        """Everything that ``participants`` says now."""
        return await self._connector.refresh()

    async def found(self, log_origin: str, log_key: str) -> None:
        """Found the domain under the agency's key, the first record of all."""
        directory = await self._connector.refresh()
        if directory.founding is None:
            founded = DomainFounded(
                domain=self._system.domain,
                agency_key=str(self._system.signing.verifier),
                log_origin=log_origin,
                log_key=log_key,
            )
            await self.publish([founded])

    async def register(self, participants: Iterable[ParticipantRegistered]) -> None:
        """Register organisations that are not registered so yet."""
        known = (await self._connector.refresh()).participants
        await self.publish(
            [
                message
                for message in participants
                if message.participant not in known
                or known[message.participant].name != message.name
            ]
        )

    async def admit(self, requests: Iterable[JoinRequest]) -> list[str]:
        """Register systems; returns the sources that are new. Raises AdmissionError."""
        directory = await self._connector.refresh()
        messages = [
            message for request in requests if (message := registration(request, directory))
        ]
        await self.publish(messages)
        return [message.source for message in messages]

    async def permit(self, participant: str, service: ServiceName, purposes: Sequence[str]) -> None:
        """Say for what a participant may use a service, instead of what was said before."""
        await self.permit_all([(participant, service, purposes)])

    async def permit_all(
        self, permissions: Iterable[tuple[str, ServiceName, Sequence[str]]]
    ) -> None:
        """`permit` for many."""
        directory = await self._connector.refresh()
        await self.publish(
            [
                Permitted(participant=code, service=service, purposes=tuple(purposes))
                for code, service, purposes in permissions
                if directory.purposes(code, service) != frozenset(purposes)
            ]
        )

    async def add_key(self, source: str, signing_key: str) -> None:
        """Register a further signing key of a system."""
        await self.publish([KeyAdded(source=source, signing_key=signing_key)])

    async def revoke_key(self, source: str, signing_key: str, reason: str | None = None) -> None:
        """From here on, records under this key are refused."""
        await self.publish([KeyRevoked(source=source, signing_key=signing_key, reason=reason)])

    async def publish(self, messages: Sequence[ParticipantsMessage]) -> list[Row]:
        """Send messages in this order; all are on the topic once this returns."""
        sends = [self._connector.send(self._draft(message)) for message in messages]
        rows = await asyncio.gather(*sends)
        if rows:
            await self._connector.drained()
            await self._connector.refresh()
        return rows

    def _draft(self, message: ParticipantsMessage) -> Draft:
        return Draft(
            key=self._system.signing,
            domain=self._system.domain,
            topic=PARTICIPANTS,
            type=message.TYPE,
            data=message.model_dump(mode="json"),
            time=format_time(datetime.now(UTC)),
            case=None,
        )


@contextlib.asynccontextmanager
async def open_agency(
    system_file: Path, *, state: Path | None = None, say: Say = lambda _: None
) -> AsyncIterator[Agency]:
    """Connect as the agency; raises SystemFileError and what `Connector.open` raises."""
    system = SystemFile.load(system_file)
    database = (state or state_folder(system_file)) / "client.db"
    async with Connector.open([system], database, say=say) as connector:
        yield Agency(connector, system)


def load_request(path: Path) -> JoinRequest:
    """Read ``var/requests/<name>.json``; raises AdmissionError."""
    try:
        return JoinRequest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise AdmissionError(
            "there is no such request", where=str(path), do="the system makes it with: sanyuan join"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise AdmissionError(
            f"the request is broken: {field}: {first['msg']}", where=str(path)
        ) from None


def registration(request: JoinRequest, directory: Directory) -> SystemRegistered | None:
    """The message that admits a request; None when it is admitted already.

    Raises AdmissionError when the directory would give the registration no effect.
    """
    source = parse_source(request.source)
    known = directory.systems.get(request.source)
    if known is not None:
        if request.signing_key in map(str, known.keys.values()):
            return None
        raise AdmissionError(
            "the system is registered with another key",
            where=request.source,
            do="add the key to it, or let the system choose another name",
        )
    if source.name in directory.by_name:
        raise AdmissionError(
            "the name is taken in this domain", where=source.name, do="choose another"
        )
    if source.participant is not None and source.participant not in directory.participants:
        raise AdmissionError(
            "its participant is not registered",
            where=source.participant,
            do="register it with: sanyuan agency register",
        )
    return SystemRegistered(
        source=request.source,
        role=source.role,
        signing_key=request.signing_key,
        sealing_key=request.sealing_key,
        suite="hpke-x25519-hkdf-sha256-aes-256-gcm",
        inbox=None if source.role == "service" else inbox_of(source.name),
        node=parse_name(request.node) if request.node else None,
        operated_by=request.operated_by,
    )


ROLES: Final[tuple[str, ...]] = get_args(ParticipantRole)
