"""An earlier year's entries move away; hashes stay, and with the archive it still verifies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.audit.conftest import SUPERVISOR, CrashError
from tests.audit.test_withholding import order
from tests.audit.test_years import send, turn, verify

from sanyuan.client import archiving
from sanyuan.client.archiving import ArchivingError, archive_log
from sanyuan.common.tlog.authentic import ForgedLogError

if TYPE_CHECKING:
    from tests.audit.conftest import Lab, Running

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def turned(lab: Lab) -> Running:
    """A log of 2026 with a withheld entry, and the one of 2027."""
    lab.supervise()
    running = await lab.start()
    await send(lab, running, 300)
    order(lab, 50)
    await lab.drain(running)
    await running.log.seal()
    running = await turn(lab, running)
    await send(lab, running, 20)
    assert SUPERVISOR in running.standing.streams
    return running


def archive(lab: Lab, year: str = "2026") -> Path:
    log = lab.folder / year if year else lab.folder
    return archive_log(log, lab.var / "cold", lab.log_key.verifier, lambda *_: None)


def fresh(lab: Lab) -> None:
    """Forget what this verifier saw."""
    shutil.rmtree(lab.var / "state", ignore_errors=True)


async def test_hashes_stay_and_the_archive_verifies_by_itself(lab: Lab, turned: Running) -> None:
    assert turned.sequencer.state.size
    kept = {
        path: path.read_bytes()
        for path in (lab.folder / "2026").rglob("*")
        if path.is_file() and "entries" not in path.parts
    }
    target = archive(lab)
    assert not (lab.folder / "2026/tile/entries").exists()
    assert {path: path.read_bytes() for path in kept} == kept
    fresh(lab)
    report = verify(lab, str(target))
    assert (report.exit_code, report.withheld) == (0, 1)
    fresh(lab)
    report = verify(lab, "2026", archive=lab.var / "cold")
    assert (report.exit_code, report.withheld) == (0, 1)
    report = verify(lab, archive=lab.var / "cold")
    assert report.exit_code == 0
    assert report.before is not None
    assert report.before.exit_code == 0


async def test_without_the_archive_it_is_said_what_was_not_checked(
    lab: Lab, turned: Running
) -> None:
    assert turned.sequencer.state.size
    assert verify(lab).exit_code == 0
    archive(lab)
    report = verify(lab)
    assert report.exit_code == 0
    assert any("an earlier run has verified it" in each for each in report.unchecked)
    fresh(lab)
    report = verify(lab)
    assert report.exit_code == 0
    assert any(each.endswith("its entries are not at hand") for each in report.unchecked)
    assert verify(lab, "2026").exit_code == 30


async def test_the_current_log_stays_where_it_is(lab: Lab, turned: Running) -> None:
    assert turned.sequencer.state.size
    with pytest.raises(ArchivingError, match="not closed"):
        archive(lab, "")
    assert verify(lab).exit_code == 0


async def test_a_log_that_is_not_what_it_was_is_not_removed(lab: Lab, turned: Running) -> None:
    assert turned.sequencer.state.size
    bundle = lab.folder / "2026/tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"case"', b'"cafe"', 1))
    with pytest.raises(ForgedLogError):
        archive(lab)
    assert bundle.exists()


async def test_an_interrupted_move_is_finished_by_the_next_one(
    lab: Lab, turned: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert turned.sequencer.state.size
    left = 2

    def die(_path: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_sync", die)
        with pytest.raises(CrashError):
            archive(lab)
    assert (lab.folder / "2026/tile/entries/000").exists()

    def tear(folder: Path) -> None:
        (folder / "000").unlink()
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", tear)
        with pytest.raises(CrashError):
            archive(lab)
    archive(lab)
    archive(lab)
    fresh(lab)
    assert verify(lab, archive=lab.var / "cold").exit_code == 0
