from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.license_exchange.domain.texts import folded, is_printable, normal

FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
TEXTS = [
    "Café Ａ１ 咖啡馆",
    "阿不都·热西提",
    "ﬁne ①",
    "한국어",
    "（北京）有限公司",
    "Ångström",
    "ｶﾞ",
]


@pytest.mark.parametrize("text", TEXTS)
def test_every_normal_form_of_a_text_compares_equal(text: str) -> None:
    assert len({folded(unicodedata.normalize(form, text)) for form in FORMS}) == 1


@given(st.text())
def test_canonically_equal_texts_are_kept_alike(text: str) -> None:
    kept = {normal(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(kept) == 1


def test_what_an_issuer_wrote_is_kept_as_it_looks() -> None:
    assert normal(" 餐饮服务；（含凉菜），面积 120㎡ ") == "餐饮服务；（含凉菜），面积 120㎡"


def test_values_of_every_kind_are_compared() -> None:
    one = {"a": ["Ａ", 1, None], "b": {"c": "é"}}
    two = {"a": ["A", 1, None], "b": {"c": "e\u0301"}}
    assert folded(one) == folded(two) != folded({"a": []})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("第一行\n第二行\t", True),
        ("a\x00b", False),
        ("\x1b[31m", False),
        ("\x85", False),
        ("", True),
    ],
)
def test_control_characters_are_found(text: str, *, expected: bool) -> None:
    assert is_printable(text) is expected
