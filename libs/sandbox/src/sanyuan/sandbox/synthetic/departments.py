"""The participants of the demo: 53 departments like those of a national platform, and the others.

Credit codes are valid and nobody's: the organisation code in them begins with XN (虚拟, virtual).
"""

from dataclasses import dataclass
from typing import Final

from sanyuan.common.sources import Role
from sanyuan.sandbox.synthetic.organisations import credit_code

NODES: Final = tuple(f"node-{number}" for number in range(1, 9))
FOOD_BUSINESS: Final = "food-business-licence"

# GB 32100, table 1: organs of the state (11), public institutions (12), enterprises (91).
_ORGAN: Final = "11"
_INSTITUTION: Final = "12"
_ENTERPRISE: Final = "91"
_CAPITAL: Final = "110000"
_NATION: Final = "100000"


@dataclass(frozen=True, slots=True)
class ConnectedSystem:
    """A system of a participant and the access node that it connects through."""

    name: str
    node: str


@dataclass(frozen=True, slots=True)
class Organ:
    """A participant with its systems; ``purposes`` is what it may ask identity for."""

    slug: str
    name: str
    name_en: str
    role: Role
    code: str
    systems: tuple[ConnectedSystem, ...]
    purposes: tuple[str, ...] = ()


# slug | name | English name | further systems | purposes
_TABLE: Final = """
foreign-affairs|外交部|Ministry of Foreign Affairs|consular-service|consular-authentication
defence|国防部|Ministry of National Defence||veteran-record
development|国家发展和改革委员会|National Development and Reform Commission|credit-china|project-approval credit-record
education|教育部|Ministry of Education|degree-registry|school-enrolment degree-certificate
science|科学技术部|Ministry of Science and Technology||research-grant
industry|工业和信息化部|Ministry of Industry and Information Technology|telecom-permits|telecom-permit
ethnic-affairs|国家民族事务委员会|National Ethnic Affairs Commission||ethnic-status-record
public-security|公安部|Ministry of Public Security|household-registry|household-registration residence-permit
state-security|国家安全部|Ministry of State Security||site-approval
civil-affairs|民政部|Ministry of Civil Affairs|marriage-registry|marriage-registration social-assistance
justice|司法部|Ministry of Justice|notary-service|lawyer-licence notarisation
finance|财政部|Ministry of Finance|procurement|accounting-licence procurement
human-resources|人力资源和社会保障部|Ministry of Human Resources and Social Security|social-security|pension-payment social-security-card
natural-resources|自然资源部|Ministry of Natural Resources|real-estate|real-estate-registration
environment|生态环境部|Ministry of Ecology and Environment||pollutant-permit
housing|住房和城乡建设部|Ministry of Housing and Urban-Rural Development|housing-fund|housing-subsidy construction-permit
transport|交通运输部|Ministry of Transport|driver-services|transport-licence
water|水利部|Ministry of Water Resources||water-permit
agriculture|农业农村部|Ministry of Agriculture and Rural Affairs||farm-subsidy
commerce|商务部|Ministry of Commerce||foreign-trade-record
culture|文化和旅游部|Ministry of Culture and Tourism||guide-licence
health|国家卫生健康委员会|National Health Commission|birth-registry|birth-certificate practitioner-licence
veterans|退役军人事务部|Ministry of Veterans Affairs||veteran-benefit
emergency|应急管理部|Ministry of Emergency Management||safety-permit
central-bank|中国人民银行|People's Bank|credit-reporting|account-opening
audit-office|审计署|National Audit Office||audit-inquiry
state-assets|国务院国有资产监督管理委员会|State-owned Assets Supervision Commission||asset-record
customs|海关总署|General Administration of Customs|single-window|customs-declaration
taxation|国家税务总局|State Taxation Administration|tax-refund|tax-refund taxpayer-registration
market-regulation|国家市场监督管理总局|State Administration for Market Regulation|food-permits|food-business-licence business-registration license-presentation
financial-regulator|国家金融监督管理总局|National Financial Regulatory Administration||insurance-claim
securities|中国证券监督管理委员会|Securities Regulatory Commission||securities-account
broadcasting|国家广播电视总局|National Radio and Television Administration||broadcast-permit
sport|国家体育总局|General Administration of Sport||athlete-record
statistics|国家统计局|National Bureau of Statistics||survey-sample
medical-insurance|国家医疗保障局|National Healthcare Security Administration|insurance-claims|medical-reimbursement
intellectual-prop|国家知识产权局|National Intellectual Property Administration||patent-filing
development-aid|国家国际发展合作署|International Development Cooperation Agency||aid-project
petitions|国家信访局|National Public Complaints Administration||petition
grain|国家粮食和物资储备局|National Food and Strategic Reserves Administration||grain-licence
energy|国家能源局|National Energy Administration||power-permit
tobacco|国家烟草专卖局|State Tobacco Monopoly Administration||tobacco-licence
immigration|国家移民管理局|National Immigration Administration|entry-exit|travel-document
forestry|国家林业和草原局|National Forestry and Grassland Administration||forest-permit
railway|国家铁路局|National Railway Administration||ticket-purchase
civil-aviation|中国民用航空局|Civil Aviation Administration||pilot-licence
post|国家邮政局|State Post Bureau||parcel-registration
heritage|国家文物局|National Cultural Heritage Administration||heritage-permit
chinese-medicine|国家中医药管理局|Administration of Traditional Chinese Medicine||practitioner-licence
disease-control|国家疾病预防控制局|Disease Control and Prevention Administration||vaccination-record
drug-regulator|国家药品监督管理局|National Medical Products Administration|drug-permits|drug-licence pharmacist-licence
foreign-exchange|国家外汇管理局|State Administration of Foreign Exchange||exchange-quota
meteorology|中国气象局|Meteorological Administration||balloon-permit
"""  # noqa: E501  a table reads best with a row a line


def _organ_code(number: int) -> str:
    return credit_code(_ORGAN, _NATION, f"XN{number:06d}")


def _department(number: int, row: str) -> Organ:
    slug, name, name_en, further, purposes = row.split("|")
    node = NODES[number % len(NODES)]
    systems = tuple(ConnectedSystem(each, node) for each in (slug, *further.split()))
    code = _organ_code(number + 1)
    return Organ(slug, name, name_en, "department", code, systems, tuple(purposes.split()))


DEPARTMENTS: Final = tuple(
    _department(number, row) for number, row in enumerate(_TABLE.strip().splitlines())
)
DEPARTMENT: Final = {department.slug: department for department in DEPARTMENTS}
MARKET_REGULATION: Final = DEPARTMENT["market-regulation"]

SPARES: Final = tuple(ConnectedSystem(f"spare-{n}", f"spare-{n}") for n in (1, 2, 3))
"""Systems of MARKET_REGULATION with nothing running on them, each its own node."""

AGENCY: Final = Organ(
    "agency",
    "国家数据管理机构",
    "National Data Agency",
    "agency",
    _organ_code(900),
    (ConnectedSystem("agency", "agency"),),
)
SUPERVISOR: Final = Organ(
    "supervisor",
    "政务数据第三方监管中心",
    "Independent Supervision Centre for Government Data",
    "supervisor",
    credit_code(_INSTITUTION, _NATION, "XN000901"),
    (ConnectedSystem("supervisor", "supervisor"),),
)
OPERATOR: Final = Organ(
    "operator",
    "三元平台运营有限公司",
    "Sanyuan Platform Operations Ltd.",
    "operator",
    credit_code(_ENTERPRISE, _CAPITAL, "XN000902"),
    (ConnectedSystem("operator", "operator"),),
)
