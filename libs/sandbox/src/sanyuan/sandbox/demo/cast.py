"""Who plays the case: drawn anew each time, so that yesterday's lock is nobody's today."""

import secrets
from dataclasses import dataclass
from typing import Final

from sanyuan.common.identifiers import citizen_check
from sanyuan.sandbox.synthetic.organisations import Organisation
from sanyuan.sandbox.synthetic.people import Person
from sanyuan.sandbox.synthetic.registers import Registers, sample_organisations, sample_people

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


def choose(registers: Registers) -> Cast:
    """Choose the players; raises SyntheticDataError."""
    seed = secrets.token_hex(8)
    (organisation,) = sample_organisations(registers, 1, seed)
    applicant = organisation.representative
    people = [p for p in sample_people(registers, 12, seed) if p.number != applicant.number]
    partner, target, *others = people
    wrong = [each.name for each in others if each.name not in (partner.name, target.name)]
    return Cast(organisation, partner, target, tuple(wrong))


def misspelt(number: str) -> str:
    """A citizen number whose check character is wrong."""
    right = citizen_check(number[:17])
    return number[:17] + ("1" if right != "1" else "2")
