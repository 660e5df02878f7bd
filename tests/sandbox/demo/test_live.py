import io

import pytest
from rich.console import Console, RenderableType

from sanyuan.sandbox.demo.live import heading, kinds_table, outcomes, rates
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.progress import Outcome, Progress
from sanyuan.sandbox.demo.load.schedule import Plan
from sanyuan.sandbox.language import Language, Words

ENGLISH, CHINESE = Words(Language.ENGLISH), Words(Language.CHINESE)
PLAN = Plan("p", 1_118.0, 60.0, 1, 0.0)


@pytest.fixture
def progress() -> Progress:
    made = Progress("p", phase="running")
    for _ in range(2_000):
        made.kinds["shared-call"].count(Outcome.ANSWERED, 123)
    made.kinds["shared-call"].count(Outcome.REFUSED_AS_EXPECTED, 90)
    made.kinds["verification"].count(Outcome.NOT_VERIFIED, 77)
    return made


def drawn(what: RenderableType) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(what)
    return out.getvalue()


def test_three_kinds_stand_beside_the_nation_in_both_languages(progress: Progress) -> None:
    english = drawn(kinds_table(progress, {"shared-call": 1_080.4}, ENGLISH))
    assert "shared calls" in english
    assert "verifications" in english
    assert "licence exchanges" in english
    for figure in ("1,078", "31", "9", "1,080", "2,000", "123 ms"):
        assert figure in english
    chinese = drawn(kinds_table(progress, {}, CHINESE))
    for name in ("共享调用", "身份核验", "证照共享", "2020 年全国"):
        assert name in chinese


def test_the_heading_says_how_far_it_is(progress: Progress) -> None:
    assert "2,002 / 67,080" in drawn(heading(progress, PLAN, ENGLISH))
    assert "53 个部门互为供需" in drawn(heading(progress, PLAN, CHINESE))


def test_what_was_refused_on_purpose_is_told_apart(progress: Progress) -> None:
    text = outcomes(progress, ENGLISH)
    assert text == "1 do not match   1 beyond a grant   0 refused   0 unanswered"
    assert "wrong" not in text
    progress.kinds["shared-call"].count(Outcome.SURPRISING, 1)
    assert outcomes(progress, ENGLISH).endswith("1 wrong")
    assert outcomes(progress, CHINESE).endswith("答复有误 1")


def test_a_rate_is_of_the_last_looks_and_in_the_end_of_all(progress: Progress) -> None:
    before: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    after: dict[Kind, int] = {"shared-call": 300, "verification": 9, "license-exchange": 3}
    assert rates([(10.0, before), (13.0, after)], progress)["shared-call"] == 100.0
    assert rates([(10.0, before)], progress) == {}
    progress.phase, progress.finished = "done", 10.0
    assert rates([(10.0, before), (13.0, after)], progress)["shared-call"] == 200.1
