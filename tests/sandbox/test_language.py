from collections.abc import Mapping

import pytest

from sanyuan.sandbox.language import Language, Words, language_of

TABLE: list[tuple[Mapping[str, str], Language]] = [
    ({}, Language.ENGLISH),
    ({"LANG": "C.UTF-8"}, Language.ENGLISH),
    ({"LANG": "zh_CN.UTF-8"}, Language.CHINESE),
    ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, Language.ENGLISH),
    ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_TW"}, Language.CHINESE),
    ({"LC_ALL": "", "LANG": "zh"}, Language.CHINESE),
    ({"LC_ALL": "C", "SANYUAN_LANG": "zh"}, Language.CHINESE),
    ({"LANG": "zh_CN.UTF-8", "SANYUAN_LANG": "en"}, Language.ENGLISH),
]


@pytest.mark.parametrize(("environment", "expected"), TABLE)
def test_our_own_variable_comes_before_the_locale(
    environment: Mapping[str, str], expected: Language
) -> None:
    assert language_of(environment) is expected


def test_words_choose_one_of_two_forms() -> None:
    assert Words(Language.CHINESE)("是", "yes") == "是"
    assert Words(Language.ENGLISH)("是", "yes") == "yes"
