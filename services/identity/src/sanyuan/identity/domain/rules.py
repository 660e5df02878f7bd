"""What an installation may set: locks, rates and the terms of purposes, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from sanyuan.common.contracts.identity import MAX_LIFETIME_SECONDS
from sanyuan.common.rates import Rate
from sanyuan.identity.domain.locks import LockRules

MINUTE: Final = 60
DAY: Final = 24 * 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Terms:
    """How long an assertion lives (seconds) and how often the service in ``aud`` accepts it."""

    lifetime: Annotated[int, Field(gt=0, le=MAX_LIFETIME_SECONDS)] = 10 * MINUTE
    uses: Annotated[int, Field(gt=0)] = 1


TERMS: Final[Mapping[str, Terms]] = {
    # A case of several visits and several licences.
    "food-business-licence": Terms(lifetime=5 * DAY, uses=20),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule with a number in it."""

    locks: LockRules = field(default_factory=LockRules)
    rate: Rate = field(default_factory=Rate)
    terms: Mapping[str, Terms] = field(default_factory=lambda: TERMS)
    default_terms: Terms = field(default_factory=Terms)

    def terms_of(self, purpose: str) -> Terms:
        """The terms of a purpose; short and once where nothing else is said."""
        return self.terms.get(purpose, self.default_terms)
