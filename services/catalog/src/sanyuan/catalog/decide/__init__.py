"""Every decision of the catalog: a pure function of state and requests.

Laws, property-tested: deciding a batch whole equals deciding it in any split; an element never has
two sources; no call is admitted beyond a quota, after an end, or outside its grant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sanyuan.catalog.decide import cataloguing, granting
from sanyuan.catalog.decide.desk import Desk
from sanyuan.catalog.decide.metering import call
from sanyuan.catalog.domain.answers import Answer
from sanyuan.catalog.domain.requests import (
    Ask,
    Call,
    Decide,
    Remind,
    Request,
    Review,
    Revise,
    Revoke,
    Submit,
    Withdraw,
)
from sanyuan.catalog.domain.resources import elements_of
from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.domain.state import Changes, State, Wanted
from sanyuan.common.assertions.token import Assertion


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer per request, in order, and what they change."""

    answers: tuple[Answer, ...]
    changes: Changes


def decide(state: State, requests: Sequence[Request], rules: Rules) -> Decision:
    """Answer every request, each on what those before it left."""
    desk = Desk(state, rules)
    answers = tuple([_answer(desk, request) for request in requests])
    return Decision(answers, desk.changes)


def _answer(desk: Desk, request: Request) -> Answer:  # noqa: PLR0911  one row per request
    match request:
        case Call():
            return call(desk, request)
        case Submit():
            return cataloguing.submit(desk, request)
        case Revise():
            return cataloguing.revise(desk, request)
        case Review():
            return cataloguing.review(desk, request)
        case Withdraw():
            return cataloguing.withdraw(desk, request)
        case Ask():
            return granting.ask(desk, request)
        case Decide():
            return granting.decide(desk, request)
        case Revoke():
            return granting.revoke(desk, request)
        case Remind():
            return granting.remind(desk, request)
        case _:
            assert_never(request)


def wanted(requests: Sequence[Request]) -> Wanted:
    """What to load: every key that deciding the batch reads or writes."""
    grants, jtis = set[str](), set[str]()
    others = list[Request]()
    for request in requests:
        if isinstance(request, Call):
            grants.add(request.grant)
            if isinstance(request.shown, Assertion):
                jtis.add(request.shown.jti)
        else:
            others.append(request)
    plain = Wanted(grants=frozenset(grants), jtis=frozenset(jtis))
    return _wanted_besides(others, plain) if others else plain


def _wanted_besides(requests: Sequence[Request], calls: Wanted) -> Wanted:
    """The same, and what anything but calls needs."""
    described, granted, elements = set[str](), set[str](), set[str]()
    grants, ticks = set(calls.grants), list[int]()
    for request in requests:
        match request:
            case Submit(resource=resource):
                described.add(resource.code)
                elements |= elements_of(resource)
            case Revise(resource=resource):
                granted.add(resource.code)
                elements |= elements_of(resource)
            case Review(reviewed=reviewed):
                granted |= {word.resource for word in reviewed}
            case Withdraw(code=code):
                granted.add(code)
            case Ask(code=code):
                described.add(code)
            case Decide(grant=grant) | Revoke(grant=grant):
                grants.add(grant)
            case Remind(at=at):
                ticks.append(at)
            case Call():
                pass
            case _:
                assert_never(request)
    return Wanted(
        described=frozenset(described | granted),
        granted=frozenset(granted),
        elements=frozenset(elements),
        grants=frozenset(grants),
        jtis=calls.jtis,
        since=requests[0].at,
        due=max(ticks, default=None),
    )
