import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sanyuan.client.inbox import Decision
from sanyuan.client.system import connect
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import ports

pytestmark = [pytest.mark.docker, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
FILES = "/var/lib/sanyuan"
KILL = """
import os, pathlib, sys
for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    words = file.read_bytes().split(bytes(1))
    if words[0].endswith(b"python") and words[1:3] == [b"-m", sys.argv[1].encode()]:
        os.kill(int(file.parent.name), 9)
        sys.exit()
sys.exit("no such process")
"""


@dataclass(frozen=True)
class Composed:
    """The domain of docker-compose.yml under a name and ports of its own."""

    project: str
    environment: dict[str, str]

    def __call__(self, *words: str, timeout: float = 60) -> str:
        docker = shutil.which("docker") or "docker"
        done = subprocess.run(
            (docker, "compose", "--project-name", self.project, *words),
            cwd=REPOSITORY,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
        return done.stdout

    def sanyuan(self, *words: str) -> str:
        return self("exec", "--no-TTY", "audit", "sanyuan", *words)

    def founded_anew(self) -> str:
        return self("run", "--rm", "--no-TTY", "--no-deps", "founding").splitlines()[-1]


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    first = 40_000 + os.getpid() % 10_000
    services = ("IDENTITY", "LICENSE_EXCHANGE", "CATALOG", "AUDIT")
    names = ("SANYUAN_KAFKA_PORT", *(f"SANYUAN_{each}_HTTP_PORT" for each in services))
    chosen: dict[str, str] = {}
    for name in names:
        port = ports.free(first)
        chosen[name], first = str(port), port + 1
    compose = Composed(f"sanyuan-test-{os.getpid()}", chosen)
    try:
        compose("up", "--build", "--wait", timeout=600)
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "10", timeout=120)


@pytest.fixture(scope="module")
def system_file(composed: Composed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spare system's file as somebody on the host would have it."""
    path = tmp_path_factory.mktemp("host") / "systems" / "spare-1.json"
    path.parent.mkdir()
    composed("cp", f"audit:{FILES}/systems/spare-1.json", str(path))
    inside = SystemFile.load(path)
    address = f"localhost:{composed.environment['SANYUAN_KAFKA_PORT']}"
    inside.model_copy(update={"bootstrap_servers": address}).save(path)
    return path


@pytest.fixture(scope="module")
def person(composed: Composed, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    register = tmp_path_factory.mktemp("registers") / "population.db"
    composed("cp", f"audit:{FILES}/registers/population.db", str(register))
    with closing(sqlite3.connect(register)) as database:
        number, name = database.execute("SELECT number, name FROM person").fetchone()
    return number, name


async def ask(system_file: Path, number: str, name: str) -> Decision:
    async with connect(system_file) as me:
        return await me.verify_person(
            name=name, number=number, purpose="food-business-licence", legal_basis="食品安全法"
        )


def verdicts(composed: Composed) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(composed.sanyuan("verify", "--json"))
    return report


def test_a_system_on_the_host_is_answered_and_the_log_is_sound(
    composed: Composed, system_file: Path, person: tuple[str, str]
) -> None:
    decision = asyncio.run(ask(system_file, *person))

    assert decision.type == "identity.person-verified.v1"
    report = verdicts(composed)
    assert (report["integrity"], report["completeness"]) == ("sound", "complete")


def test_a_restart_of_everything_goes_on_with_what_is_there(
    composed: Composed, system_file: Path, person: tuple[str, str]
) -> None:
    before = verdicts(composed)["size"]
    composed("restart", timeout=120)
    composed("up", "--wait", timeout=120)

    assert asyncio.run(ask(system_file, *person)).type == "identity.person-verified.v1"
    after = verdicts(composed)
    assert after["exit"] == 0
    assert after["size"] > before


def test_founding_again_changes_nothing(composed: Composed) -> None:
    assert "new now: 0 topics, 0 users, 0 connections" in composed.founded_anew()


def test_a_killed_service_comes_back(
    composed: Composed, system_file: Path, person: tuple[str, str]
) -> None:
    # From inside, as a crash: what an operator kills the engine does not start again.
    for service in ("identity", "audit"):
        composed("exec", "--no-TTY", service, "python", "-c", KILL, f"sanyuan.{service}")
    composed("up", "--wait", timeout=120)

    assert asyncio.run(ask(system_file, *person)).type == "identity.person-verified.v1"
    assert verdicts(composed)["exit"] == 0


def test_services_do_not_run_as_root_and_do_not_see_the_administrator(composed: Composed) -> None:
    assert composed("exec", "--no-TTY", "identity", "id", "--user").strip() == "1000"
    seen = composed("exec", "--no-TTY", "identity", "ls", f"{FILES}/kafka")
    assert seen == ""
