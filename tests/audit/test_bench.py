"""The writer that the benchmark measures makes a log like any other."""

from pathlib import Path

import pytest

from sanyuan.audit.bench import DOMAIN, World, Writer
from sanyuan.audit.checking import Checker
from sanyuan.audit.store import open_database
from sanyuan.client.verify import verify_log


@pytest.mark.asyncio
async def test_the_log_that_is_measured_is_sound_and_complete(tmp_path: Path) -> None:
    world = World.make(systems=5)
    database = open_database(f"sqlite:///{tmp_path}/bench.db")
    checker = Checker(DOMAIN, 1)
    try:
        writer = Writer(tmp_path, world, checker, database)
        await writer.found()
        await writer.grow(300)
        await writer.grow(100)
    finally:
        checker.close()
        database.close()
    report = verify_log(
        str(tmp_path / "log"),
        world.agency.signing.verifier,
        world.log_key.verifier,
        state_dir=tmp_path / "state",
        jobs=1,
    )
    assert (report.exit_code, report.findings) == (0, ())
    assert report.size is not None
    assert report.size >= 400 + 3 + 7
