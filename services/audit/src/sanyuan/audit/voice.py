"""Audit's own records: leaves of topic `<domain>/log`, under audit's system key (design §8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sanyuan.audit.state import OWN_TOPIC, Stream
from sanyuan.common.contracts.message import Message
from sanyuan.common.envelope import encode, format_sequence, hash_value
from sanyuan.common.ids import format_time, new_case, new_id
from sanyuan.common.leaf import encode_leaf
from sanyuan.common.notes import SigningKey
from sanyuan.common.streams import Position


@dataclass(frozen=True, slots=True)
class Spoken:
    """A signed record of audit's own."""

    value: bytes
    signature: str
    place: Position

    @property
    def entry(self) -> bytes:
        """The leaf."""
        return encode_leaf(self.value, self.signature.encode())


@dataclass(frozen=True, slots=True)
class Voice:
    """Signs what audit has to say, one stream, in order."""

    domain: str
    source: str
    key: SigningKey

    @property
    def stream(self) -> Stream:
        """Audit's own stream."""
        return self.source, OWN_TOPIC

    def say(self, after: Position, message: Message, at: float) -> Spoken:
        """Make the record that follows `after`; `at` is in seconds since 1970."""
        number = after.sequence + 1
        value = encode(
            {
                "specversion": "1.0",
                "id": new_id(),
                "source": self.source,
                "type": message.TYPE,
                "time": format_time(datetime.fromtimestamp(at, UTC)),
                "topic": f"{self.domain}/{OWN_TOPIC}",
                "sequence": format_sequence(number),
                "previous": after.hash,
                "correlationid": new_case(),
                "data": message.model_dump(mode="json"),
            }
        )
        line = self.key.sign(value + b"\n")
        return Spoken(value, line, Position(number, hash_value(value)))
