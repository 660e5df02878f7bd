"""The first part of the case: a department asks identity, and is told yes, no, and why not."""

from typing import Final

from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.sandbox.demo.case.stage import LAW, Stage
from sanyuan.sandbox.demo.cast import TRIES, misspelt
from sanyuan.sandbox.demo.masking import mask_name, mask_number, mask_organisation
from sanyuan.sandbox.synthetic.departments import FOOD_BUSINESS

FORBIDDEN: Final = "medical-reimbursement"
"""A purpose of another department."""


class Verifying:
    """Who is who; each method is a scene."""

    def __init__(self, stage: Stage, me: ConnectedSystem) -> None:
        self._stage = stage
        self._cast = stage.cast
        self._me = me

    async def play(self) -> str:
        """Every scene in its order; returns the assertion about the organisation."""
        await self._verify_applicant()
        assertion = await self._verify_organisation()
        await self._mistake_a_name()
        await self._mistype_a_number()
        await self._overstep()
        await self._guess_until_locked()
        return assertion

    async def _verify_applicant(self) -> None:
        who = self._cast.applicant
        shown = f"{mask_name(who.name)} {mask_number(who.number)}"
        await self._stage.act(
            f"申请人 {shown} 是本人吗？",
            f"Is the applicant {shown} who they say?",
            self._person(who.name, who.number),
            "identity.person-verified.v1",
        )

    async def _verify_organisation(self) -> str:
        what, head = self._cast.organisation, self._cast.applicant
        shown = f"{mask_organisation(what.name)} {mask_number(what.code)}"
        decision = await self._stage.act(
            f"企业 {shown} 属实吗，法定代表人是这位申请人吗？",
            f"Does {shown} exist, and does the applicant represent it?",
            self._ask_organisation(what.name, what.code, head.name, head.number),
            "identity.organisation-verified.v1",
        )
        return (decision.opened["assertion"] or b"").decode()

    async def _mistake_a_name(self) -> None:
        who, wrong = self._cast.partner, self._cast.strangers[-1]
        await self._stage.act(
            f"合伙人 {mask_number(who.number)} 登记成了 {mask_name(wrong)}，对吗？",
            f"A partner {mask_number(who.number)} was put down as {mask_name(wrong)}. Right?",
            self._person(wrong, who.number),
            "identity.person-not-verified.v1",
        )

    async def _mistype_a_number(self) -> None:
        who = self._cast.partner
        number = misspelt(who.number)
        await self._stage.act(
            f"更正姓名 {mask_name(who.name)}，号码却抄错一位：{mask_number(number)}",
            f"The right name {mask_name(who.name)}, a digit miscopied: {mask_number(number)}",
            self._person(who.name, number),
            "malformed",
        )

    async def _overstep(self) -> None:
        who = self._cast.partner
        await self._stage.act(
            f"顺便为“医疗报销”查一下 {mask_name(who.name)}？",
            f"While we are at it, look up {mask_name(who.name)} for a medical reimbursement?",
            self._person(who.name, who.number, FORBIDDEN),
            "not-permitted",
        )

    async def _guess_until_locked(self) -> None:
        who = self._cast.target
        shown = mask_number(who.number)
        for number, wrong in enumerate(self._cast.strangers[:TRIES], 1):
            await self._stage.act(
                f"有人拿着号码 {shown} 猜姓名，第 {number} 次：{mask_name(wrong)}",
                f"Somebody guesses whose {shown} is, try {number}: {mask_name(wrong)}",
                self._person(wrong, who.number),
                "identity.person-not-verified.v1",
            )
        await self._stage.act(
            f"第 {TRIES + 1} 次猜对了：{mask_name(who.name)}",
            f"Try {TRIES + 1} is right: {mask_name(who.name)}",
            self._person(who.name, who.number),
            "locked",
        )

    async def _person(self, name: str, number: str, purpose: str = FOOD_BUSINESS) -> Decision:
        return await self._me.verify_person(
            name=name,
            number=number,
            purpose=purpose,
            legal_basis=LAW,
            case=self._stage.case,
            sampled=True,
        )

    async def _ask_organisation(self, name: str, code: str, head: str, number: str) -> Decision:
        return await self._me.verify_organisation(
            name=name,
            code=code,
            representative={"name": head, "number": number},
            purpose=FOOD_BUSINESS,
            legal_basis=LAW,
            case=self._stage.case,
            sampled=True,
        )
