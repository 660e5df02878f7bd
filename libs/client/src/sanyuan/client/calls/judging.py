"""What a record says of one's own calls: the pure rule behind accepting an answer (design §7).

An answer is accepted once, from the system that serves the call, about the very record that asked,
with nothing but fields of the grant. Everything else changes nothing: the call stays open for the
right answer, or for its deadline.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from sanyuan.client.calls.opening import CALLS, OpenCall, Ref, ref_of
from sanyuan.client.calls.results import Answered, CallResult, Failed, Refused
from sanyuan.client.inbox.decision import Decision
from sanyuan.common.contracts import message as contracts
from sanyuan.common.contracts.catalog import CallAnswered, CallFailed
from sanyuan.common.contracts.message import CommandRef
from sanyuan.common.envelope import Envelope
from sanyuan.common.sources import first_life

Find = Callable[[Ref], OpenCall | None]
FindEnded = Callable[[Sequence[Ref]], AbstractSet[Ref]]


NO_OBJECT: Final[Mapping[str, Any]] = MappingProxyType({"": None})
LATE: Final = "late: the call had ended without answer"
NOT_OPEN: Final = "it answers no call that is open: answered before, or never asked"


class Arrived(NamedTuple):
    """A record that was taken from the inbox of ``source``, and how it ends a call, if it does."""

    source: str
    decision: Decision
    result: CallResult | None = None


class Judged(NamedTuple):
    """What a batch means: its records in order, and the open calls that it ends."""

    arrived: Sequence[Arrived]
    ended: Sequence[Ref]


class _Verdict(NamedTuple):
    """``call`` alone: that call is not open; whether it ended without answer decides."""

    call: Ref | None = None
    result: CallResult | None = None
    unexpected: str | None = None


_NOTHING: Final = _Verdict()


def judge(
    records: Iterable[tuple[str, Decision]], domain: str, find: Find, find_ended: FindEnded
) -> Judged:
    """Judge records with the sources in whose inboxes they are, in order.

    ``find`` knows the open calls, ``find_ended`` those of some that ended without answer. The law:
    judging a batch whole equals judging it in any split, when what ends is closed in between.
    """
    ended: dict[Ref, None] = {}

    def find_open(ref: Ref) -> OpenCall | None:
        return None if ref in ended else find(ref)

    judged: list[tuple[str, Decision, _Verdict]] = []
    for source, decision in records:
        verdict = _judge(decision, source, domain, find_open)
        if verdict.call is not None and verdict.result is not None:
            ended[verdict.call] = None
        judged.append((source, decision, verdict))
    unsettled = [v.call for _, _, v in judged if v.call is not None and v.result is None]
    late = find_ended(unsettled) if unsettled else frozenset()
    return Judged([_settle(*each, late) for each in judged], list(ended))


def _settle(source: str, decision: Decision, verdict: _Verdict, late: AbstractSet[Ref]) -> Arrived:
    call, result, why = verdict
    if call is not None and result is None:
        if call in late:
            why = LATE
        elif not isinstance(decision.message, contracts.Refused):
            why = NOT_OPEN
        # Else the plain decision of a call that was sent by hand, without being opened.
    return Arrived(source, replace(decision, unexpected=why) if why else decision, result)


def _judge(decision: Decision, source: str, domain: str, find: Find) -> _Verdict:
    message = decision.message
    if decision.unexpected is not None:
        return _NOTHING
    if isinstance(message, CallAnswered | CallFailed):
        return _judge_answer(decision, message, source, domain, find)
    if isinstance(message, contracts.Refused) and _is_call(message.command, source, domain):
        ref = ref_of(message.command)
        return _Verdict(ref, result_of(decision) if find(ref) else None)
    return _NOTHING


def result_of(decision: Decision) -> CallResult | None:
    """How a call ends by a record that was accepted; None when it ends none."""
    message = decision.message
    match message:
        case CallAnswered():
            fields = _read_fields(decision)
            return Answered(message.call, decision.case, decision, fields, message.found)
        case CallFailed():
            return Failed(message.call, decision.case, decision, message.reason, message.detail)
        case contracts.Refused() if message.command.topic.endswith(f"/{CALLS}"):
            return Refused(message.command, decision.case, decision, message.reason, message.detail)
        case _:
            return None


def _read_fields(decision: Decision) -> Mapping[str, Any]:
    """The answer's members; of what is no JSON object, one that no answer can name."""
    try:
        answer = orjson.loads(decision.opened.get("answer") or b"")
    except orjson.JSONDecodeError:
        return NO_OBJECT
    return answer if isinstance(answer, dict) else NO_OBJECT


def _is_call(command: CommandRef, source: str, domain: str) -> bool:
    return command.source == source and command.topic == f"{domain}/{CALLS}"


def _judge_answer(
    decision: Decision, message: CallAnswered | CallFailed, source: str, domain: str, find: Find
) -> _Verdict:
    if not _is_call(message.call, source, domain):
        return _Verdict(unexpected="the answer to somebody else's call")
    ref = ref_of(message.call)
    call = find(ref)
    if call is None:
        return _Verdict(ref)
    why = _misdirected(decision.envelope, message.call, call)
    result = result_of(decision)
    if why is None and isinstance(result, Answered):
        why = _overstepped(result, call)
    return _Verdict(unexpected=why) if why else _Verdict(ref, result)


def _misdirected(envelope: Envelope, named: CommandRef, call: OpenCall) -> str | None:
    """Why a record is not the serving system's about this very call."""
    if first_life(envelope.source) != first_life(call.serving_system):
        return "the answer of a system that does not serve this call"
    about = named.hash, envelope.causationid, envelope.correlationid
    if about != (call.hash, call.id, call.case):
        return "it names another record than the call, or another case"
    return None


def _overstepped(answered: Answered, call: OpenCall) -> str | None:
    """Why an answer is not the granted fields, or fewer that it names."""
    message = answered.record.message
    listed = message.fields if isinstance(message, CallAnswered) else ()
    named = set(listed)
    if answered.record.opened.get("answer") is None:
        return "its answer does not open"
    if len(named) != len(listed) or not named <= set(call.fields):
        return "it gives other fields than the grant allows"
    if answered.fields.keys() != (named if answered.found else set()):
        return "its answer holds other fields than it names"
    return None
