"""The shell around `decide`: commands become requests, answers become records (design §4).

Runs inside the batch's transaction. The runtime commits it, with positions and outbox, after this
returns: if we crash before that, nothing happened; after it, the relay sends what was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command, Outcome
from sanyuan.common.directory import Directory
from sanyuan.common.sealing import SealingKey
from sanyuan.license_exchange import store
from sanyuan.license_exchange.decide import Circumstances, decide, wanted
from sanyuan.license_exchange.domain.rules import Rules
from sanyuan.license_exchange.handlers.reading import SERVICE, Reading, UnhandledCommandError
from sanyuan.license_exchange.handlers.signing import Signing
from sanyuan.license_exchange.handlers.telling import LostSystemError, Telling
from sanyuan.license_exchange.keys import Keys
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.vault import Vault

__all__ = ["SERVICE", "LicenseExchangeHandler", "LostSystemError", "UnhandledCommandError"]


@dataclass(frozen=True, slots=True)
class LicenseExchangeHandler:
    """License-exchange's part of a batch; see `sanyuan.common.deciding.Handler`.

    ``sealing`` is the service's own key, which opens the holders of assertions.
    """

    rules: Rules
    keys: Keys
    addresses: Addresses
    sealing: SealingKey = field(repr=False)

    def __call__(
        self, connection: Connection, directory: Directory, commands: Sequence[Command[Message]]
    ) -> Sequence[Outcome]:
        """One outcome per command, in order; raises VaultError."""
        if not commands:
            return []
        reading = Reading.of(directory, self.keys.blind_index, self.sealing)
        requests = [reading.request(command) for command in commands]
        vault = Vault(self.keys.master)
        state = store.load(connection, wanted(requests), vault)
        decision = decide(state, requests, self._around(directory))
        store.commit(connection, state, decision.changes, vault)
        store.forget_expired(connection, requests[0].ask.at)
        telling = Telling(directory, Signing(connection, vault, decision.answers), self.addresses)
        return [
            telling.outcome(command, answer)
            for command, answer in zip(commands, decision.answers, strict=True)
        ]

    def _around(self, directory: Directory) -> Circumstances:
        names = {code: each.name for code, each in directory.participants.items()}
        return Circumstances(self.rules, names, self.keys.blind_index)
