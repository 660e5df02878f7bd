"""Disputes: back to the source, with a deadline (design §6)."""

from typing import Final

from sanyuan.common.working_days import deadline
from sanyuan.license_exchange.decide.desk import Desk
from sanyuan.license_exchange.domain.answers import (
    DisputeAccepted,
    DisputeAnswered,
    DisputeRefused,
    Overdue,
    Ticked,
)
from sanyuan.license_exchange.domain.disputes import Dispute
from sanyuan.license_exchange.domain.lifecycle import LicenseState
from sanyuan.license_exchange.domain.requests import AnswerDispute, RaiseDispute, TickPassed
from sanyuan.license_exchange.domain.secrets import fresh_dispute

_NO_STATEMENT: Final = DisputeRefused(
    "statement-missing", "the attachment statement is missing or cannot be opened"
)
_NO_DISPUTE: Final = DisputeRefused("unknown-dispute", "no dispute on a licence of yours")


def raise_dispute(desk: Desk, request: RaiseDispute) -> DisputeAccepted | DisputeRefused:
    """Open a dispute by somebody who was given something of the licence."""
    ask, found = request.ask, desk.license(request.license)
    if (
        found is None
        or found.state is LicenseState.ERASED
        or ask.system not in desk.relied(request.license)
    ):
        return DisputeRefused("unknown-license", "you were given nothing of such a licence")
    if request.statement is None:
        return _NO_STATEMENT
    for known, dispute in desk.disputes():
        is_same = dispute.license == request.license and dispute.party == ask.participant
        if is_same and dispute.is_open:
            return DisputeRefused("already-raised", "your dispute is still open", known)
    name = fresh_dispute(ask.entropy)
    answer_by = deadline(ask.at, desk.rules.answer_days, desk.rules.calendar)
    desk.changes.disputes[name] = Dispute(
        license=request.license,
        version=found.version,
        raised_by=ask.system,
        party=ask.participant,
        issuer=found.issuer,
        issuing_system=found.system,
        answer_by=answer_by,
    )
    return DisputeAccepted(
        dispute=name,
        license=request.license,
        fields=request.fields,
        party=ask.participant,
        issuing_system=found.system,
        answer_by=answer_by,
        statement=request.statement,
    )


def answer_dispute(desk: Desk, request: AnswerDispute) -> DisputeAnswered | DisputeRefused:
    """Close a dispute; ``corrected`` only when the licence is not what it was."""
    dispute = desk.dispute(request.dispute)
    if dispute is None or dispute.issuer != request.ask.participant:
        return _NO_DISPUTE
    if not dispute.is_open:
        return DisputeRefused("already-answered", "the dispute was answered before")
    if request.statement is None:
        return _NO_STATEMENT
    if request.outcome == "corrected" and not _is_corrected(desk, dispute):
        return DisputeRefused("not-corrected", "amend or revoke the licence first")
    desk.changes.disputes[request.dispute] = dispute._replace(outcome=request.outcome)
    return DisputeAnswered(
        dispute=request.dispute,
        license=dispute.license,
        outcome=request.outcome,
        raised_by=dispute.raised_by,
        statement=request.statement,
    )


def tick(desk: Desk, request: TickPassed) -> Ticked:
    """Tell of disputes that are late; what has expired is written down as such."""
    at = request.ask.at
    late = [(name, dispute) for name, dispute in desk.disputes() if dispute.is_overdue(at)]
    for name, dispute in late:
        desk.changes.disputes[name] = dispute._replace(is_overdue_told=True)
    desk.changes.ticked = at
    return Ticked(
        tuple(
            Overdue(name, each.license, each.answer_by, (each.issuing_system, each.raised_by))
            for name, each in late
        )
    )


def _is_corrected(desk: Desk, dispute: Dispute) -> bool:
    found = desk.license(dispute.license)
    if found is None:
        return False
    gone = (LicenseState.REVOKED, LicenseState.ERASED)
    return found.version > dispute.version or found.state in gone
