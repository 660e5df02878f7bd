"""One log has one writer; and a disk that is full ends it in good order. Real processes."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from tests.audit.conftest import Lab
from tests.audit.writer import make_lab
from tests.stores import File

from sanyuan.audit.checking import Checker
from sanyuan.audit.folder import LogFolder, LogFolderHeldError
from sanyuan.audit.intake import Intake, ParticipantsFeed
from sanyuan.audit.measures import Measures
from sanyuan.audit.room import Room
from sanyuan.audit.service import Standing, wait_for_folder
from sanyuan.common.follower import Follower

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.audit.writer"]


class Writer:
    """A process that does one thing a line."""

    def __init__(self, var: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, str(var)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def ends(self) -> int:
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def home(tmp_path: Path) -> File:
    """The store is the same for what is shown here."""
    return File(tmp_path)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[Writer]]:
    started = [Writer(tmp_path) for _ in range(3)]
    yield started
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_of_writers_that_start_at_once_one_goes_on_and_whoever_loses_its_locks_ends(
    writers: list[Writer], tmp_path: Path
) -> None:
    assert [each.says() for each in writers] == ["there"] * 3
    for each in writers[:2]:
        each.hears()
    said = [each.says() for each in writers[:2]]
    first = writers[said.index("the writer")]
    second = writers[1 - writers.index(first)]
    assert min(said).startswith("another process is the writer of this database")
    assert second.ends() == 3
    first.hears()
    assert first.says().startswith("published")

    (tmp_path / "service/service.db.lock").unlink()  # nobody should
    (tmp_path / "audit/log.lock").unlink()
    last = writers[2]
    last.hears()
    assert last.says() == "the writer"
    first.hears()
    assert first.says().startswith("another writer has taken over (fence 2, ours 1)")
    assert first.ends() == 3
    last.hears()
    assert last.says().startswith("published")
    assert last.ends() == 0
    lab = make_lab(tmp_path, 60)
    report = lab.verify()
    assert (report.exit_code, report.findings) == (0, ())


def test_a_full_disk_ends_the_writer_with_a_sentence_and_it_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount -t tmpfs -o size=6m none "$0" && exec "$@"'
    if (
        not shutil.which("unshare")
        or subprocess.run([*mounted, script, tmp_path, "true"], check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a small disk")
    ran = subprocess.run(
        [*mounted, script, str(tmp_path), *COMMAND, str(tmp_path), "tiny-disk"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(ran.stdout)
    for each in told["said"]:
        assert "free space on its disk" in each
    assert (told["exit"], told["once"]) == (0, True)


@pytest.mark.asyncio
async def test_before_a_disk_is_full_nothing_more_is_taken_and_ready_says_so(lab: Lab) -> None:
    free = shutil.disk_usage(lab.var).free
    assert Room((lab.var,), free // 2).trouble() is None
    room = Room((lab.var,), free * 2)
    unused = cast("Follower", None), cast("Checker", None)
    feed = ParticipantsFeed(lab.system(), 0)
    intake = Intake(lab.system(), feed, *unused, Measures(), room, 0.25)
    waiting = asyncio.ensure_future(intake.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert f"MiB are free on the disk of {lab.var}: free space" in (intake.trouble or "")
    waiting.cancel()


@pytest.mark.asyncio
async def test_who_finds_the_folder_held_stands_by_until_it_is_free(tmp_path: Path) -> None:
    folder, standing = LogFolder(tmp_path / "log"), Standing()
    held = folder.hold()
    with pytest.raises(LogFolderHeldError, match="one log has one writer"):
        folder.hold()
    waiting = asyncio.ensure_future(wait_for_folder(folder, standing))
    await asyncio.sleep(0)
    assert (standing.waiting or "").startswith("standing by: another process writes this log")
    held.close()
    async with asyncio.timeout(30):
        (await waiting).close()
