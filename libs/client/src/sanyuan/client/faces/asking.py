"""Sending commands of one system and waiting for their decisions: what every face stands on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from sanyuan.client.connector import Connector
from sanyuan.client.inbox import Decision
from sanyuan.common import telemetry
from sanyuan.common.contracts.message import CommandRef, Message
from sanyuan.common.envelope import format_sequence
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time, new_case
from sanyuan.common.outbox import Draft, Row
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES, reference
from sanyuan.common.systems import SystemFile

TIMEOUT_SECONDS: Final = 30.0


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


class Asking:
    """Sends commands of one system and hands out what its inbox receives."""

    def __init__(self, connector: Connector, system: SystemFile) -> None:
        self._connector = connector
        self._system = system

    @property
    def source(self) -> str:
        """Who this system is."""
        return self._system.source

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

    async def send(
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, object],
        *,
        case: str | None = None,
        actor: str | None = None,
        sampled: bool | None = None,
        waiter: "asyncio.Future[Decision] | None" = None,
    ) -> Row:
        """Make a command durable and return its place; its decision comes through `decisions`.

        ``sealed`` are the attachments as JSON values, sealed to the service of the topic.
        """
        topic = command.TOPICS[0]
        draft = self._draft(command, topic, data, sealed, Circumstances(case, actor, sampled))
        started = time.time_ns()
        row = await self._connector.send(draft, waiter)
        attributes: dict[str, AttributeValue] = {
            "sanyuan.case": draft.case or "",
            "sanyuan.sequence": row.sequence,
        }
        telemetry.record_hop(
            f"outbox {command.TYPE}", draft.traceparent, SpanKind.PRODUCER, started, attributes
        )
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

    def _draft(
        self,
        command: type[Message],
        topic: str,
        data: Mapping[str, Any],
        sealed: Mapping[str, object],
        around: Circumstances,
    ) -> Draft:
        ciphertexts = self._seal_all(command, topic, sealed)
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
            actor=around.actor,
            traceparent=telemetry.new_traceparent(sampled=sampled, case=case),
            sealed=ciphertexts,
        )

    def _seal_all(
        self, command: type[Message], topic: str, sealed: Mapping[str, object]
    ) -> dict[str, bytes]:
        service = self._connector.directory.service(topic.removesuffix("-commands"))
        found = {
            name: service.sealing.seal(
                orjson.dumps(sealed[name]),
                source=self.source,
                topic=f"{self._system.domain}/{topic}",
                name=name,
            )
            for name in command.SEALED
        }
        size = sum(map(len, found.values()))
        if size > MAX_ATTACHMENT_BYTES:
            raise AttachmentError(
                f"the attachments have {size} bytes, {MAX_ATTACHMENT_BYTES} are allowed",
                where=command.TYPE,
            )
        return found
