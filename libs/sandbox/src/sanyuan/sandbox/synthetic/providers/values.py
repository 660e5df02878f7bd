"""What stands in the columns of a provider's relation, as SQL over a subject and a drawn number.

``s`` is the subject (rank, key, name, city; of an organisation its representative and address too);
``{n}`` an expression for a number that follows from subject, resource and column.
"""

from typing import Final
from zlib import crc32

from sanyuan.common.contracts.catalog import Resource

# Lehmer's generator (Park and Miller 1988), one step from a seed that mixes rank and column.
_FACTOR: Final = 48271
_MODULUS: Final = 2**31 - 1
_DRAWN: Final = f"(((s.rank + {{salt}}) * {_FACTOR}) % {_MODULUS})"
_DAY: Final = "date('2012-01-01', ({n} % 4900) || ' days')"
_NUMBER: Final = "printf('{prefix}%04d%07d', 2012 + {n} % 13, {n} % 10000000)"
_MONEY: Final = "round({low} + ({n} % {range}) / 100.0, 2)"

_SUBJECT: Final = {
    "citizen_number": "s.key",
    "credit_code": "s.key",
    "person_name": "s.name",
    "organisation_name": "s.name",
    "representative": "s.representative",
    "address": "s.address",
    "registrar": "s.city || '登记中心'",
}
_NUMBERS: Final = frozenset({
    "license_number",
    "certificate_number",
    "registration_number",
    "document_serial",
    "benefit_number",
    "enrolment_number",
    "return_number",
})  # fmt: skip
_DAYS: Final = frozenset({
    "issue_date",
    "registered_on",
    "approved_on",
    "enrolled_on",
    "established_on",
    "filed_on",
})  # fmt: skip
_CHOICES: Final = {
    "certificate_level": ("初级", "中级", "高级"),
    "status": ("有效",) * 18 + ("暂停", "注销"),
    "benefit_kind": ("按月发放", "按月发放", "一次性发放"),
    "enrolment_kind": ("在职职工", "灵活就业", "退休人员"),
}
_SINGLE: Final = {
    "benefit_amount": _MONEY.format(low=200, range=380_000, n="{n}"),
    "levy_base": _MONEY.format(low=1_000, range=90_000_000, n="{n}"),
    "levy_amount": _MONEY.format(low=30, range=2_700_000, n="{n}"),
    "levy_period": "printf('2025-%02d', 1 + {n} % 9)",
    "employer_name": "(SELECT name FROM organisation WHERE rank = {n} % {organisations})",
}


def column(resource: Resource, item: str, department: str, organisations: int) -> str:
    """The SQL expression of one column; raises LookupError for an item that nobody can fill."""
    thing = f"'{resource.classification[-1]}'"
    said = {"license_scope": thing, "registration_content": thing, "authority": f"'{department}'"}
    if item in said:
        return said[item]
    if item in _SUBJECT:
        return _SUBJECT[item]
    if item == "valid_until":  # by the same number as the day of issue: never before it
        return f"date({_DAY.format(n=_drawn(resource, 'issue_date'))}, '+5 years')"
    prefix = resource.code.partition("/")[0]
    return _shape(item).format(n=_drawn(resource, item), prefix=prefix, organisations=organisations)


def _shape(item: str) -> str:
    if item in _DAYS:
        return _DAY
    if item in _NUMBERS:
        return _NUMBER
    if item in _CHOICES:
        first, *others = _CHOICES[item]
        cases = " ".join(f"WHEN {at} THEN '{each}'" for at, each in enumerate(others, 1))
        return f"CASE {{n}} % {len(others) + 1} {cases} ELSE '{first}' END"
    return _SINGLE[item]


def chosen(resource: Resource, item: str, rank: int) -> str:
    """What `column` says of the subject of a rank, for an item that is one of a few words."""
    words = _CHOICES[item]
    return words[(rank + _salt(resource, item)) * _FACTOR % _MODULUS % len(words)]


def _drawn(resource: Resource, item: str) -> str:
    return _DRAWN.format(salt=_salt(resource, item))


def _salt(resource: Resource, item: str) -> int:
    return crc32(f"{resource.code} {item}".encode()) % 2_000_000_000
