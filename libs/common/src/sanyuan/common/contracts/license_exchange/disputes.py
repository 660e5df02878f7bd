"""Wrong data goes back to its source: disputes (异议处理; design §6)."""

from typing import Annotated, Literal

from pydantic import Field

from sanyuan.common.contracts.catalog.kinds import Instant, ItemName
from sanyuan.common.contracts.license_exchange.kinds import (
    Command,
    DisputeId,
    LicenseHandle,
    Notice,
)
from sanyuan.common.contracts.message import Attachment, CreditCode, Decided, Refused

DisputedFields = Annotated[tuple[ItemName, ...], Field(min_length=1, max_length=120)]
Outcome = Literal["corrected", "rejected"]


class RaiseDispute(Command):
    """Fields of a licence that the sender's participant was given seem wrong.

    ``statement``, sealed to license-exchange: JSON ``{"text"}``, passed on to the issuer sealed.
    """

    TYPE = "license-exchange.raise-dispute.v1"
    SEALED = ("statement",)
    license: LicenseHandle
    fields: DisputedFields
    statement: Attachment


class AnswerDispute(Command):
    """The issuer's word, after it has amended or revoked the licence, or why it has not.

    ``statement``, sealed to license-exchange: JSON ``{"text"}``, passed on sealed.
    """

    TYPE = "license-exchange.answer-dispute.v1"
    SEALED = ("statement",)
    dispute: DisputeId
    outcome: Outcome
    statement: Attachment


class DisputeAccepted(Decided):
    """The issuer was told, and answers until ``answer_by``."""

    TYPE = "license-exchange.dispute-accepted.v1"
    dispute: DisputeId
    answer_by: Instant


class DisputeAnswerAccepted(Decided):
    """The word stands, and whoever raised the dispute was told."""

    TYPE = "license-exchange.dispute-answer-accepted.v1"
    dispute: DisputeId


class DisputeRefused(Refused):
    """No dispute, or no answer to one.

    ``not-corrected``: the licence is what it was when the dispute was raised.
    """

    TYPE = "license-exchange.dispute-refused.v1"
    reason: Literal[
        "unknown-license",
        "already-raised",
        "statement-missing",
        "unknown-dispute",
        "already-answered",
        "not-corrected",
    ]
    dispute: DisputeId | None = None


class DisputeRaised(Notice):
    """To the system that issued the licence: answer until ``answer_by``."""

    TYPE = "license-exchange.dispute-raised.v1"
    SEALED = ("statement",)
    dispute: DisputeId
    license: LicenseHandle
    fields: DisputedFields
    raised_by: CreditCode
    answer_by: Instant
    statement: Attachment


class DisputeAnswered(Notice):
    """To whoever raised the dispute: the issuer's word."""

    TYPE = "license-exchange.dispute-answered.v1"
    SEALED = ("statement",)
    dispute: DisputeId
    license: LicenseHandle
    outcome: Outcome
    statement: Attachment


class DisputeOverdue(Notice):
    """To the issuer and to whoever raised it: the deadline has passed; the dispute still stands."""

    TYPE = "license-exchange.dispute-overdue.v1"
    dispute: DisputeId
    license: LicenseHandle
    answer_by: Instant
