import io

from rich.console import Console
from tests.sandbox.test_report import measured

from sanyuan.client.verify import Report as Verification
from sanyuan.sandbox.demo import nation
from sanyuan.sandbox.demo.summary import summarise
from sanyuan.sandbox.language import Language


def drawn(language: Language) -> str:
    out = io.StringIO()
    console = Console(file=out, width=140)
    made = measured(Verification("log", "cn/log/2026", 72_000, "ab"))
    console.print(summarise(made, language, "var/report.json"))
    return out.getvalue()


def test_what_was_done_stands_beside_what_the_nation_has_done() -> None:
    english = drawn(Language.ENGLISH)
    for theirs in ("54 bn", "1.56 bn", "460 M", "1,078", "31", "9,942", "400 M", "1,118"):
        assert theirs in english
    for ours in (
        "64,000",
        "1,858",
        "9,941",
        "100,000",
        "160 ms",
        "var/report.json",
    ):
        assert ours in english
    assert "66,398 of 66,408 completed, 10 refused for load" in english


def test_the_same_figures_are_told_in_chinese() -> None:
    chinese = drawn(Language.CHINESE)
    for text in ("540 亿次", "15.6 亿次", "4.6 亿次", "共享调用", "身份核验", "证照共享", "64,000"):
        assert text in chinese


def test_the_nations_average_is_that_of_the_mix() -> None:
    calls, verifications, licenses = (figure.per_second for figure in nation.FIGURES)
    assert nation.PER_SECOND == 1_118
    assert abs(verifications / calls - 0.029) < 0.001
    assert abs(licenses / calls - 0.0085) < 0.001
