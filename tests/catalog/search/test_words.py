import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.catalog.search.words import fold, parse_query, tokens


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("户籍　登记", "户籍 登记"),
        ("  许可证\t信息\n", "许可证 信息"),
        ("⼾籍", "戶籍"),  # a radical is not the character that looks like it
        ("ﾃﾞｰﾀ", "データ"),
        ("Straße", "strasse"),
        ("cafe\u0301", "café"),
        ("户\u200b籍\ufeff", "户籍"),
        ("葛\U000e0100城", "葛城"),
        ("", ""),
    ],
)
def test_texts_that_mean_one_thing_have_one_spelling(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_run_of_chinese_becomes_its_pairs_and_its_last_character() -> None:
    assert tokens("户籍登记") == "户籍 籍登 登记 记"
    assert tokens("税") == "税"


def test_latin_words_digits_and_chinese_do_not_run_together() -> None:
    assert tokens("GB 32100代码Ver2") == "gb 32100 代码 码 ver2"
    assert tokens("credit_code") == "credit code"


@pytest.mark.parametrize("mark", list("，。、；：？！“”‘’（）《》〈〉【】「」『』〔〕—…·・～￥－"))
def test_punctuation_of_every_tradition_separates(mark: str) -> None:
    assert tokens(f"户籍{mark}登记") == "户籍 籍 登记 记"


def test_a_character_that_is_newer_than_unicode_6_is_a_character() -> None:
    assert tokens("\U00030000镇") == "\U00030000镇 镇"


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("permits", "permit"),
        ("policies", "policy"),
        ("taxes", "tax"),
        ("addresses", "address"),
        ("business", "business"),
        ("status", "status"),
        ("analysis", "analysis"),
        ("gas", "gas"),
        ("ies", "ies"),
        ("s", "s"),
    ],
)
def test_a_plural_is_its_singular_and_little_else_is_changed(plural: str, singular: str) -> None:
    assert tokens(plural) == singular


def test_a_run_is_asked_for_as_a_phrase_and_a_word_as_a_beginning() -> None:
    assert parse_query("户籍登记").every == '"户籍 籍登 登记"'
    assert parse_query("税").every == '"税" *'
    assert parse_query("tax IT").every == '"tax" * AND "it"'
    assert parse_query("食品permit").every == '"食品" AND "permit" *'


def test_only_a_run_of_chinese_and_nothing_else_is_one_run() -> None:
    assert parse_query("户籍登记").one_run
    assert parse_query(" 税 ").one_run
    assert not parse_query("户籍，登记").one_run
    assert not parse_query("《户籍》").one_run
    assert not parse_query("A类").one_run
    assert not parse_query("tax").one_run
    assert not parse_query("").one_run


def test_without_the_phrase_any_pair_will_do() -> None:
    assert parse_query("户籍登记 户籍").some == '"户籍" OR "籍登" OR "登记"'


@pytest.mark.parametrize("text", ["", "  ", "、《》", '"*^:()-+{}', "\x00", "—"])
def test_what_has_no_word_asks_for_none(text: str) -> None:
    query = parse_query(text)
    assert (query.every, query.some) == ("", "")


WELL_FORMED = re.compile(r'("[^"*]+"( \*)?)(( AND | OR )"[^"*]+"( \*)?)*|')


@given(st.text(st.characters(codec="utf-8")))
def test_nothing_that_is_typed_is_syntax(text: str) -> None:
    query = parse_query(text)
    assert WELL_FORMED.fullmatch(query.every)
    assert WELL_FORMED.fullmatch(query.some)
    assert all(c.isalnum() or c == " " for c in tokens(text) if c.isascii())


@given(st.text(st.characters(codec="utf-8")))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
