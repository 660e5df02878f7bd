"""The business licences (营业执照) of everybody in the legal-entity register, as plain data.

Issued by the market regulator; who holds one, and who represents the holder, is what the register
says. Metadata by GB/T 36903 that license-exchange does not know by itself, and the type's fields.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.places import address_in, city_of
from sanyuan.sandbox.synthetic.registers import Registers

_SEED: Final = "sanyuan"
_FIRST: Final = date(2015, 10, 1)
"""Since then a business licence is numbered by the credit code (三证合一)."""
_DAYS: Final = (date(2025, 6, 30) - _FIRST).days
_REISSUED: Final = 0.3
_UNLIMITED: Final = 0.6
_TERMS: Final = (20, 30, 50)
"""Years that a business may be limited to; nobody's has passed before 2035."""
_CAPITALS: Final = (10, 30, 50, 100, 100, 200, 500, 500, 1000, 3000, 5000, 10000)
_BRAND: Final = 3
"""Characters of a brand; after it comes the trade (`names.organisation_name`)."""
_TYPES: Final = {
    "有限公司": "有限责任公司（自然人投资或控股）",
    "有限责任公司": "有限责任公司（自然人独资）",
    "股份有限公司": "股份有限公司（非上市、自然人投资或控股）",
}
_SCOPES: Final = {
    "餐饮管理": "餐饮服务；餐饮管理；食品销售；外卖递送服务；会议及展览服务",
    "食品": "食品生产；食品销售；初级农产品收购；食品互联网销售",
    "商贸": "日用百货销售；五金产品零售；办公用品销售；国内贸易代理",
    "科技": "技术服务、技术开发、技术咨询、技术转让；软件开发；计算机系统服务",
    "建筑工程": "建设工程施工；建筑劳务分包；工程管理服务；建筑材料销售",
    "物流": "道路货物运输；国内货物运输代理；普通货物仓储服务；装卸搬运",
    "医药": "药品批发；药品零售；第二类医疗器械销售；医学研究和试验发展",
    "教育咨询": "教育咨询服务；组织文化艺术交流活动；会议及展览服务；文具用品零售",
    "文化传播": "组织文化艺术交流活动；广告设计、代理；企业形象策划；图文设计制作",
    "农业发展": "农作物种植；农产品初加工；农副产品销售；农业技术推广服务",
    "环保设备": "环境保护专用设备制造；水污染治理；固体废物治理；环保咨询服务",
    "纺织": "面料纺织加工；针纺织品销售；纺织专用设备销售；货物进出口",
    "机械制造": "通用设备制造；机械零件加工；机械设备租赁；金属制品销售",
    "信息技术": "信息系统集成服务；数据处理服务；互联网信息服务；网络技术服务",
    "贸易": "货物进出口；技术进出口；国内贸易代理；供应链管理服务",
    "电子": "电子元器件制造；电子产品销售；集成电路设计；电子专用材料销售",
    "服装": "服装制造；服装服饰零售；服饰研发；箱包销售",
    "家具": "家具制造；家具销售；家居用品销售；室内装饰装修",
    "汽车服务": "机动车修理和维护；汽车零配件零售；洗车服务；小微型客车租赁",
    "酒店管理": "酒店管理；住宿服务；餐饮服务；物业管理；停车场服务",
}


@dataclass(frozen=True, slots=True)
class BusinessLicense:
    """What one business licence says; ``valid_until`` is None when it is not limited (长期).

    ``registered_capital`` is in ten thousand yuan (万元), as the licence prints it.
    """

    holder_code: str
    holder_name: str = field(repr=False)
    representative: str = field(repr=False)
    organisation_type: str
    address: str
    business_scope: str
    registered_capital: int
    established_on: date
    registration_authority: str
    issue_date: date
    valid_from: date
    valid_until: date | None

    @property
    def license_number(self) -> str:
        """A business licence is numbered by its holder's credit code."""
        return self.holder_code

    def content(self) -> dict[str, object]:
        """The content of the command that issues it; the day of issue is the service's to say."""
        content: dict[str, object] = {
            "serial": self.license_number,
            "number": self.license_number,
            "holder": {
                "kind": "organisation",
                "name": self.holder_name,
                "code": self.holder_code,
            },
            "valid_from": self.valid_from.isoformat(),
            "jurisdiction": self.holder_code[2:8],
            "fields": {
                "organisation_type": self.organisation_type,
                "representative": self.representative,
                "address": self.address,
                "business_scope": self.business_scope,
                "registered_capital": self.registered_capital,
                "established_on": self.established_on.isoformat(),
                "registration_authority": self.registration_authority,
            },
        }
        if self.valid_until is not None:
            content["valid_until"] = self.valid_until.isoformat()
        return content


def business_licenses(registers: Registers) -> Iterator[BusinessLicense]:
    """One for each organisation, in the order of their codes; the same ones each time.

    Raises SyntheticDataError.
    """
    random = Random(f"licences {_SEED}")  # noqa: S311  data from a seed, not secrets
    statement = "SELECT code, name, representative_name FROM organisation ORDER BY code"
    path = registers.legal_entity.resolve()
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for code, name, representative in database.execute(statement):
                yield _license(code, name, representative, random)
    except sqlite3.Error as error:
        raise SyntheticDataError(
            f"the legal-entity register cannot be read: {error}",
            where=str(path),
            do="remove the file and run make up",
        ) from None


def _license(code: str, name: str, representative: str, random: Random) -> BusinessLicense:
    established = _FIRST + timedelta(days=int(random.random() * _DAYS))
    issued = established
    if random.random() < _REISSUED:
        left = (_FIRST - established).days + _DAYS
        issued = established + timedelta(days=int(random.random() * left))
    years = _TERMS[int(random.random() * len(_TERMS))]
    limited = random.random() >= _UNLIMITED
    region = code[2:8]
    form = max((form for form in _TYPES if name.endswith(form)), key=len)
    return BusinessLicense(
        holder_code=code,
        holder_name=name,
        representative=representative,
        organisation_type=_TYPES[form],
        address=address_in(region, random),
        business_scope=_SCOPES[name.removesuffix(form)[_BRAND:]],
        registered_capital=_CAPITALS[int(random.random() * len(_CAPITALS))],
        established_on=established,
        registration_authority=f"{city_of(region)}市场监督管理局",
        issue_date=issued,
        valid_from=established,
        valid_until=_years_later(established, years) if limited else None,
    )


def _years_later(day: date, years: int) -> date:
    """The last day of so many years from a day on."""
    begin = date(day.year + years, day.month, min(day.day, 28))
    return begin - timedelta(days=1)
