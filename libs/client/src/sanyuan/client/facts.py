"""Public facts of a service, read from its events topic and checked (design §3).

Nothing is asked of a service: facts are signed by it and chained, so that whoever reads them all
knows that none is missing in between.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Follower
from sanyuan.common.record import RawRecord, Record, read_all
from sanyuan.common.service.checking import check
from sanyuan.common.streams import START, Position, Verdict, judge
from sanyuan.common.systems import SystemFile

READ_SECONDS: Final = 120.0


async def read_facts(system: SystemFile, topic: str) -> list[RawRecord]:
    """Everything that an events topic holds now; raises CatchUpError."""
    raws: list[RawRecord] = []
    follower = await Follower.start(system, {topic: raws.append})
    try:
        await follower.catch_up(READ_SECONDS)
    finally:
        await follower.stop()
    return raws


def facts_of(
    service: str, topic: str, raws: Sequence[RawRecord], directory: Directory
) -> Iterator[Message]:
    """The facts of a service in order, from the start; what is not its own is left out.

    So is a type of a later release. Raises DirectoryError when the service is not registered.
    """
    source, founding = directory.service(service).source, directory.founding
    domain = founding.domain if founding is not None else ""
    checked = check(read_all(raws, domain=domain, partitions=lambda _topic: 1), directory)
    for record in _in_order(checked.records, source):
        if not directory.is_revoked(record.source, record.key_id):
            try:
                yield parse_data(record.envelope.type, topic, record.envelope.data)
            except ContractError:
                continue


def _in_order(records: Iterable[Record], source: str) -> Iterable[Record]:
    """The records that take their place in the service's one stream."""
    place = START
    for record in records:
        envelope = record.envelope
        if envelope.source == source:
            verdict = judge(place, envelope.number, envelope.previous, record.hash, None)
            if verdict is Verdict.TAKE:
                place = Position(envelope.number, record.hash)
                yield record
