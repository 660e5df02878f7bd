"""Commands to license-exchange: checked before they are sent, their attachments sealed to it."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack

from sanyuan.client.faces.asking import Asking
from sanyuan.client.faces.commands import check_command
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.message import Message

_UNSEALED: Final = {"sealed": "sha256:" + "0" * 64}
Token = bytes | str
"""An assertion, as identity has sent it."""


class Around(TypedDict, total=False):
    """What may be said with every command.

    The case that it belongs to (a new one by default), who acts (a pseudonym), how many seconds to
    wait for the decision, whether it is traced.
    """

    case: str | None
    actor: str | None
    timeout: float
    sampled: bool | None


class LicenseAsking(Asking):
    """Asks license-exchange."""

    async def ask_exchange(
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, object] | None = None,
        **around: Unpack[Around],
    ) -> Decision:
        """Check, seal, send and wait; an attachment of None is not there.

        Raises MalformedCommandError, NoDecisionError and what `Connector.send` raises.
        """
        attached = {name: value for name, value in (sealed or {}).items() if value is not None}
        # Ciphertexts are not there yet: the contract is checked with something in their places.
        checked = check_command(command, {**data, **dict.fromkeys(attached, _UNSEALED)})
        said = {name: value for name, value in checked.items() if name not in attached}
        return await self.ask(command, said, attached, **around)


def token_bytes(token: Token | None) -> bytes | None:
    """An assertion travels as it is, not as JSON."""
    return token.encode() if isinstance(token, str) else token
