"""Who plays the case: drawn anew each time, so that yesterday's lock is nobody's today."""

import secrets
from dataclasses import dataclass
from typing import Final

from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.identifiers import citizen_check
from sanyuan.sandbox.synthetic.organisations import Organisation
from sanyuan.sandbox.synthetic.people import Person
from sanyuan.sandbox.synthetic.providers.known import POPULAR, in_rank
from sanyuan.sandbox.synthetic.providers.values import chosen
from sanyuan.sandbox.synthetic.registers import Registers, all_organisations, sample_people

TRADE: Final = "餐饮"
REGISTERED: Final = "有效"
"""The status without which no licence is issued: others are suspended, or have ended."""
TRIES: Final = 5
"""Wrong answers that lock a subject (identity's default)."""


@dataclass(frozen=True, slots=True)
class Cast:
    """An organisation with its representative, a partner, somebody curious, and wrong names."""

    organisation: Organisation
    partner: Person
    target: Person
    strangers: tuple[str, ...]

    @property
    def applicant(self) -> Person:
        """Who applies: the organisation's legal representative."""
        return self.organisation.representative


def choose(registers: Registers, taxpayers: Resource) -> Cast:
    """Choose the players; `taxpayers` has their tax registrations. Raises SyntheticDataError."""
    seed = secrets.token_hex(8)
    organisation = secrets.choice(_restaurants(registers, taxpayers))
    applicant = organisation.representative
    people = [p for p in sample_people(registers, 12, seed) if p.number != applicant.number]
    partner, target, *others = people
    wrong = [each.name for each in others if each.name not in (partner.name, target.name)]
    return Cast(organisation, partner, target, tuple(wrong))


def _restaurants(registers: Registers, taxpayers: Resource) -> list[Organisation]:
    """Caterers whom every resource of the national catalogue knows, in order with the taxes."""
    known = in_rank(all_organisations(registers))[:POPULAR]
    return [
        each
        for rank, each in enumerate(known)
        if TRADE in each.name and chosen(taxpayers, "status", rank) == REGISTERED
    ]


def misspelt(number: str) -> str:
    """A citizen number whose check character is wrong."""
    right = citizen_check(number[:17])
    return number[:17] + ("1" if right != "1" else "2")
