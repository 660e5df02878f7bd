"""A record of an inbox as it was taken, wherever it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sanyuan.common.envelope import Envelope

Place = tuple[str, int]
"""(Kafka topic, offset) of a record in an inbox."""

FROM_THE_LOG: Final = -(2**62)
"""Below every offset of the broker: from here on, by their index, lie records of the log that the
topic had lost before they were read, without their attachments."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was taken."""

    topic: str
    offset: int
    envelope: Envelope
    sealed: Mapping[str, bytes]
    traceparent: str | None

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.topic, self.offset
