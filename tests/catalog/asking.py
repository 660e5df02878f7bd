"""Participants, resources and requests of a small catalogue, for tests of the pure part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any, Final

from sanyuan.catalog.decide import decide
from sanyuan.catalog.domain.answers import Answer, Holding, Issued
from sanyuan.catalog.domain.grants import Bounds, grant_id
from sanyuan.catalog.domain.requests import (
    Ask,
    Asker,
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
from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.domain.state import State, evolve
from sanyuan.common.assertions.token import Assertion
from sanyuan.common.contracts.catalog import Item, Resource, Reviewed, Sharing

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
# Monday 2026-11-23 10:17 in Beijing.
START: Final = 1_795_400_220 * SECOND
TAX: Final = Asker("91110000600037341L", "//cn/departments/91110000600037341L/tax")
FOOD: Final = Asker("11110000000012345X", "//cn/departments/11110000000012345X/food")
CIVIL: Final = Asker("11100000000013338W", "//cn/departments/11100000000013338W/civil")
AGENCY: Final = Asker("11220000013544541J", "//cn/agency/11220000013544541J/agency", is_agency=True)
RULES: Final = Rules(burst_seconds=1)
CODE: Final = "307001/000017"
OTHER: Final = "307001/000018"
NO_CONDITIONS: Final = Sharing(type="unconditional")
CONDITIONS: Final = Sharing(type="conditional", conditions="for permits only")
NOT_SHARED: Final = Sharing(type="not-shared", grounds="state secret")
STATUS: Final = Item(name="status", title="登记状态", type="C", length=20, element="DE00017")
SINCE: Final = Item(name="since", title="登记日期", type="D")
_IDS: Final = count(1)


def resource(code: str = CODE, provider: Asker = TAX, **fields: Any) -> Resource:  # noqa: ANN401  any field
    """A resource of the tax department that its own system serves."""
    defaults: dict[str, Any] = {
        "code": code,
        "classification": ("部门", "税务", "登记"),
        "name": "税务登记信息",
        "summary": "纳税人的登记状态",
        "provider": provider.participant,
        "format": "service-interface",
        "items": (STATUS, SINCE),
        "parameters": (Item(name="code", title="代码", type="C", length=18),),
        "sharing": NO_CONDITIONS,
        "update_cycle": "real-time",
        "serving_system": provider.system,
    }
    return Resource(**{**defaults, **fields})


def submit(
    described: Resource | None = None,
    by: Asker = TAX,
    *,
    at: int = START,
    is_servable: bool = True,
) -> Submit:
    return Submit(at, by, described or resource(), is_servable)


def revise(
    described: Resource, by: Asker = TAX, *, at: int = START, is_servable: bool = True
) -> Revise:
    return Revise(at, by, described, is_servable)


def review(
    revision: int = 1,
    code: str = CODE,
    *,
    publish: bool = True,
    by: Asker = AGENCY,
    at: int = START,
) -> Review:
    reason = None if publish else "unclear"
    word = Reviewed(resource=code, revision=revision, publish=publish, reason=reason)
    return Review(at, by, (word,))


def withdraw(code: str = CODE, by: Asker = TAX, *, at: int = START) -> Withdraw:
    return Withdraw(at, by, code, "merged")


def bounds(
    *fields: str, quota: int | None = None, rate: int | None = None, until: int = START + 30 * DAY
) -> Bounds:
    return Bounds(fields or ("status",), quota, rate, until)


def ask(
    within: Bounds | None = None,
    code: str = CODE,
    by: Asker = FOOD,
    *,
    at: int = START,
    seed: int | None = None,
) -> Ask:
    entropy = sha256(str(next(_IDS) if seed is None else -seed).encode()).digest()
    grant, purpose = grant_id(entropy), "permit"
    return Ask(at, by, grant, code, purpose, "§ 35", within or bounds())


def allow(grant: str, within: Bounds | None = None, by: Asker = TAX, *, at: int = START) -> Decide:
    return Decide(at, by, grant, allow=True, bounds=within, reason=None)


def refuse(grant: str, by: Asker = TAX, *, at: int = START) -> Decide:
    return Decide(at, by, grant, allow=False, bounds=None, reason="not needed for that")


def revoke(grant: str, by: Asker = TAX, *, at: int = START) -> Revoke:
    return Revoke(at, by, grant, "over")


def remind(at: int) -> Remind:
    return Remind(at)


def call(
    grant: str,
    by: Asker = FOOD,
    *,
    at: int = START,
    system: str | None = TAX.system,
    parameters: bytes | None = b"sealed",
    shown: Any = None,  # noqa: ANN401  what a request may hold
) -> Call:
    return Call(at, by.participant, grant, system, parameters, shown)


def assertion(
    by: Asker = FOOD,
    *,
    jti: str = "0" * 32,
    uses: int = 1,
    purpose: str = "permit",
    expires_at: int = START + DAY,
) -> Assertion:
    return Assertion(
        issuer="//cn/services/identity",
        audience="catalog",
        party=by.participant,
        jti=jti,
        expires_at=expires_at,
        purpose=purpose,
        case="case",
        uses=uses,
        level="two-factor",
        subject="pseudonym",
        sealed_holder="",
    )


@dataclass
class Desk:
    """A catalogue that is asked one thing after the other."""

    state: State = field(default_factory=State)
    rules: Rules = RULES

    def ask(self, *requests: Request) -> list[Answer]:
        decision = decide(self.state, requests, self.rules)
        self.state = evolve(self.state, decision.changes)
        return list(decision.answers)

    def one(self, request: Request) -> Answer:
        (answer,) = self.ask(request)
        return answer

    def publish(self, described: Resource | None = None, by: Asker = TAX) -> None:
        """A resource in force."""
        described = described or resource()
        self.ask(submit(described, by), review(code=described.code))

    def grant(self, within: Bounds | None = None, **more: Any) -> str:  # noqa: ANN401  of `ask`
        """A grant on an unconditional resource."""
        answer = self.one(ask(within, **more))
        assert isinstance(answer, Issued), answer
        return answer.holding.id

    def pending(self, within: Bounds | None = None, **more: Any) -> str:  # noqa: ANN401  of `ask`
        """A request on a conditional resource."""
        asked = ask(within, **more)
        self.one(asked)
        return asked.grant


def reasons(answers: Sequence[Answer]) -> list[str | None]:
    """Why each was refused, None where it was not."""
    return [None if (why := getattr(a, "reason", None)) is None else str(why) for a in answers]


def holding(answer: Answer) -> Holding:
    found = getattr(answer, "holding", None)
    assert isinstance(found, Holding), answer
    return found
