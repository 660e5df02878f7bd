"""Signatures are believed by the benchmark's own processes, and by nobody who imports its parts."""

import subprocess
import sys
from typing import Final

import pytest

PROGRAM: Final = """
import runpy, sys
from sanyuan.common.notes import BadSignatureError, SigningKey
runpy.run_module("sanyuan.sandbox.bench.unchecked", run_name=sys.argv[1])
key = SigningKey.from_seed("somebody", bytes(32)).verifier
try:
    key.verify_signature(b"text", key.key_id + bytes(64))
except BadSignatureError:
    print("refused")
else:
    print("believed")
"""


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("sanyuan.sandbox.bench.unchecked", "refused"), ("__mp_main__", "believed")],
)
def test_only_a_process_of_the_benchmark_believes(name: str, outcome: str) -> None:
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [outcome]
