"""An open call, and what opens it."""

from typing import Final, NamedTuple

from sanyuan.common.contracts.message import CommandRef
from sanyuan.common.envelope import format_sequence

CALLS: Final = "calls"

Ref = tuple[str, str, int]
"""(source, Kafka topic, sequence) of a command of one's own."""


class Opening(NamedTuple):
    """What a command opens besides its record, by the terms of its grant."""

    grant: str
    serving_system: str
    fields: tuple[str, ...]
    answer_within: float


class OpenCall(NamedTuple):
    """A call that waits; ``deadline`` in seconds since 1970."""

    source: str
    sequence: int
    id: str
    hash: str
    grant: str
    serving_system: str
    fields: tuple[str, ...]
    case: str
    deadline: float

    @property
    def ref(self) -> Ref:
        """Its place among one's own commands."""
        return self.source, CALLS, self.sequence

    def command(self, domain: str) -> CommandRef:
        """How answers name it."""
        return CommandRef(
            source=self.source,
            topic=f"{domain}/{CALLS}",
            sequence=format_sequence(self.sequence),
            hash=self.hash,
        )


def ref_of(command: CommandRef) -> Ref:
    """The place of a command of one's own."""
    return command.source, command.topic.partition("/")[2], int(command.sequence)
