"""The public catalogue, folded from ``catalog-events``: what is in force now (design §7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sanyuan.client import facts
from sanyuan.common.contracts.catalog import (
    GrantOpened,
    GrantRevoked,
    GrantTerms,
    Resource,
    ResourcePublished,
    ResourceWithdrawn,
)
from sanyuan.common.contracts.message import Message
from sanyuan.common.directory import Directory
from sanyuan.common.record import RawRecord
from sanyuan.common.systems import SystemFile

EVENTS: Final = "catalog-events"


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
        """What a participant holds, by its credit code, as its resources are served now."""
        held = [terms for terms in self.grants.values() if terms.grantee == participant]
        return [self._as_served(terms) for terms in held]

    def _as_served(self, terms: GrantTerms) -> GrantTerms:
        """A revision may name another serving system than the grant was opened with."""
        published = self.resources.get(terms.resource)
        if published is None:
            return terms
        resource = published.resource
        now = {
            "serving_system": resource.serving_system,
            "answer_within": resource.answer_within,
            "needs_assertion": resource.needs_assertion,
        }
        return terms.model_copy(update=now)


async def read_facts(system: SystemFile) -> list[RawRecord]:
    """Everything that ``catalog-events`` holds now; raises CatchUpError."""
    return await facts.read_facts(system, EVENTS)


def fold_catalogue(raws: Sequence[RawRecord], directory: Directory) -> Catalogue:
    """The catalogue of some facts from the start; what is not the catalog's changes nothing."""
    resources: dict[str, Published] = {}
    grants: dict[str, GrantTerms] = {}
    for fact in facts.facts_of("catalog", EVENTS, raws, directory):
        _apply(fact, resources, grants)
    return Catalogue(resources, grants)


def _apply(fact: Message, resources: dict[str, Published], grants: dict[str, GrantTerms]) -> None:
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
