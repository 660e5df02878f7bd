"""Grants: asked for, decided by the provider, revoked (design §7)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sanyuan.client.faces.asking import TIMEOUT_SECONDS, Asking, NoDecisionError
from sanyuan.client.faces.commands import check_command
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import (
    Bounds,
    DecideGrant,
    GrantDecided,
    GrantDecisionAccepted,
    GrantIssued,
    GrantOverdue,
    GrantPending,
    GrantRequested,
    GrantTerms,
    RequestGrant,
    RevokeGrant,
)


@dataclass(frozen=True, slots=True)
class Granted:
    """Yes, as far as ``terms`` say."""

    terms: GrantTerms
    record: Decision = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider decides until ``decide_by``: wait for its word with `grant_decided`."""

    request: str
    decide_by: datetime
    record: Decision = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotGranted:
    """No, for a reason: machine-readable of the catalog, in the provider's words otherwise."""

    reason: str
    detail: str | None
    record: Decision = field(repr=False)


GrantOutcome = Granted | Pending | NotGranted


class GrantsFace(Asking):
    """Who may use which fields."""

    async def request_grant(  # noqa: PLR0913  every field of the message is one
        self,
        code: str,
        *,
        fields: Sequence[str],
        purpose: str,
        legal_basis: str,
        until: datetime,
        quota: int | None = None,
        rate: int | None = None,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  a caller states it in seconds
        sampled: bool | None = None,
    ) -> GrantOutcome:
        """Ask for fields of a resource: ``quota`` calls in all, ``rate`` a second, until a time.

        Raises MalformedCommandError, NoDecisionError and what `Connector.send` raises.
        """
        bounds = {"fields": tuple(fields), "quota": quota, "rate": rate, "until": until}
        asked = {
            "resource": code,
            "purpose": purpose,
            "legal_basis": legal_basis,
            "bounds": bounds,
        }
        data = check_command(RequestGrant, asked)
        return _outcome(
            await self.ask(
                RequestGrant, data, {}, case=case, actor=actor, timeout=timeout, sampled=sampled
            )
        )

    async def grant_decided(
        self,
        request: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  as above
    ) -> Granted | NotGranted:
        """Wait for the provider's word on a pending request, also of an earlier run.

        It is taken out of `decisions` unless that has handed it out already. Raises NoDecisionError
        after ``timeout`` seconds, if there are any.
        """

        def is_word(record: Decision) -> bool:
            message = record.message
            is_ours = isinstance(message, GrantDecided) and message.request == request
            return is_ours and record.unexpected is None

        try:
            async with asyncio.timeout(timeout):
                record = await self._connector.claim(self.source, is_word)
        except TimeoutError:
            raise NoDecisionError(
                f"the provider has not decided within {timeout:g} s", where=f"request {request}"
            ) from None
        return _outcome_of_word(record)

    def grant_requests(self) -> list[tuple[GrantRequested, Decision]]:
        """What others have asked of this participant's resources and nobody here has handled."""
        return [
            (record.message, record)
            for record in self._connector.waiting(self.source)
            if isinstance(record.message, GrantRequested) and record.unexpected is None
        ]

    async def decide_grant(
        self,
        request: str,
        *,
        allow: bool,
        bounds: Bounds | None = None,
        reason: str | None = None,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Allow a request, as asked or within narrower ``bounds``, or refuse it for a reason.

        Raises as `request_grant`.
        """
        decided = {"request": request, "allow": allow, "bounds": bounds, "reason": reason}
        data = check_command(DecideGrant, decided)
        decision = await self.ask(DecideGrant, data, {}, case=case, actor=actor, timeout=timeout)
        if isinstance(decision.message, GrantDecisionAccepted):
            self._connector.drop(self.source, partial(_asks_for, request))
        return decision

    async def revoke_grant(
        self,
        grant: str,
        *,
        reason: str,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """End a grant, as its provider, its holder or the agency. Raises as `request_grant`."""
        data = check_command(RevokeGrant, {"grant": grant, "reason": reason})
        return await self.ask(RevokeGrant, data, {}, case=case, actor=actor, timeout=timeout)


def _asks_for(request: str, record: Decision) -> bool:
    """Whether a notice only says that this request waits."""
    message = record.message
    tells = isinstance(message, GrantRequested | GrantOverdue) and message.request == request
    return tells and record.unexpected is None


def _outcome(record: Decision) -> GrantOutcome:
    match record.message:
        case GrantIssued() as issued:
            return Granted(issued.terms, record)
        case GrantPending() as pending:
            return Pending(pending.request, pending.decide_by, record)
        case message:
            detail = getattr(message, "detail", None)
            return NotGranted(record.reason or record.type, detail, record)


def _outcome_of_word(record: Decision) -> Granted | NotGranted:
    match record.message:
        case GrantDecided(terms=GrantTerms() as terms, allow=True):
            return Granted(terms, record)
        case message:
            return NotGranted(getattr(message, "reason", None) or "not-allowed", None, record)
