"""The agency's side: it alone writes ``participants`` (design §2).

Every method is idempotent: what the directory says already is not said again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import httpx
from pydantic import ValidationError

from sanyuan.client.connector import Connector
from sanyuan.client.system import DATABASE, state_folder
from sanyuan.common.contracts.participants import (
    MAX_HEADS,
    DomainFounded,
    KeyAdded,
    KeyRevoked,
    ParticipantRegistered,
    ParticipantRole,
    ParticipantsMessage,
    Permitted,
    ServiceName,
    SystemRegistered,
    SystemSuperseded,
)
from sanyuan.common.directory import Directory, System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.receipts import ask_heads
from sanyuan.common.service.waiting import Say
from sanyuan.common.sources import Source, inbox_of, next_life, parse_name, parse_source
from sanyuan.common.streams import Position
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
        """Register systems; returns the sources that are new. Raises AdmissionError.

        The next life of a known system supersedes it, with the heads that audit has of it.
        """
        directory = await self._connector.refresh()
        messages: list[ParticipantsMessage] = []
        for request in requests:
            if message := registration(request, directory):
                if parse_source(request.source).life > 1:
                    messages += await self._superseding(message, directory)
                messages.append(message)
        await self.publish(messages)
        return [each.source for each in messages if isinstance(each, SystemRegistered)]

    async def _superseding(
        self, message: SystemRegistered, directory: Directory
    ) -> list[SystemSuperseded]:
        """End the streams of the life before, where the log had sealed them."""
        known = directory.by_name[parse_source(message.source).name]
        url = self._system.urls.get("audit", "")
        try:
            heads = await ask_heads(url, known.source, self._system.domain)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AdmissionError(
                f"audit does not say what the log has of the system: {type(error).__name__}",
                where=url,
                do="see whether the audit service is up, and admit the request again",
            ) from None
        return superseding(known.source, message.source, heads)

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
    database = (state or state_folder(system_file)) / DATABASE
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
    before = _life_before(source, directory)
    node = request.node if before is None else before.node
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
        node=parse_name(node) if node else None,
        operated_by=request.operated_by,
    )


def _life_before(source: Source, directory: Directory) -> System | None:
    """What the source goes on from; raises AdmissionError when that cannot be."""
    known = directory.by_name.get(source.name)
    if source.life == 1 and known is not None:
        raise AdmissionError(
            "the name is taken in this domain", where=source.name, do="choose another"
        )
    if source.life == 1:
        return None
    if known is None or str(next_life(parse_source(known.source))) != str(source):
        today = "not registered" if known is None else f"{known.source} today"
        raise AdmissionError(
            f"it is no next life of the system, which is {today}",
            where=str(source),
            do="let the system ask again with: sanyuan recover",
        )
    return known


def superseding(
    source: str, successor: str, heads: Mapping[tuple[str, str], Position]
) -> list[SystemSuperseded]:
    """The records that end the streams of ``source``: one, or as many as its heads need."""
    domain = parse_source(source).domain
    rows = sorted(
        (f"{domain}/{topic}", place.sequence, place.hash) for (_, topic), place in heads.items()
    )
    return [
        SystemSuperseded(
            source=source, successor=successor, heads=tuple(rows[start : start + MAX_HEADS])
        )
        for start in range(0, max(1, len(rows)), MAX_HEADS)
    ]


ROLES: Final[tuple[str, ...]] = get_args(ParticipantRole)
