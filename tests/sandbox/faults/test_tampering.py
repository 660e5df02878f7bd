"""The campaign counts what was tried, and what was not found."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.client.drill.conftest import make_log
from tests.client.verify.conftest import AGENCY

from sanyuan.client.drill import TAMPERINGS
from sanyuan.sandbox.faults import tampering


def test_each_way_is_tried_equally_often_and_everything_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(tmp_path)
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    monkeypatch.setattr(tampering, "EDITS", 1)
    missed, tried = tampering.tampered(str(log.folder), *keys, 7, Console(file=io.StringIO()))
    assert (missed.value, tried.value) == (0, len(TAMPERINGS))
    monkeypatch.setattr(tampering, "TAMPERINGS", TAMPERINGS[:1])
    monkeypatch.setattr(tampering, "tamper", lambda *_: [NotFound()])
    missed, tried = tampering.tampered(str(log.folder), *keys, 7, Console(file=io.StringIO()))
    assert (missed.value, tried.value) == (1, 1)


class NotFound:
    found = False
