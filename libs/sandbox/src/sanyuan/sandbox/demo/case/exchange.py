"""The second part: a licence taken over, a call, a licence issued, shown and revoked."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sanyuan.client.calls import Answered
from sanyuan.client.faces.catalog import Granted
from sanyuan.client.faces.licenses import Declined, LicensesShared, Presentation, SharedLicense
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import Item, Resource
from sanyuan.common.contracts.license_exchange import LicenseChanged, LicenseIssued
from sanyuan.common.contracts.license_exchange.kinds import PRESENTATION_PURPOSE
from sanyuan.sandbox.demo.case.props import Props, element_of
from sanyuan.sandbox.demo.case.stage import LAW, Stage, expect_kind
from sanyuan.sandbox.demo.masking import mask_number
from sanyuan.sandbox.synthetic.departments import DEPARTMENT, FOOD_BUSINESS, MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE, FOOD_BUSINESS_LICENSE

BUSINESS_FIELDS: Final = (
    "holder_name",
    "license_number",
    "representative",
    "business_scope",
    "issue_date",
)
UNGRANTED_FIELD: Final = "registered_capital"
TAX_FIELDS: Final = ("registration_number", "registrar", "status")
SHOWN_FIELDS: Final = ("holder_name", "license_number", "premises", "valid_until")
NO_GRANT: Final = "0" * 32
GROUNDS: Final = "food-safety"
CALLS: Final = 10
DAYS: Final = 30


class Company(NamedTuple):
    """The systems that act: who decides the case, two who are shown the licence, and a rival."""

    regulator: ConnectedSystem
    inspector: ConnectedSystem
    next_inspector: ConnectedSystem
    rival: ConnectedSystem


class Exchanging:
    """The licences of one restaurant; each method is a scene."""

    def __init__(self, stage: Stage, company: Company, props: Props, assertion: str) -> None:
        self._stage = stage
        self._company = company
        self._me = company.regulator
        self._props = props
        self._assertion = assertion

    async def play(self) -> None:
        """Every scene in its order; raises SurprisingDecisionError."""
        await self._reach_without_grant()
        grant = await self._be_granted(
            self._props.business_license,
            BUSINESS_FIELDS,
            "请营业执照的颁发机关授权",
            "Ask the issuer of the business licence for a grant",
        )
        await self._reach_beyond(grant)
        await self._take_over(grant)
        await self._call_tax_administration()
        await self._claim_a_second_source()
        license_name = await self._issue()
        shown, kept = await self._open_code(), await self._open_code()
        await self._inspect(shown)
        await self._revoke(license_name)
        await self._tell_who_relied(license_name)
        await self._inspect_again(kept)

    async def _reach_without_grant(self) -> None:
        asked = self._stage.ask(
            "没有授权，先取营业执照试试？", "Take the business licence without a grant?"
        )
        found = await self._request(NO_GRANT, BUSINESS_FIELDS)
        self._refused(asked, expect_kind(self._stage, found, Declined), "unknown-grant")

    async def _be_granted(
        self, resource: Resource, fields: tuple[str, ...], chinese: str, english: str
    ) -> Granted:
        asked = self._stage.ask(f"{chinese}：{len(fields)} 项", f"{english}: {len(fields)} fields")
        found = await self._me.request_grant(
            resource.code,
            fields=fields,
            purpose=FOOD_BUSINESS,
            legal_basis=LAW,
            until=datetime.now(UTC) + timedelta(days=DAYS),
            quota=CALLS,
            case=self._stage.case,
            sampled=True,
        )
        granted = expect_kind(self._stage, found, Granted)
        self._stage.narrator.tell(
            "✓",
            f"授权：{'、'.join(_titles(resource, fields))}（{DAYS} 天内 {CALLS} 次）",
            f"granted: {', '.join(fields)} ({CALLS} times in {DAYS} days)",
            asked,
        )
        return granted

    async def _reach_beyond(self, granted: Granted) -> None:
        asked = self._stage.ask("顺便要注册资本？", "The registered capital as well?")
        found = await self._request(granted.terms.grant, (*BUSINESS_FIELDS, UNGRANTED_FIELD))
        self._refused(asked, expect_kind(self._stage, found, Declined), "field-not-granted")

    async def _take_over(self, granted: Granted) -> None:
        asked = self._stage.ask(
            "取营业执照，只取授权的各项", "Take the business licence over, as far as granted"
        )
        found = await self._request(granted.terms.grant, BUSINESS_FIELDS)
        (taken,) = expect_kind(self._stage, found, LicensesShared).licenses
        self._stage.expect("active", taken.state)
        self._stage.expect(" ".join(sorted(BUSINESS_FIELDS)), " ".join(sorted(taken.fields)))
        number = mask_number(str(taken.fields["license_number"]))
        scope = str(taken.fields["business_scope"]).split("；")[0]
        self._stage.narrator.tell(
            "✓",
            f"执照 {number} 有效，经营范围：{scope}……"
            f"（{len(taken.fields)} 项，附可离线核验的凭证）",
            f"licence {number} holds, scope: {scope}… "
            f"({len(taken.fields)} fields, and a credential to check offline)",
            asked,
        )

    async def _call_tax_administration(self) -> None:
        resource = self._props.taxpayers
        granted = await self._be_granted(
            resource, TAX_FIELDS, "请税务总局授权", "Ask the tax administration for a grant"
        )
        asked = self._stage.ask(
            "共享调用：这家企业的税务登记", "A shared call: how is the company registered for tax?"
        )
        found = await self._me.call_resource(
            granted.terms,
            {resource.parameters[0].name: self._stage.cast.organisation.code},
            case=self._stage.case,
            sampled=True,
        )
        answered = expect_kind(self._stage, found, Answered)
        self._stage.expect("found", "found" if answered.found else "not-found")
        status = answered.fields["status"]
        self._stage.narrator.tell(
            "✓",
            f"税务总局从自己的库里答复：{status}（{len(answered.fields)} 项，密封给本系统）",
            f"answered from its own database: {status} "
            f"({len(answered.fields)} fields, sealed to this system)",
            asked,
        )

    async def _claim_a_second_source(self) -> None:
        source = self._props.enterprises
        asked = self._stage.ask(
            "税务总局想再登记一个“企业登记信息”的来源？",
            "The tax administration would be a second source of the enterprise register?",
        )
        decision = await self._company.rival.publish_resource(
            _rival_of(source), case=self._stage.case, sampled=True
        )
        self._stage.expect("element-claimed", decision.reason)
        named = getattr(decision.message, "source_resource", None)
        self._stage.narrator.tell(
            "⊘",
            f"拒绝：一数一源，此数据元的来源是 {named} {source.name}",
            f"refused, one datum one source: it is {named} {source.name_en}",
            asked,
        )

    async def _issue(self) -> str:
        asked = self._stage.ask("核发食品经营许可证", "Issue the food business licence")
        decision = await self._me.issue_license(
            FOOD_BUSINESS_LICENSE.code, self._content(), case=self._stage.case, sampled=True
        )
        self._stage.expect("license-exchange.license-issued.v1", decision.type, decision.reason)
        issued = expect_kind(self._stage, decision.message, LicenseIssued)
        self._stage.narrator.tell(
            "✓",
            f"已核发，第 {issued.version} 版，标识符密封，记录里只叫 {issued.license[:8]}……",
            f"issued, version {issued.version}; its identifier is sealed, "
            f"records call it {issued.license[:8]}…",
            asked,
        )
        return issued.license

    async def _open_code(self) -> str:
        what, head = self._stage.cast.organisation, self._stage.cast.applicant
        verified = await self._me.verify_organisation(
            name=what.name,
            code=what.code,
            representative={"name": head.name, "number": head.number},
            purpose=PRESENTATION_PURPOSE,
            legal_basis=LAW,
            case=self._stage.case,
            sampled=True,
        )
        self._stage.questions += 1
        self._stage.expect("identity.organisation-verified.v1", verified.type, verified.reason)
        asked = self._stage.ask(
            "持证人在办事窗口亮证：一次性码", "The holder shows it at a counter: a one-time code"
        )
        found = await self._me.present(
            FOOD_BUSINESS_LICENSE.code,
            fields=SHOWN_FIELDS,
            assertion=verified.opened["assertion"] or b"",
            case=self._stage.case,
            sampled=True,
        )
        opened = expect_kind(self._stage, found, Presentation)
        until = opened.expires_at.astimezone().strftime("%H:%M")
        self._stage.narrator.tell(
            "✓",
            f"码 {opened.code[:4]}-****（{until} 前一次有效）",
            f"code {opened.code[:4]}-**** (good once, until {until})",
            asked,
        )
        return opened.code

    async def _inspect(self, code: str) -> None:
        asked = self._stage.ask(
            "信用部门扫码查验", "The credit department redeems the code of the holder"
        )
        found = await self._company.inspector.verify_presentation(
            code, purpose="credit-record", case=self._stage.case, sampled=True
        )
        license_ = expect_kind(self._stage, found, SharedLicense)
        self._stage.expect("active", license_.state)
        self._stage.narrator.tell(
            "✓",
            f"有效，只见持证人出示的 {len(license_.fields)} 项",
            f"it holds; only the {len(license_.fields)} fields that the holder shows",
            asked,
        )

    async def _revoke(self, license_name: str) -> None:
        asked = self._stage.ask("查出问题，吊销许可证", "An inspection fails: revoke the licence")
        decision = await self._me.revoke_license(
            license_name, grounds=GROUNDS, case=self._stage.case, sampled=True
        )
        self._stage.expect("license-exchange.license-revoked.v1", decision.type, decision.reason)
        self._stage.narrator.tell(
            "✓", "已吊销，状态列表已更新", "revoked, and so its status", asked
        )

    async def _tell_who_relied(self, license_name: str) -> None:
        inspector = self._company.inspector
        asked = self._stage.narrator.ask(
            "查验过它的信用部门知道了吗？", "Does the credit department know, which relied on it?"
        )
        await inspector.read_inbox()
        told = [
            notice.change
            for notice, _ in inspector.license_notices()
            if isinstance(notice, LicenseChanged) and notice.license == license_name
        ]
        self._stage.expect("revoked", *told)
        self._stage.narrator.tell(
            "✓", "已收到通知：吊销", "it was told in its inbox: revoked", asked
        )

    async def _inspect_again(self, code: str) -> None:
        asked = self._stage.ask(
            "吊销前开的码，海关此后查验", "Customs redeems a code that was opened before"
        )
        found = await self._company.next_inspector.verify_presentation(
            code, purpose="customs-declaration", case=self._stage.case, sampled=True
        )
        said = found.state if isinstance(found, SharedLicense) else found.reason
        self._stage.expect("revoked", said.removeprefix("license-"))
        self._stage.narrator.tell(
            "⊘", "许可证已吊销，不再可信", "the licence was revoked: do not rely on it", asked
        )

    async def _request(self, grant: str, fields: tuple[str, ...]) -> LicensesShared | Declined:
        return await self._me.request_license_fields(
            BUSINESS_LICENSE.code,
            fields=fields,
            purpose=FOOD_BUSINESS,
            grant=grant,
            assertion=self._assertion,
            case=self._stage.case,
            sampled=True,
        )

    def _refused(self, asked: float, declined: Declined, reason: str) -> None:
        self._stage.expect(reason, declined.reason)
        self._stage.narrator.refuse(declined.reason, asked)

    def _content(self) -> dict[str, object]:
        what, today = self._stage.cast.organisation, datetime.now(UTC).date()
        number = f"JY{secrets.randbelow(10**14):014d}"
        return {
            "serial": number,
            "number": number,
            "holder": {"kind": "organisation", "name": what.name, "code": what.code},
            "valid_from": today.isoformat(),
            "valid_until": (today + timedelta(days=5 * 365)).isoformat(),
            "jurisdiction": what.code[2:8],
            "fields": {
                "representative": self._stage.cast.applicant.name,
                "premises": "示范区试行路一号",
                "trade_form": "餐饮服务经营者",
                "food_items": "热食类食品制售",
                "issuing_authority": MARKET_REGULATION.name,
                "inspection_authority": MARKET_REGULATION.name,
            },
        }


def _titles(resource: Resource, fields: tuple[str, ...]) -> list[str]:
    titles = {item.name: item.title for item in resource.items}
    return [titles[field] for field in fields]


def _rival_of(source: Resource) -> Resource:
    """What the tax administration would publish beside the one source of an element."""
    item = Item(
        name="registered_name",
        title="纳税人登记名称",
        type="C",
        element=element_of([source]),
    )
    return source.model_copy(
        update={
            "code": source.code.partition("/")[0] + f"/{900_000 + secrets.randbelow(99_999):06d}",
            "name": "纳税人登记名称信息",
            "name_en": "Registered names of taxpayers",
            "summary": "由税务登记形成的企业名称",
            "summary_en": "Names of enterprises as registered for tax",
            "provider": DEPARTMENT["taxation"].code,
            "items": (item,),
            "parameters": (),
            "serving_system": None,
            "format": "database",
            "related": (),
        }
    )
