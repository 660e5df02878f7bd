"""Sending commands of one system and waiting for their decisions: what every face stands on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from sanyuan.client.connector import Connector
from sanyuan.client.inbox import Decision
from sanyuan.common import telemetry
from sanyuan.common.contracts.message import CommandRef, Message
from sanyuan.common.directory import System
from sanyuan.common.envelope import format_sequence
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time, new_case
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES, reference
from sanyuan.common.systems import SystemFile

TIMEOUT_SECONDS: Final = 30.0
SERVICE_OF_TOPIC: Final = {"calls": "catalog"}
"""Of the others, the name of the topic says it."""


class NoDecisionError(SanyuanError):
    """No decision came in time; it will come through `decisions`, because nothing is lost."""


class AttachmentError(SanyuanError):
    """What should be sealed is larger than attachments may be."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The case that a command belongs to, who acts (a pseudonym), and whether it is traced."""

    case: str | None
    actor: str | None
    sampled: bool | None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a record goes that is not just a command to the service of its topic.

    ``topic`` instead of its type's own, ``recipients`` of attachments by their names, ``cause`` the
    ``id`` of the record that caused it.
    """

    topic: str | None = None
    recipients: Mapping[str, System] = field(default_factory=dict)
    cause: str | None = None


ORDINARY: Final = Route()


class Asking:
    """Sends commands of one system and hands out what its inbox receives."""

    def __init__(self, connector: Connector, system: SystemFile) -> None:
        self._connector = connector
        self._system = system

    @property
    def source(self) -> str:
        """Who this system is."""
        return self._system.source

    @property
    def participant(self) -> str:
        """The credit code of whose system it is; empty for a service."""
        return self._system.parsed.participant or ""

    async def ask(
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, object],
        *,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
        sampled: bool | None = None,
    ) -> Decision:
        """Send a command and wait for its decision.

        Raises NoDecisionError after ``timeout`` seconds and what `Connector.send` raises.
        """
        waiter: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        row = await self.send(
            command, data, sealed, case=case, actor=actor, sampled=sampled, waiter=waiter
        )
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            raise NoDecisionError(
                f"no decision within {timeout:g} s",
                where=f"{row.topic}, sequence {row.sequence}",
                do="it comes through decisions(); see the service's /ready",
            ) from None

    async def send(  # noqa: PLR0913  each is one fact of the record
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, object],
        *,
        case: str | None = None,
        actor: str | None = None,
        sampled: bool | None = None,
        waiter: "asyncio.Future[Decision] | None" = None,
        route: Route = ORDINARY,
    ) -> Row:
        """Make a command durable and return its place; its decision comes through `decisions`.

        ``sealed`` are the attachments as JSON values (bytes: as they are), sealed to the service of
        the topic unless ``route`` says otherwise.
        """
        draft = self.draft(command, data, sealed, Circumstances(case, actor, sampled), route)
        started = time.time_ns()
        row = await self._connector.send(draft, waiter)
        self.note_hop(draft, row, started)
        return row

    def reference(self, row: Row) -> CommandRef:
        """How decisions name a command that was sent."""
        return CommandRef(
            source=row.source,
            topic=f"{self._system.domain}/{row.topic}",
            sequence=format_sequence(row.sequence),
            hash=row.hash,
        )

    def decisions(self) -> AsyncIterator[Decision]:
        """Every decision that nobody waits for, each once, also of commands of an earlier run."""
        return self._connector.decisions(self.source)

    async def read_inbox(self) -> None:
        """Wait until everything that the inbox holds now was received."""
        await self._connector.read_inbox(self._system.inbox or "")

    def draft(
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, object],
        around: Circumstances,
        route: Route = ORDINARY,
    ) -> Draft:
        """A record as `send` would send it; raises AttachmentError, DirectoryError."""
        topic = route.topic or command.TOPICS[0]
        ciphertexts = self._seal_all(command, topic, sealed, route)
        references = {name: reference(ciphertext) for name, ciphertext in ciphertexts.items()}
        case, sampled = around.case or new_case(), telemetry.sample(around.sampled)
        return Draft(
            key=self._system.signing,
            domain=self._system.domain,
            topic=topic,
            type=command.TYPE,
            data={name: value for name, value in data.items() if value is not None} | references,
            time=format_time(datetime.now(UTC)),
            case=case,
            cause=route.cause,
            actor=around.actor,
            traceparent=telemetry.new_traceparent(sampled=sampled, case=case),
            sealed=ciphertexts,
        )

    def note_hop(self, draft: Draft, row: Row, started_ns: int) -> None:
        """The first span of a command, from when it was sent until it was durable."""
        if telemetry.is_sampled(draft.traceparent):
            attributes: dict[str, AttributeValue] = {
                "sanyuan.case": draft.case or "",
                "sanyuan.sequence": row.sequence,
            }
            telemetry.record_hop(
                f"outbox {draft.type}", draft.traceparent, SpanKind.PRODUCER, started_ns, attributes
            )

    def _seal_all(
        self, command: type[Message], topic: str, sealed: Mapping[str, object], route: Route
    ) -> dict[str, bytes]:
        """Each named attachment; one that is optional may be absent."""
        found = {
            name: self._recipient(topic, name, route).sealing.seal(
                value if isinstance(value, bytes) else orjson.dumps(value),
                source=self.source,
                topic=f"{self._system.domain}/{topic}",
                name=name,
            )
            for name, value in sealed.items()
        }
        size = sum(map(len, found.values()))
        if size > MAX_ATTACHMENT_BYTES:
            raise AttachmentError(
                f"the attachments have {size} bytes, {MAX_ATTACHMENT_BYTES} are allowed",
                where=command.TYPE,
            )
        return found

    def _recipient(self, topic: str, name: str, route: Route) -> System:
        recipient = route.recipients.get(name)
        if recipient is not None:
            return recipient
        service = SERVICE_OF_TOPIC.get(topic) or topic.removesuffix("-commands")
        return self._connector.directory.service(service)
