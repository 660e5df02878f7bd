"""The public catalogue, folded from ``catalog-events``: what is in force now (design §7).

Nothing is asked of a service: the facts are signed by the catalog and chained, so that whoever
reads them all knows that none is missing in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sanyuan.common.contracts.catalog import (
    GrantOpened,
    GrantRevoked,
    GrantTerms,
    Resource,
    ResourcePublished,
    ResourceWithdrawn,
)
from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Follower
from sanyuan.common.record import RawRecord, Record
from sanyuan.common.service.checking import check, decode_all
from sanyuan.common.streams import START, Position, Verdict, judge
from sanyuan.common.systems import SystemFile

EVENTS: Final = "catalog-events"
READ_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Published:
    """A resource in force."""

    resource: Resource
    revision: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Resources in force by their codes, and grants that were opened and not revoked by their ids.

    Whether a grant has expired or is used up is not seen here.
    """

    resources: Mapping[str, Published] = field(default_factory=dict)
    grants: Mapping[str, GrantTerms] = field(default_factory=dict)

    def grants_of(self, participant: str | None) -> list[GrantTerms]:
        """What a participant holds, by its credit code."""
        return [terms for terms in self.grants.values() if terms.grantee == participant]


async def read_facts(system: SystemFile) -> list[RawRecord]:
    """Everything that ``catalog-events`` holds now; raises CatchUpError."""
    raws: list[RawRecord] = []
    follower = await Follower.start(system, {EVENTS: raws.append})
    try:
        await follower.catch_up(READ_SECONDS)
    finally:
        await follower.stop()
    return raws


def fold_catalogue(raws: Sequence[RawRecord], directory: Directory) -> Catalogue:
    """The catalogue of some facts from the start; what is not the catalog's changes nothing."""
    service, founding = directory.service("catalog"), directory.founding
    domain = founding.domain if founding is not None else ""
    checked = check(decode_all(raws, domain=domain, partitions=lambda _topic: 1), directory)
    resources: dict[str, Published] = {}
    grants: dict[str, GrantTerms] = {}
    for record in _in_order(checked.records, service.source):
        if not directory.is_revoked(record.source, record.key_id):
            _apply(_parse(record), resources, grants)
    return Catalogue(resources, grants)


def _in_order(records: Iterable[Record], source: str) -> Iterable[Record]:
    """The records that take their place in the catalog's one stream."""
    place = START
    for record in records:
        envelope = record.envelope
        if envelope.source == source:
            verdict = judge(place, envelope.number, envelope.previous, record.hash, None)
            if verdict is Verdict.TAKE:
                place = Position(envelope.number, record.hash)
                yield record


def _parse(record: Record) -> Message | None:
    """A fact; None for a type of a later release."""
    try:
        return parse_data(record.envelope.type, EVENTS, record.envelope.data)
    except ContractError:
        return None


def _apply(
    fact: Message | None, resources: dict[str, Published], grants: dict[str, GrantTerms]
) -> None:
    match fact:
        case ResourcePublished():
            resources[fact.resource.code] = Published(fact.resource, fact.revision)
        case ResourceWithdrawn():
            resources.pop(fact.resource, None)
            for grant in [g for g, terms in grants.items() if terms.resource == fact.resource]:
                del grants[grant]
        case GrantOpened():
            grants[fact.terms.grant] = fact.terms
        case GrantRevoked():
            grants.pop(fact.grant, None)
        case _:
            return
