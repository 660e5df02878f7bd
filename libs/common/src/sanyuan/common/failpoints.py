"""Named moments at which a test may kill the process (design §9.5).

``SANYUAN_FAILPOINT=<name>[:<hits>]`` makes the process end itself with SIGKILL when it passes that
point for the n-th time (1 by default). FAILPOINTS is the one list: a test fails when a step of
receive → relay has no kill.
"""

import os
import signal
from typing import Final

FAILPOINTS: Final = {
    "service.after-receive": "records read, nothing looked at",
    "service.after-check": "catch-up, authenticity and positions done, no transaction open",
    "service.before-commit": "everything written in the open transaction",
    "service.after-commit": "committed, nothing sent",
    "relay.after-first-send": "one record of a batch handed to the broker",
    "relay.after-send": "all records acknowledged by the broker, not yet marked",
    "relay.after-mark": "acknowledged offsets written to the outbox",
    "seal.after-trim": "rows that a seal covers removed",
    "client.after-commit": "a command in the outbox, nothing sent",
    "client.after-receive": "a decision read, its position not yet committed",
    "client.after-take": "a decision taken, not yet handed out",
    "audit.after-receive": "records read, nothing looked at",
    "audit.before-commit": "leaves and positions written in the open transaction",
    "audit.after-commit": "leaves committed, tiles not written",
    "audit.after-tiles": "tiles durable, checkpoint not signed",
    "audit.after-checkpoint-file": "checkpoint file replaced, not on its topic",
    "audit.after-checkpoint-topic": "checkpoint on its topic, seals not",
    "audit.after-seals": "seal parts on their topic",
}

_name, _, _hits = os.environ.get("SANYUAN_FAILPOINT", "").partition(":")
_left = int(_hits or 1)


def failpoint(name: str) -> None:
    """Kill this process here when the environment asks for it; costs a comparison otherwise."""
    if name == _name:
        _hit()


def _hit() -> None:
    global _left  # noqa: PLW0603  one process, one armed failpoint
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
