"""Counting the uses of assertions within a batch: pure (design §5).

Invariants: an assertion is taken at most ``uses`` times over all commands of its audience, only by
the participant that obtained it, never at or after its end, never once its revocation was observed.
A refused command takes nothing. Taking in any split of a batch gives the same answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sanyuan.common.assertions.token import Assertion, AssertionRefusal

NOTHING_REVOKED: Final[frozenset[str]] = frozenset()


class Use(NamedTuple):
    """How often an assertion was taken, of how many times, until when (µs)."""

    used: int
    uses: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored about the assertions that a batch shows, by ``jti``."""

    used: Mapping[str, int] = field(default_factory=dict)
    revoked: frozenset[str] = NOTHING_REVOKED


@dataclass(frozen=True, slots=True)
class Counting:
    """What was known before the batch, and the uses that it adds so far."""

    known: Known
    taken: dict[str, Use] = field(default_factory=dict)

    def check(self, assertion: Assertion, party: str | None, at: int) -> AssertionRefusal | None:
        """Why ``party`` cannot take the assertion at ``at`` (µs); None when it can."""
        if party is None or party != assertion.party:
            return AssertionRefusal.NOT_FOR_YOU
        if at >= assertion.expires_at:
            return AssertionRefusal.EXPIRED
        if assertion.jti in self.known.revoked:
            return AssertionRefusal.REVOKED
        if self._used(assertion) >= assertion.uses:
            return AssertionRefusal.USED_UP
        return None

    def take(self, assertion: Assertion, party: str | None, at: int) -> AssertionRefusal | None:
        """`check`, and count one use when nothing speaks against it."""
        refusal = self.check(assertion, party, at)
        if refusal is None:
            used = self._used(assertion) + 1
            self.taken[assertion.jti] = Use(used, assertion.uses, assertion.expires_at)
        return refusal

    def _used(self, assertion: Assertion) -> int:
        taken = self.taken.get(assertion.jti)
        return self.known.used.get(assertion.jti, 0) if taken is None else taken.used
