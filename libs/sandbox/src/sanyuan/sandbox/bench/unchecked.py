"""The audit service with every signature believed: what all the rest of it costs.

`python -m sanyuan.sandbox.bench.unchecked`, over a log that is thrown away. Processes that check
for the service import its main module, under a name of their own, and believe as well; whoever
merely imports this changes nothing.
"""

import runpy
from typing import Final

from sanyuan.common.notes import VerifierKey

_RUNS_AS: Final = ("__main__", "__mp_main__")


def believe(_key: VerifierKey, _text: bytes, _blob: bytes) -> None:
    """Stands for `VerifierKey.verify_signature`."""


if __name__ in _RUNS_AS:
    VerifierKey.verify_signature = believe  # type: ignore[assignment, method-assign]  # the point

if __name__ == "__main__":
    runpy.run_module("sanyuan.audit", run_name="__main__")
