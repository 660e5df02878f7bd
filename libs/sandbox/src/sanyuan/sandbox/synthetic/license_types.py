"""The two licence types of the demo: what they are called and what they say.

Fields are the type's own; of the metadata that every licence has (GB/T 36903) the catalogue names
those that are worth sharing. Codes by GB/T 36904: who defines the type, and three digits.
"""

from dataclasses import dataclass
from typing import Final

from sanyuan.common.contracts.catalog import DataType, Item
from sanyuan.common.contracts.license_exchange import HolderKind, LicenseType
from sanyuan.sandbox.synthetic.departments import MARKET_REGULATION


def _items(*lines: tuple[str, str, DataType, int | None]) -> tuple[Item, ...]:
    return tuple(
        Item(name=name, title=title, type=kind, length=length)
        for name, title, kind, length in lines
    )


SHARED_METADATA: Final = _items(
    ("holder_code", "持证主体代码", "C", 18),
    ("holder_name", "持证主体", "C", 200),
    ("license_number", "证照号码", "C", 60),
    ("license_identifier", "电子证照标识", "C", 100),
    ("issuer_name", "颁发机构", "C", 200),
    ("issue_date", "颁发日期", "D", None),
    ("valid_from", "有效期起始日期", "D", None),
    ("valid_until", "有效期截止日期", "D", None),
)


@dataclass(frozen=True, slots=True)
class TypeWords:
    """A licence type; ``thing`` is what the catalogue calls it."""

    code: str
    thing: str
    name: str
    name_en: str
    holder: HolderKind
    fields: tuple[Item, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """What a grant may name: shared metadata, then the type's own fields."""
        return SHARED_METADATA + self.fields

    def license_type(self) -> LicenseType:
        """As license-exchange registers it; nobody but the definer issues it."""
        return LicenseType(
            code=self.code,
            name=self.name,
            name_en=self.name_en,
            holders=(self.holder,),
            fields=self.fields,
            issuers=(MARKET_REGULATION.code,),
        )


BUSINESS_LICENSE: Final = TypeWords(
    code=f"{MARKET_REGULATION.code}001",
    thing="营业执照",
    name="营业执照",
    name_en="Business licence",
    holder="organisation",
    fields=_items(
        ("organisation_type", "类型", "C", 60),
        ("representative", "法定代表人", "C", 100),
        ("address", "住所", "C", 300),
        ("business_scope", "经营范围", "M", None),
        ("registered_capital", "注册资本（万元）", "Y", 18),
        ("established_on", "成立日期", "D", None),
        ("registration_authority", "登记机关", "C", 200),
    ),
)
FOOD_BUSINESS_LICENSE: Final = TypeWords(
    code=f"{MARKET_REGULATION.code}002",
    thing="食品经营",
    name="食品经营许可证",
    name_en="Food business licence",
    holder="organisation",
    fields=_items(
        ("representative", "法定代表人（负责人）", "C", 100),
        ("premises", "经营场所", "C", 300),
        ("trade_form", "主体业态", "C", 60),
        ("food_items", "经营项目", "M", None),
        ("issuing_authority", "发证机关", "C", 200),
        ("inspection_authority", "日常监督管理机构", "C", 200),
    ),
)
LICENSE_TYPES: Final = (BUSINESS_LICENSE, FOOD_BUSINESS_LICENSE)
