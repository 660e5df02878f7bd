"""Who takes part in the demo's domain, as what its founding says of them (design §2)."""

from dataclasses import dataclass
from typing import Final

from sanyuan.common.contracts.participants import ParticipantRegistered, ServiceName
from sanyuan.common.sources import Source
from sanyuan.sandbox.synthetic.departments import (
    AGENCY,
    DEPARTMENTS,
    MARKET_REGULATION,
    OPERATOR,
    SPARES,
    SUPERVISOR,
    ConnectedSystem,
    Organ,
)

DOMAIN: Final = "cn"
ORGANS: Final = (AGENCY, OPERATOR, SUPERVISOR, *DEPARTMENTS)
_OPERATED_BY: Final[dict[ServiceName, str]] = {
    "identity": OPERATOR.code,
    "license-exchange": OPERATOR.code,
    "catalog": OPERATOR.code,
    "audit": SUPERVISOR.code,
}


@dataclass(frozen=True, slots=True)
class Member:
    """A system or service with the node that it shares and who operates it, if anyone."""

    source: Source
    node: str | None = None
    operated_by: str | None = None


AGENCY_SOURCE: Final = Source(DOMAIN, "agency", AGENCY.code, AGENCY.systems[0].name)


def members() -> tuple[Member, ...]:
    """Every system and service of the domain, the agency first."""
    systems = [_system(organ, system) for organ in ORGANS for system in organ.systems]
    spares = [_system(MARKET_REGULATION, spare) for spare in SPARES]
    services = [
        Member(Source(DOMAIN, "service", None, name), operated_by=operator)
        for name, operator in _OPERATED_BY.items()
    ]
    return (*systems, *spares, *services)


def participants() -> list[ParticipantRegistered]:
    """Every organisation."""
    return [
        ParticipantRegistered(
            participant=organ.code, role=organ.role, name=organ.name, name_en=organ.name_en
        )
        for organ in ORGANS
        if organ.role != "service"
    ]


def permissions() -> list[tuple[str, ServiceName, tuple[str, ...]]]:
    """For what each department may ask identity."""
    return [(each.code, "identity", each.purposes) for each in DEPARTMENTS]


def _system(organ: Organ, system: ConnectedSystem) -> Member:
    source = Source(DOMAIN, organ.role, organ.code, system.name)
    return Member(source, node=system.node if system.node != system.name else None)
