"""The audit service with every signature believed: what all the rest of it costs.

`python -m sanyuan.sandbox.bench.unchecked`, over a log that is thrown away. Processes that check
for the service import its main module, under a name of their own, and believe as well; whoever
merely imports this changes nothing.
"""

import runpy
from collections.abc import Sequence
from typing import Final

from sanyuan.common import ed25519

_RUNS_AS: Final = ("__main__", "__mp_main__")


def believe(public_key: bytes, message: bytes, signature: bytes) -> bool:  # noqa: ARG001
    """Stands for `ed25519.holds`."""
    return True


def believe_all(checks: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """Stands for `ed25519.all_hold`."""
    return [True] * len(checks)


if __name__ in _RUNS_AS:
    ed25519.holds = believe
    ed25519.all_hold = believe_all

if __name__ == "__main__":
    runpy.run_module("sanyuan.audit", run_name="__main__")
