"""The shell around `decide`: commands become requests, answers become records (design §4).

Runs inside the batch's transaction. The runtime commits it, with positions and outbox, after this
returns: if we crash before that, nothing happened; after it, the relay sends what was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from sanyuan.catalog import store
from sanyuan.catalog.decide import decide, wanted
from sanyuan.catalog.domain.requests import Call
from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.handlers.listing import list_published
from sanyuan.catalog.handlers.reading import SERVICE, Reading, UnhandledCommandError
from sanyuan.catalog.handlers.telling import LostSystemError, Telling
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command, Outcome
from sanyuan.common.directory import Directory

__all__ = ["SERVICE", "CatalogHandler", "LostSystemError", "UnhandledCommandError"]


@dataclass(frozen=True, slots=True)
class CatalogHandler:
    """The catalog's part of a batch; see `sanyuan.common.deciding.Handler`."""

    rules: Rules
    domain: str

    def __call__(
        self, connection: Connection, directory: Directory, commands: Sequence[Command[Message]]
    ) -> Sequence[Outcome]:
        """One outcome per command, in order."""
        if not commands:
            return []
        reading = Reading.of(directory)
        requests = [reading.request(command) for command in commands]
        keys = wanted(requests)
        state = store.load(connection, keys)
        decision = decide(state, requests, self.rules)
        store.commit(connection, decision.changes)
        list_published(connection, directory, requests, decision.answers)
        if keys.jtis:
            store.forget_expired(connection, requests[0].at)
        telling = Telling(reading.register, self.domain)
        return [
            telling.outcome(command, answer, _parameters(request))
            for command, request, answer in zip(commands, requests, decision.answers, strict=True)
        ]


def _parameters(request: object) -> bytes | None:
    return request.parameters if isinstance(request, Call) else None
