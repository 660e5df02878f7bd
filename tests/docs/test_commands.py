"""Every `sanyuan` command that a page shows can be given as it is written."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from sanyuan.client.cli.main import app

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
SHOWN: Final = re.compile(r"^    (?:\.venv/bin/|docker compose .* )?sanyuan (.+)$", re.MULTILINE)


def lines() -> list[tuple[str, str]]:
    return [(page.name, line) for page in PAGES for line in SHOWN.findall(page.read_text("utf-8"))]


def meant(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name (of the click that typer has), and what follows its name."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize(("page", "line"), lines(), ids=lambda text: text)
def test_every_command_that_a_page_shows_exists_and_takes_its_options(page: str, line: str) -> None:
    # Square brackets say in a synopsis what may be left out.
    words = [word.strip("[]") for word in shlex.split(line, comments=True)]
    command, rest = meant(words)
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    given = [word for word in rest if word.startswith("-") and word != "-"]
    assert [word for word in given if word not in {*options, "--help"}] == [], page


def test_there_are_commands_on_both_first_pages() -> None:
    shown = [page for page, _ in lines()]
    assert shown.count("README.md") == shown.count("README.zh.md") > 10
