"""Shared calls (共享调用): metered by the catalog, answered by the provider (design §7)."""

from typing import Literal

from sanyuan.common.contracts.catalog.kinds import (
    CALLS,
    GrantId,
    Instant,
    ItemName,
    KeyId,
    Notice,
    ResourceCode,
)
from sanyuan.common.contracts.identity import Level
from sanyuan.common.contracts.message import (
    Attachment,
    CommandRef,
    Decided,
    ForwardedAttachment,
    Message,
    Purpose,
    Refused,
    ShortText,
    SourceText,
)


class CallRequested(Message):
    """Ask a resource under a grant.

    ``parameters``, sealed to the resource's serving system: a JSON object, one member a parameter.
    ``assertion``, sealed to the catalog, where the resource needs one. ``serving_system`` is whom
    the parameters are sealed to.
    """

    TYPE = "call.requested.v1"
    TOPICS = CALLS
    SEALED = ("parameters", "assertion")
    grant: GrantId
    serving_system: SourceText
    parameters: Attachment
    assertion: Attachment | None = None


class CallAdmitted(Decided):
    """The decision of a call, in the provider's inbox: answer it until ``answer_by``.

    The answer is sealed to ``caller_key`` and goes to ``reply_to`` (the caller's inbox);
    ``parameters`` come as the caller sealed them.
    """

    TYPE = "call.admitted.v1"
    SEALED = ("parameters",)
    grant: GrantId
    resource: ResourceCode
    purpose: Purpose
    fields: tuple[ItemName, ...]
    caller: SourceText
    reply_to: str
    caller_key: KeyId
    answer_by: Instant
    call_id: str
    """The ``id`` of the ``call.requested.v1``: the answer's ``causationid``."""
    level: Level | None = None
    """How identity has verified the person, where the resource needs an assertion.

    No pseudonym: it would be one for all providers, who could join their data on it (design §5).
    """
    parameters: ForwardedAttachment


class CallRefused(Refused):
    """The decision of a call that is not admitted, in the caller's inbox; nothing was metered."""

    TYPE = "call.refused.v1"
    reason: Literal[
        "unknown-grant",
        "not-yours",
        "grant-revoked",
        "grant-expired",
        "grant-metered-elsewhere",
        "resource-withdrawn",
        "quota",
        "rate",
        "wrong-serving-system",
        "no-parameters",
        "assertion-missing",
        "assertion-invalid",
        "assertion-expired",
        "assertion-used-up",
        "assertion-revoked",
        "assertion-not-for-you",
    ]


class CallAnswered(Notice):
    """A provider's answer, straight into the caller's inbox; ``causationid`` is the call's id.

    ``answer``, sealed to the caller: a JSON object with exactly the members that ``fields`` names.
    """

    TYPE = "call.answered.v1"
    SEALED = ("answer",)
    call: CommandRef
    fields: tuple[ItemName, ...]
    found: bool = True
    """False: the provider has nothing under these parameters; the answer is an empty object."""
    answer: Attachment


class CallFailed(Notice):
    """A provider cannot answer; ``causationid`` is the call's id."""

    TYPE = "call.failed.v1"
    call: CommandRef
    reason: Literal["malformed-parameters", "unavailable", "too-late", "other"]
    detail: ShortText | None = None
