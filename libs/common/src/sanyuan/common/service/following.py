"""Facts of other services: read ahead, applied in the transaction of a batch (design §4).

So a revocation takes effect once it is on its topic: a batch is decided after everything that the
followed topics held when its records had been read.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection

from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.deciding import Fact
from sanyuan.common.directory import Directory
from sanyuan.common.ids import time_of
from sanyuan.common.positions import KnownPlaces, Partition
from sanyuan.common.record import RawRecord, Record

log = structlog.get_logger()


class Feed:
    """What was read of the followed topics and is not in the database yet, in order."""

    def __init__(self) -> None:
        self.pending: list[RawRecord] = []

    def apply(self, raw: RawRecord) -> None:
        """Take one record (called by the follower)."""
        self.pending.append(raw)

    def drop(self, offsets: Mapping[Partition, int]) -> None:
        """Forget what was committed: everything below ``offsets``."""
        self.pending = [
            raw for raw in self.pending if raw.offset >= offsets.get((raw.topic, raw.partition), 0)
        ]


def read_facts(records: Sequence[Record], directory: Directory) -> list[Fact]:
    """The facts among authentic records: only from the service whose topic it is.

    A type that this release does not know takes its place and changes nothing.
    """
    facts = []
    for record in records:
        envelope, topic = record.envelope, record.raw.topic
        if record.source != _writer(topic, directory):
            log.warning("a fact of somebody else's is ignored", topic=topic)
            continue
        try:
            message = parse_data(envelope.type, topic, envelope.data)
        except ContractError as error:
            log.warning("a fact is not understood", type=envelope.type, error=str(error))
            continue
        facts.append(Fact(message, time_of(record.raw.timestamp_ms), envelope.correlationid))
    return facts


def places_of(
    connection: Connection, places: KnownPlaces, topics: Sequence[str], directory: Directory
) -> dict[str, int]:
    """Topic → sequence of the last fact that was applied: a part of ``asof``."""
    streams = {(writer, topic): topic for topic in topics if (writer := _writer(topic, directory))}
    known = places.load(connection, streams)
    return {topic: known[stream].sequence for stream, topic in streams.items()}


def _writer(topic: str, directory: Directory) -> str | None:
    service = directory.by_name.get(topic.removesuffix("-events"))
    return None if service is None else service.source
