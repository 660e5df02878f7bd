"""Disputes (异议处理): open until the issuer answers; late when it does not (design §6)."""

from typing import NamedTuple

from sanyuan.common.contracts.license_exchange.disputes import Outcome


class Dispute(NamedTuple):
    """Who says what is wrong with which version; ``answer_by`` in µs since 1970 UTC.

    ``raised_by`` is the system, ``party`` its participant, ``issuing_system`` who answers.
    """

    license: str
    version: int
    raised_by: str
    party: str
    issuer: str
    issuing_system: str
    answer_by: int
    outcome: Outcome | None = None
    is_overdue_told: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the issuer has not answered."""
        return self.outcome is None

    def is_overdue(self, at: int) -> bool:
        """Whether the deadline has passed and nobody was told."""
        return self.is_open and not self.is_overdue_told and self.answer_by <= at
