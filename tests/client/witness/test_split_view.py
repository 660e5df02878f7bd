"""A log shows each of two witnesses another history: whoever asks both convicts it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from tests.client.verify.conftest import AGENCY, ORIGIN, LogMaker
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.witness.app import make_app
from sanyuan.client.witness.store import MODELS
from sanyuan.common.database import Database
from sanyuan.common.tlog.cosignature import Cosigner
from sanyuan.common.tlog.witnessing import AddCheckpoint


@contextmanager
def served(application: Starlette) -> Iterator[str]:
    """A URL of the application, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@contextmanager
def witness(folder: Path, name: str, log: LogMaker) -> Iterator[tuple[Cosigner, str]]:
    cosigner = Cosigner(name, name.encode().ljust(32))
    database = Database.open(f"sqlite:///{folder}/{name}.db", MODELS)
    logs = {ORIGIN: (log.log_key.verifier,)}
    with served(make_app(database, cosigner, logs)) as url:
        yield cosigner, url
    database.close()


def make_log(folder: Path, records: int, day: int) -> LogMaker:
    log = LogMaker(folder / "log", folder / "state")
    log.found()
    for _ in range(records):
        log.command(time=f"2026-11-{day}T00:00:00.000000Z")
    log.seal()
    log.publish()
    return log


@pytest.mark.parametrize("sizes", [(20, 20), (20, 9)])
def test_a_fork_shown_to_two_witnesses_is_found_and_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    logs = [make_log(tmp_path / str(at), size, 23 + at) for at, size in enumerate(sizes)]
    log, evidence = logs[0], tmp_path / "evidence"
    with witness(tmp_path, "w1", log) as first, witness(tmp_path, "w2", log) as second:
        for (_, url), shown in zip((first, second), logs, strict=True):
            note = (shown.folder / "checkpoint").read_bytes()
            body = bytes(AddCheckpoint(0, (), note))
            assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 200
        policy = tmp_path / "policy"
        lines = [f"witness {key.name} {key.key} {url}" for key, url in (first, second)]
        policy.write_text("\n".join([*lines, "group any any w1 w2", "quorum any", ""]))
        options = [
            "verify", str(log.folder),
            "--agency-key", str(log.key(AGENCY).verifier),
            "--log-key", str(log.log_key.verifier),
            "--policy", str(policy), "--evidence", str(evidence),
        ]  # fmt: skip
        assert CliRunner().invoke(app, options).exit_code == 30  # alone, nobody can tell
        assert CliRunner().invoke(app, [*options, "--ask-witnesses"]).exit_code == 20
    convict = ["verify-misbehaviour", str(evidence), "--log", str(log.log_key.verifier)]
    result = CliRunner().invoke(app, convict)
    assert result.exit_code == 0
    assert "MISBEHAVIOUR PROVEN" in result.output
