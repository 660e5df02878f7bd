"""Every decision of license-exchange: a pure function of state and requests.

Laws, property-tested: deciding a batch whole equals deciding it in any split; whatever the order of
commands, no field leaves without a grant or a code that counts, and an assertion that was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sanyuan.license_exchange.decide import disputing, licenses, presenting, sharing, types
from sanyuan.license_exchange.decide.desk import Circumstances, Desk
from sanyuan.license_exchange.decide.wanting import wanted
from sanyuan.license_exchange.domain.answers import Answer
from sanyuan.license_exchange.domain.requests import (
    Amend,
    AnswerDispute,
    Change,
    DelegateIssuer,
    Erase,
    Issue,
    OpenIssuer,
    OpenPresentation,
    RaiseDispute,
    RegisterType,
    Request,
    Share,
    TickPassed,
    VerifyPresentation,
)
from sanyuan.license_exchange.domain.state import Changes, State

__all__ = ["Circumstances", "Decision", "decide", "wanted"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer per request, in order, and what they change."""

    answers: tuple[Answer, ...]
    changes: Changes


def decide(state: State, requests: Sequence[Request], around: Circumstances) -> Decision:
    """Answer every request, each on what those before it left."""
    desk = Desk(state, around)
    return Decision(tuple([_answer(desk, request) for request in requests]), desk.changes)


def _answer(desk: Desk, request: Request) -> Answer:  # noqa: C901, PLR0911, PLR0912  one row per request
    match request:
        case Issue():
            return licenses.issue(desk, request)
        case Share():
            return sharing.share(desk, request)
        case OpenPresentation():
            return presenting.open_code(desk, request)
        case VerifyPresentation():
            return presenting.redeem(desk, request)
        case Amend():
            return licenses.amend(desk, request)
        case Change():
            return licenses.change(desk, request)
        case Erase():
            return licenses.erase(desk, request)
        case RegisterType():
            return types.register(desk, request)
        case OpenIssuer():
            return types.open_issuer(desk, request)
        case DelegateIssuer():
            return types.delegate(desk, request)
        case RaiseDispute():
            return disputing.raise_dispute(desk, request)
        case AnswerDispute():
            return disputing.answer_dispute(desk, request)
        case TickPassed():
            return disputing.tick(desk, request)
        case _:
            assert_never(request)
