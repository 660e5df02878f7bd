import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from sanyuan.client.drill import TAMPERINGS

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/*.md")]
CODE: Final = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
OPERATIONS: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def found(pattern: str) -> set[str]:
    return {name for file in CODE for name in re.findall(pattern, file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_tests_that_the_threat_model_names_exist() -> None:
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_[a-z_]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for file, name in named:
        found = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file)]
        assert any(f"def {name}" in each for each in found), (file, name)


def test_the_threat_model_has_every_row_of_the_drill() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    text = page.partition("### With the log itself")[2].partition("### With records")[0]
    patterns = {name for group in re.findall(r"\((`[a-z-]+\*?`(?:, `[a-z-]+\*?`)*)\)", text)
                for name in re.findall(r"`([a-z-]+\*?)`", group)}  # fmt: skip
    names = {tampering.name for tampering in TAMPERINGS}
    assert {name for name in names if not any(_is_named(name, each) for each in patterns)} == set()
    assert {each for each in patterns if not any(_is_named(name, each) for name in names)} == set()


def _is_named(name: str, pattern: str) -> bool:
    bare = re.sub(r"-(earlier|witness)$", "", name)
    return fnmatch(name, pattern) or bare == pattern


def test_every_setting_is_explained() -> None:
    names = found(r"\bSANYUAN_[A-Z_]*[A-Z]\b")
    for settings in (file for file in CODE if file.name == "settings.py"):
        text = settings.read_text(encoding="utf-8")
        (prefix,) = re.findall(r'_PREFIX: Final = "(\w+)"', text) or [""]
        names |= {prefix + name for name in re.findall(r'reader\.\w+\("([A-Z_]+)"', text)}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in OPERATIONS} == set()


def test_every_metric_is_explained() -> None:
    metrics = found(r'(?:Counter|Gauge|Histogram)\(\s*"(sanyuan_[a-z_]+)"')
    assert len(metrics) > 10
    assert {name for name in metrics if name not in OPERATIONS} == set()


def test_decisions_are_numbered_and_listed_and_say_what_they_cost() -> None:
    folder = ROOT / "docs" / "adr"
    decisions = sorted(folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text(encoding="utf-8")
    numbers = [decision.name[:4] for decision in decisions]
    assert len(set(numbers)) == len(numbers)
    for number, decision in zip(numbers, decisions, strict=True):
        text = decision.read_text(encoding="utf-8")
        assert text.startswith(f"# {number} ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Cost"))
        assert decision.name in index
