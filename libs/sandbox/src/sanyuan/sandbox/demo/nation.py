"""What China's national platform had done by the end of 2020, beside which the demo is put."""

from dataclasses import dataclass
from typing import Final

from sanyuan.sandbox.demo.load.mix import Kind

DEPARTMENTS: Final = 53
RESOURCES: Final = 9_942
USERS: Final = ("4 亿", "400 M")
"""Real-name users, in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of operation: its name, its total by the end of 2020, its average a second."""

    kind: Kind
    name: tuple[str, str]
    total: tuple[str, str]
    per_second: int


FIGURES: Final = (
    Figure("shared-call", ("共享调用", "shared calls"), ("540 亿次", "54 bn"), 1_078),
    Figure("verification", ("身份核验", "verifications"), ("15.6 亿次", "1.56 bn"), 31),
    Figure("license-exchange", ("证照共享", "licence exchanges"), ("4.6 亿次", "460 M"), 9),
)
PER_SECOND: Final = sum(figure.per_second for figure in FIGURES)
