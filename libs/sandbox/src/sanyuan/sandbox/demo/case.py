"""The narrated case: a department asks identity, and is told yes, no, and why not (design §5)."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from sanyuan.client.connector import Connector
from sanyuan.client.inbox import Decision
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem, state_folder
from sanyuan.common import telemetry
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import new_case
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.demo.cast import TRIES, Cast, choose, misspelt
from sanyuan.sandbox.demo.masking import mask_name, mask_number, mask_organisation
from sanyuan.sandbox.demo.narration import Narrator
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.starting import Installation
from sanyuan.sandbox.synthetic.departments import FOOD_BUSINESS

SYSTEM: Final = "food-permits"
LAW: Final = "食品安全法 第三十五条"
FORBIDDEN: Final = "medical-reimbursement"
"""A purpose of another department."""


class SurprisingDecisionError(SanyuanError):
    """Identity decided otherwise than the case is written."""


@dataclass(frozen=True, slots=True)
class Played:
    """A case that was played: its id, when its first line stood there (Unix seconds), its size."""

    case: str
    first_line: float
    questions: int


async def play_case(installation: Installation, console: Console) -> Played:
    """Play it from the first line to the last; raises what the SDK raises."""
    settings = installation.settings
    telemetry.set_up(SYSTEM, folder=settings.var / "traces")
    path = system_path(settings.var, SYSTEM)
    system = SystemFile.load(path)
    cast = choose(installation.registers)
    async with Connector.open([system], state_folder(path) / "client.db") as connector:
        stage = _Stage(
            ConnectedSystem(connector, system), cast, Narrator(console, Words(settings.language))
        )
        await stage.play()
        await connector.drained()
    telemetry.flush()
    return Played(stage.case, stage.first_line, stage.questions)


class _Stage:
    def __init__(self, me: ConnectedSystem, cast: Cast, narrator: Narrator) -> None:
        self._me = me
        self._cast = cast
        self._narrator = narrator
        self.case = new_case()
        self.first_line = 0.0
        self.questions = 0

    async def play(self) -> None:
        """Every act in its order."""
        self._narrator.open(self.case)
        await self._verify_applicant()
        await self._verify_organisation()
        await self._mistake_a_name()
        await self._mistype_a_number()
        await self._overstep()
        await self._guess_until_locked()

    async def _verify_applicant(self) -> None:
        who = self._cast.applicant
        shown = f"{mask_name(who.name)} {mask_number(who.number)}"
        await self._act(
            f"申请人 {shown} 是本人吗？",
            f"Is the applicant {shown} who they say?",
            lambda: self._person(who.name, who.number),
            "identity.person-verified.v1",
        )

    async def _verify_organisation(self) -> None:
        what, head = self._cast.organisation, self._cast.applicant
        shown = f"{mask_organisation(what.name)} {mask_number(what.code)}"
        await self._act(
            f"企业 {shown} 属实吗，法定代表人是这位申请人吗？",
            f"Does {shown} exist, and does the applicant represent it?",
            lambda: self._ask_organisation(what.name, what.code, head.name, head.number),
            "identity.organisation-verified.v1",
        )

    async def _mistake_a_name(self) -> None:
        who, wrong = self._cast.partner, self._cast.strangers[-1]
        await self._act(
            f"合伙人 {mask_number(who.number)} 登记成了 {mask_name(wrong)}，对吗？",
            f"A partner {mask_number(who.number)} was put down as {mask_name(wrong)}. Right?",
            lambda: self._person(wrong, who.number),
            "identity.person-not-verified.v1",
        )

    async def _mistype_a_number(self) -> None:
        who = self._cast.partner
        number = misspelt(who.number)
        await self._act(
            f"更正姓名 {mask_name(who.name)}，号码却抄错一位：{mask_number(number)}",
            f"The right name {mask_name(who.name)}, a digit miscopied: {mask_number(number)}",
            lambda: self._person(who.name, number),
            "malformed",
        )

    async def _overstep(self) -> None:
        who = self._cast.partner
        await self._act(
            f"顺便为“医疗报销”查一下 {mask_name(who.name)}？",
            f"While we are at it, look up {mask_name(who.name)} for a medical reimbursement?",
            lambda: self._person(who.name, who.number, FORBIDDEN),
            "not-permitted",
        )

    async def _guess_until_locked(self) -> None:
        who = self._cast.target
        shown = mask_number(who.number)
        for number, wrong in enumerate(self._cast.strangers[:TRIES], 1):
            await self._act(
                f"有人拿着号码 {shown} 猜姓名，第 {number} 次：{mask_name(wrong)}",
                f"Somebody guesses whose {shown} is, try {number}: {mask_name(wrong)}",
                lambda name=wrong: self._person(name, who.number),  # type: ignore[misc]  # bound now
                "identity.person-not-verified.v1",
            )
        await self._act(
            f"第 {TRIES + 1} 次猜对了：{mask_name(who.name)}",
            f"Try {TRIES + 1} is right: {mask_name(who.name)}",
            lambda: self._person(who.name, who.number),
            "locked",
        )

    async def _act(
        self, chinese: str, english: str, ask: Callable[[], Awaitable[Decision]], expected: str
    ) -> None:
        asked = self._narrator.ask(chinese, english)
        self.first_line = self.first_line or time.time()
        decision = await ask()
        self.questions += 1
        self._narrator.answer(decision, asked)
        if expected not in (decision.type, decision.reason):
            raise SurprisingDecisionError(
                f"identity decided {decision.reason or decision.type}, the case says {expected}",
                where=f"case {self.case}",
                do="look at var/logs/identity.log; after a lock of an hour ago, play it again",
            )

    async def _person(self, name: str, number: str, purpose: str = FOOD_BUSINESS) -> Decision:
        return await self._me.verify_person(
            name=name,
            number=number,
            purpose=purpose,
            legal_basis=LAW,
            case=self.case,
            sampled=True,
        )

    async def _ask_organisation(self, name: str, code: str, head: str, number: str) -> Decision:
        return await self._me.verify_organisation(
            name=name,
            code=code,
            representative={"name": head, "number": number},
            purpose=FOOD_BUSINESS,
            legal_basis=LAW,
            case=self.case,
            sampled=True,
        )
