"""What the documents show is run as it is written."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from sanyuan.sandbox.starting import Installation
from sanyuan.sandbox.synthetic.departments import FOOD_BUSINESS

pytestmark = pytest.mark.kafka

ROOT: Final = Path(__file__).parents[2]
LIMIT_SECONDS: Final = 180


@pytest.fixture
def clone(installation: Installation, tmp_path: Path) -> Path:
    """A folder in which ``var`` is the running installation, as in the clone after `make up`."""
    (tmp_path / "var").symlink_to(installation.settings.var)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SANYUAN_")}
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("document", ["README.md", "README.zh.md"])
def test_the_ten_lines_verify_a_person(clone: Path, document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(r"<!-- ten-lines:.*?-->\s*```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    assert len([line for line in found[1].splitlines() if line.strip()]) <= 10
    assert "identity.person-verified.v1" in run(clone, sys.executable, "-c", found[1])


def test_the_thirty_lines_use_nothing_of_ours_and_verify_a_person(
    installation: Installation, clone: Path
) -> None:
    example = ROOT / "docs" / "examples" / "thirty_lines.py"
    assert "sanyuan." not in "\n".join(
        line for line in example.read_text().splitlines() if "import" in line
    )
    register = sqlite3.connect(installation.registers.population)
    with closing(register):
        name, number = register.execute("SELECT name, number FROM person").fetchone()
    system = "var/systems/spare-2.json"
    command = (sys.executable, str(example), system, name, number, FOOD_BUSINESS)
    for sequence in (1, 2):  # the second one goes on where the first one's stream stands
        answer = json.loads(run(clone, *command))
        assert answer["decision"]["type"] == "identity.person-verified.v1"
        assert int(answer["decision"]["data"]["command"]["sequence"]) == sequence
        assert answer["assertion"].count(".") == 2
