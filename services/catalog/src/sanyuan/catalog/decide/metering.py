"""The decision on a shared call: the hottest path of a domain (design §7).

Whatever refuses a call comes first, cheapest first; a call that passes is metered at once, its
grant's bucket and its assertion's uses together, so that no refusal costs anything.
"""

from collections.abc import Mapping
from typing import Final

from sanyuan.catalog.decide.desk import Desk
from sanyuan.catalog.domain.answers import Admitted, CallReason, CallRefused
from sanyuan.catalog.domain.grants import Grant, GrantPhase, Meter
from sanyuan.catalog.domain.requests import Call
from sanyuan.catalog.domain.resources import Serving
from sanyuan.catalog.domain.rules import Rules
from sanyuan.common.assertions.token import Assertion, AssertionRefusal
from sanyuan.common.rates import Rate, take

_NONE: Final = CallRefused(CallReason.UNKNOWN_GRANT, "no grant has this id: request one")
_NOT_YOURS: Final = CallRefused(CallReason.NOT_YOURS, "the grant is another participant's")
_OVER: Final[Mapping[GrantPhase, CallRefused]] = {
    GrantPhase.PENDING: _NONE,
    GrantPhase.REFUSED: _NONE,
    GrantPhase.REVOKED: CallRefused(CallReason.REVOKED, "the grant was revoked"),
    GrantPhase.ENDED: CallRefused(CallReason.WITHDRAWN, "the resource was withdrawn"),
}
_EXPIRED: Final = CallRefused(CallReason.EXPIRED, "the grant has run out: request another")
_ELSEWHERE: Final = CallRefused(
    CallReason.METERED_ELSEWHERE, "licences are requested from license-exchange"
)
_WRONG_SYSTEM: Final = CallRefused(
    CallReason.WRONG_SYSTEM, "another system serves the resource now: read the catalogue"
)
_NO_PARAMETERS: Final = CallRefused(
    CallReason.NO_PARAMETERS, "the attachment parameters is missing, or another than data names"
)
_QUOTA: Final = CallRefused(CallReason.QUOTA, "the grant is used up: request another")
_RATE: Final = CallRefused(CallReason.RATE, "too many calls at once: call more slowly")
_NO_ASSERTION: Final = CallRefused(
    CallReason.NO_ASSERTION, "the resource is about a person: attach that person's assertion"
)
_NOT_SHOWN: Final[Mapping[AssertionRefusal, CallRefused]] = {
    reason: CallRefused(reason, detail)
    for reason, detail in {
        AssertionRefusal.INVALID: "the assertion is not one of identity's, or does not open",
        AssertionRefusal.NOT_FOR_YOU: "the assertion was given to another, or for another use",
        AssertionRefusal.EXPIRED: "the assertion has run out: ask identity again",
        AssertionRefusal.REVOKED: "the assertion was revoked",
        AssertionRefusal.USED_UP: "the assertion is used up: ask identity again",
    }.items()
}


def call(  # noqa: PLR0911  one row per reason
    desk: Desk, request: Call
) -> Admitted | CallRefused:
    """Admit and meter a call, or refuse it."""
    grant = desk.grant(request.grant)
    if grant is None:
        return _NONE
    if grant.grantee != request.participant:
        return _NOT_YOURS
    if grant.phase is not GrantPhase.OPEN:
        return _OVER[grant.phase]
    if grant.bounds.until <= request.at:
        return _EXPIRED
    entry = desk.entry(grant.resource)
    serving = None if entry is None else entry.serving
    if serving is not None and serving.license_type is not None:
        return _ELSEWHERE
    if serving is None or serving.system is None or serving.system != request.system:
        return _WRONG_SYSTEM
    if request.parameters is None:
        return _NO_PARAMETERS
    return _meter(desk, request, grant, serving, serving.system)


def _meter(
    desk: Desk, request: Call, grant: Grant, serving: Serving, system: str
) -> Admitted | CallRefused:
    meter = desk.meter(request.grant)
    if grant.bounds.quota is not None and meter.used >= grant.bounds.quota:
        return _QUOTA
    full_at = _take(grant, meter, request.at, desk.rules)
    if full_at is None:
        return _RATE
    level = None
    if serving.needs_assertion:
        shown = _show(desk, request, grant)
        if isinstance(shown, CallRefused):
            return shown
        level = shown.level
    desk.changes.meters[request.grant] = Meter(meter.used + 1, full_at)
    return Admitted(request.grant, grant, system, serving.answer_within, level)


def _take(grant: Grant, meter: Meter, at: int, rules: Rules) -> int | None:
    """The bucket after the call; None when it is empty."""
    rate = grant.bounds.rate
    if rate is None:
        return meter.full_at
    return take(Rate(rate, rate * rules.burst_seconds), meter.full_at, at)


def _show(desk: Desk, request: Call, grant: Grant) -> Assertion | CallRefused:
    """The assertion with one use taken; the last thing that can refuse a call."""
    shown = request.shown
    if shown is None:
        return _NO_ASSERTION
    if not isinstance(shown, Assertion):
        return _NOT_SHOWN[shown]
    if shown.purpose != grant.purpose:
        return _NOT_SHOWN[AssertionRefusal.NOT_FOR_YOU]
    refusal = desk.counting.take(shown, request.participant, request.at)
    return shown if refusal is None else _NOT_SHOWN[refusal]
