"""The grants that the load is carried out under: 2,000 for calls, one each for licences. Pure.

Every resource that is called goes to three or four departments, never to its own; every department
gets about as many as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.demo.load.schedule import EVERYBODY
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS, MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE

GRANTS: Final = 2_000
"""At most; a catalogue of few resources has four a resource."""
_TURNS: Final = 4
LEGAL_BASIS: Final = "政务数据共享条例"
LICENSE_FIELDS: Final = (
    "holder_code",
    "holder_name",
    "license_number",
    "representative",
    "business_scope",
    "valid_until",
)
UNGRANTED_FIELD: Final = "registered_capital"
"""Of the business licence, what no grant of the load gives."""
_OPEN_FIELDS: Final = 6
_CONDITIONAL_FIELDS: Final = 4
_RATE: Final = 200
"""Calls a second that a conditional grant allows: far above what the load makes of it."""
_INDEX: Final = {organ.code: at for at, organ in enumerate(DEPARTMENTS)}
# Both have no divisor in common with 52, the number of the other departments.
_STRIDE: Final = 7
_ROUND: Final = 17


@dataclass(frozen=True, slots=True)
class Wanted:
    """A grant that ``caller`` asks ``provider`` for (indexes of departments)."""

    caller: int
    provider: int
    resource: str
    about: Literal["person", "organisation"]
    fields: tuple[str, ...]
    purpose: str
    rate: int | None = None
    automatic: bool = True
    """Whether the catalog gives it by itself, or the provider has to."""


def wanted_grants(resources: Sequence[Resource]) -> tuple[Wanted, ...]:
    """The grants for shared calls of resources that need no assertion."""
    called = [each for each in resources if each.serving_system and not each.needs_assertion]
    grants = min(GRANTS, _TURNS * len(called))
    return tuple(_wanted(called[at % len(called)], at, len(called)) for at in range(grants))


def wanted_license_grants(resources: Sequence[Resource]) -> tuple[Wanted, ...]:
    """The grants for fields of business licences, one a department, the issuer included."""
    resource = next(each for each in resources if each.license_type == BUSINESS_LICENSE.code)
    return tuple(
        Wanted(
            caller=at,
            provider=_INDEX[MARKET_REGULATION.code],
            resource=resource.code,
            about="organisation",
            fields=LICENSE_FIELDS,
            purpose=DEPARTMENTS[at].purposes[0],
            automatic=resource.sharing.type == "unconditional",
        )
        for at in EVERYBODY
    )


def _wanted(resource: Resource, number: int, resources: int) -> Wanted:
    turn, at = divmod(number, resources)
    provider, others = _INDEX[resource.provider], len(DEPARTMENTS) - 1
    caller = (provider + 1 + (at * _STRIDE + turn * _ROUND) % others) % len(DEPARTMENTS)
    free = resource.sharing.type == "unconditional"
    names = tuple(item.name for item in resource.items)
    return Wanted(
        caller=caller,
        provider=provider,
        resource=resource.code,
        about="person" if resource.parameters[0].name == "citizen_number" else "organisation",
        fields=names[: _OPEN_FIELDS if free else _CONDITIONAL_FIELDS],
        purpose=DEPARTMENTS[caller].purposes[0],
        rate=None if free else _RATE,
        automatic=free,
    )
