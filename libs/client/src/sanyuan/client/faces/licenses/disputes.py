"""Wrong data goes back to its source (异议处理)."""

from collections.abc import Sequence
from typing import Unpack

from sanyuan.client.faces.licenses.asking import Around, LicenseAsking
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.license_exchange import (
    AnswerDispute,
    DisputeAnswered,
    DisputeOverdue,
    DisputeRaised,
    LicenseChanged,
    RaiseDispute,
)
from sanyuan.common.contracts.license_exchange.disputes import Outcome

Told = LicenseChanged | DisputeRaised | DisputeAnswered | DisputeOverdue


class DisputesFace(LicenseAsking):
    """Raises and answers disputes; what others have to say comes as a notice."""

    async def raise_dispute(
        self,
        license_name: str,
        *,
        fields: Sequence[str],
        statement: str,
        **around: Unpack[Around],
    ) -> Decision:
        """Say what is wrong in a licence that this system was given something of.

        Raises MalformedCommandError, NoDecisionError and what `Connector.send` raises.
        """
        data = {"license": license_name, "fields": tuple(fields)}
        sealed = {"statement": {"text": statement}}
        return await self.ask_exchange(RaiseDispute, data, sealed, **around)

    async def answer_dispute(
        self, dispute: str, *, outcome: Outcome, statement: str, **around: Unpack[Around]
    ) -> Decision:
        """Answer as the issuer, after amending or revoking, or say why not. Raises as above."""
        data = {"dispute": dispute, "outcome": outcome}
        sealed = {"statement": {"text": statement}}
        return await self.ask_exchange(AnswerDispute, data, sealed, **around)

    def license_notices(self) -> list[tuple[Told, Decision]]:
        """What was told about licences and disputes and nobody here has handled."""
        return [
            (record.message, record)
            for record in self._connector.waiting(self.source)
            if isinstance(record.message, Told) and record.unexpected is None
        ]
