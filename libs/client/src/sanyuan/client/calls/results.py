"""How a shared call ends for its caller: exactly one of four ways."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sanyuan.client.inbox.decision import Decision
from sanyuan.common.contracts.message import CommandRef


@dataclass(frozen=True, slots=True)
class Answered:
    """The provider's answer: ``fields`` by name; empty when it has ``found`` nothing."""

    call: CommandRef
    case: str
    record: Decision = field(repr=False)
    fields: Mapping[str, object] = field(repr=False)
    found: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The catalog did not admit the call, for a machine-readable reason; nothing was metered."""

    call: CommandRef
    case: str
    record: Decision = field(repr=False)
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider could not answer, for a machine-readable reason."""

    call: CommandRef
    case: str
    record: Decision = field(repr=False)
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The deadline has passed without any; a late answer is shown as an unexpected record."""

    call: CommandRef
    case: str


CallResult = Answered | Refused | Failed | NoAnswer
