"""How a provider answers: from an admitted call to the one record that it causes (design §7). Pure.

Only granted fields leave, whatever the answer function returns. What it raises never gets into a
record: a `detail` is text that somebody wrote for strangers to read.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import CallAdmitted, CallAnswered, CallFailed
from sanyuan.common.contracts.message import Message
from sanyuan.common.directory import System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.common.outbox import Draft
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES, reference
from sanyuan.common.systems import SystemFile

Parameters = Mapping[str, Any]
Fields = Mapping[str, Any] | None
"""What a provider has under the parameters: fields by name; None: nothing."""
Answer = Callable[[Parameters, CallAdmitted], Fields | Awaitable[Fields]]
FailureReason = Literal["malformed-parameters", "unavailable", "too-late", "other"]
SEAL_BYTES: Final = 48
MAX_DETAIL: Final = 512


class CannotAnswerError(SanyuanError):
    """Raised by an answer function: the call fails for ``reason``; ``what`` is told to the caller.

    ``what`` is kept for ever in the log: no personal data.
    """

    def __init__(self, reason: FailureReason, what: str) -> None:
        super().__init__(what)
        self.reason: FailureReason = reason


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Given:
    """The granted fields that the provider gives; None when it has found nothing."""

    fields: Mapping[str, Any] | None


TOO_LATE: Final = Failure("too-late", "the time for an answer had passed before it was found")
BROKEN: Final = Failure("other", "the answer could not be made")


def read_call(decision: Decision, admitted: CallAdmitted, now: datetime) -> Parameters | Failure:
    """The parameters of a call that can still be answered."""
    if now > admitted.answer_by:
        return TOO_LATE
    opened = decision.opened.get("parameters")
    if opened is None:
        return Failure("malformed-parameters", "the parameters do not open")
    try:
        parameters = orjson.loads(opened)
    except orjson.JSONDecodeError:
        return Failure("malformed-parameters", "the parameters are no JSON")
    if not isinstance(parameters, dict):
        return Failure("malformed-parameters", "the parameters are no JSON object")
    return parameters


def choose(found: Fields, admitted: CallAdmitted) -> Given | Failure:
    """What of that may be given: the granted fields, in the order of the grant."""
    if found is None:
        return Given(None)
    if not isinstance(found, Mapping):
        raise TypeError(type(found).__name__)
    fields = {name: found[name] for name in admitted.fields if name in found}
    if not fields:
        return Failure("other", "the provider has none of the granted fields")
    return Given(fields)


def draft_answer(
    system: SystemFile, caller: System, decision: Decision, given: Given | Failure, now: datetime
) -> Draft:
    """The provider's one record about a call, sealed to its caller."""
    admitted = decision.message
    if not isinstance(admitted, CallAdmitted) or caller.inbox is None:
        raise TypeError(decision.type)
    plaintext = _encode(given)
    if isinstance(plaintext, Failure):
        failed: dict[str, object] = {"reason": plaintext.reason, "detail": plaintext.detail}
        return _draft(system, caller.inbox, decision, CallFailed, failed, {}, now)
    sealed = caller.sealing.seal(
        plaintext, source=system.source, topic=f"{system.domain}/{caller.inbox}", name="answer"
    )
    found = isinstance(given, Given) and given.fields is not None
    data = {
        "fields": list(given.fields) if isinstance(given, Given) and given.fields else [],
        "found": found,
        "answer": reference(sealed),
    }
    return _draft(system, caller.inbox, decision, CallAnswered, data, {"answer": sealed}, now)


def _encode(given: Given | Failure) -> bytes | Failure:
    if isinstance(given, Failure):
        return given
    try:
        plaintext = orjson.dumps(given.fields or {})
    except orjson.JSONEncodeError:
        return Failure("other", "the answer holds what JSON cannot say")
    if len(plaintext) + SEAL_BYTES > MAX_ATTACHMENT_BYTES:
        return Failure("other", "the answer is larger than attachments may be")
    return plaintext


def _draft(
    system: SystemFile,
    inbox: str,
    decision: Decision,
    kind: type[Message],
    data: Mapping[str, object],
    sealed: Mapping[str, bytes],
    now: datetime,
) -> Draft:
    command = decision.command
    return Draft(
        key=system.signing,
        domain=system.domain,
        topic=inbox,
        type=kind.TYPE,
        data={"call": command.model_dump() if command else None, **data},
        time=format_time(now),
        case=decision.case,
        cause=getattr(decision.message, "call_id", None),
        traceparent=decision.traceparent,
        sealed=sealed,
    )
