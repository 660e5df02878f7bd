"""Random histories of a catalogue: every request that may come, at any time, by anybody."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.catalog.asking import (
    AGENCY,
    CIVIL,
    CODE,
    CONDITIONS,
    DAY,
    FOOD,
    NO_CONDITIONS,
    NOT_SHARED,
    OTHER,
    SECOND,
    SINCE,
    START,
    STATUS,
    TAX,
    allow,
    ask,
    assertion,
    bounds,
    call,
    refuse,
    remind,
    resource,
    review,
    revise,
    revoke,
    submit,
    withdraw,
)

from sanyuan.catalog.domain.grants import Bounds
from sanyuan.catalog.domain.requests import Ask, Asker, Request
from sanyuan.common.assertions.token import Assertion, AssertionRefusal
from sanyuan.common.contracts.catalog import Resource

CODES = [CODE, OTHER]
ASKERS = [TAX, FOOD, CIVIL, AGENCY]
JTIS = ["0" * 32, "1" * 32]
ELEMENTS = {CODE: "DE00017", OTHER: "DE00018"}


@st.composite
def resources(draw: st.DrawFn, code: str, provider: Asker) -> Resource:
    """Mostly one that anybody may call, with the element of its code."""
    element = draw(st.sampled_from([None, ELEMENTS[code], ELEMENTS[code], "DE00099"]))
    items = (STATUS.model_copy(update={"element": element}), SINCE)
    return resource(
        code,
        provider,
        items=items[: draw(st.sampled_from([2, 2, 2, 1]))],
        sharing=draw(st.sampled_from([NO_CONDITIONS, NO_CONDITIONS, CONDITIONS, NOT_SHARED])),
        serving_system=draw(st.sampled_from([provider.system] * 3 + [None])),
        needs_assertion=draw(st.sampled_from([False, False, True])),
        license_type=draw(st.sampled_from([None] * 5 + ["food"])),
    )


@st.composite
def histories(draw: st.DrawFn, longest: int = 30) -> list[Request]:
    """Requests in the order of their time, mostly after one resource can be called."""
    at, grants = START, ["0" * 32]
    history: list[Request] = []
    if draw(st.sampled_from([True, True, True, False])):
        sharing = draw(st.sampled_from([NO_CONDITIONS, CONDITIONS]))
        first = resource(sharing=sharing, needs_assertion=draw(st.booleans()))
        asked = [ask(draw(limits()), seed=-seed) for seed in (1, 2)]
        history = [submit(first), review(), *asked, allow(asked[0].grant)]
        grants = [each.grant for each in asked]
    for _ in range(draw(st.integers(0, longest))):
        at += draw(st.sampled_from([0, 0, 0, 1, SECOND, DAY, 12 * DAY]))
        history.append(draw(requests(at, grants)))
        if isinstance(last := history[-1], Ask):
            grants.append(last.grant)
    return history


@st.composite
def limits(draw: st.DrawFn, at: int = START) -> Bounds:
    """Bounds that can be granted."""
    limit = st.sampled_from([None, 1, 2])
    return bounds(
        quota=draw(limit), rate=draw(limit), until=at + draw(st.sampled_from([30, 1])) * DAY
    )


@st.composite
def asks(draw: st.DrawFn, at: int, code: str, by: Asker, seed: int) -> Ask:
    within = draw(limits(at))
    if draw(st.sampled_from([False, False, False, True])):
        within = draw(st.sampled_from([within._replace(until=at), bounds("salary")]))
    return ask(within, code, by, at=at, seed=seed)


@st.composite
def requests(  # noqa: PLR0911  one row per request
    draw: st.DrawFn, at: int, grants: list[str]
) -> Request:
    code = draw(st.sampled_from(CODES))
    by = draw(st.sampled_from([FOOD, FOOD, FOOD, CIVIL, TAX, AGENCY]))
    grant = draw(st.sampled_from(grants[-5:]))
    provider = draw(st.sampled_from([TAX, TAX, TAX, CIVIL]))
    match draw(st.integers(0, 18)):
        case 0 | 1:
            return submit(draw(resources(code, provider)), provider, at=at)
        case 2 | 3:
            is_publish = draw(st.sampled_from([True, True, False]))
            return review(draw(st.integers(1, 3)), code, publish=is_publish, at=at)
        case 4:
            return revise(draw(resources(code, provider)), provider, at=at)
        case 5:
            return withdraw(code, draw(st.sampled_from([provider, FOOD, FOOD])), at=at)
        case 6 | 7:
            return draw(asks(at, code, by, len(grants)))
        case 8 | 9:
            allowed = draw(st.sampled_from([True, True, False]))
            return allow(grant, by=provider, at=at) if allowed else refuse(grant, provider, at=at)
        case 10:
            return revoke(grant, by, at=at)
        case 11:
            return remind(at)
        case _:
            return call(
                grant,
                by,
                at=at,
                system=draw(st.sampled_from([TAX.system] * 6 + [CIVIL.system, None])),
                parameters=draw(st.sampled_from([b"sealed"] * 5 + [None])),
                shown=draw(shown(by, at)),
            )


def shown(by: Asker, at: int) -> st.SearchStrategy[Assertion | AssertionRefusal | None]:
    """Mostly an assertion that counts."""
    good = [assertion(by, jti=jti, uses=2, expires_at=at + DAY) for jti in JTIS]
    return st.sampled_from([*good, *good, None, AssertionRefusal.INVALID])
