"""What a verifier remembers of a log between two runs: one small file in the user's state folder.

It vouches for the past, so it is written only after a run that found nothing forged, atomically,
and never beside the log. A file that cannot be read is as good as none: the run starts from zero.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint

VERSION: Final = 2


@dataclass(frozen=True)
class State:
    """A verified head and the history (`History.dump`) up to it.

    The right edge of its tree is read from the log again, and must make the head's root.
    """

    head: Checkpoint
    history: dict[str, Any]
    fingerprint: bytes | None
    """Of the files below the head; see `LogSource.fingerprint`."""
    note: bytes | None = None
    """The head as the log signed it: evidence, should the log ever contradict it."""


def state_folder() -> Path:
    """Return where states lie by the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "sanyuan" / "verify"


def state_file(folder: Path, origin: str, agency_key: VerifierKey, log_key: VerifierKey) -> Path:
    """Return the file of one log as seen under one pair of keys."""
    identity = f"{origin}\n{agency_key}\n{log_key}\n".encode()
    return folder / hashlib.sha256(identity).hexdigest()[:32]


def load_state(path: Path) -> State | None:
    """Read a state; None when there is none or it is unreadable."""
    saved = read_saved(path, VERSION)
    if saved is None:
        return None
    try:
        mark = saved["fingerprint"]
        return State(
            Checkpoint.parse(saved["checkpoint"].encode()),
            saved["history"],
            None if mark is None else bytes.fromhex(mark),
            saved["note"].encode() if saved.get("note") else None,
        )
    except (ValueError, LookupError, TypeError, AttributeError, SanyuanError):
        return None


def save_state(path: Path, state: State) -> None:
    """Write a state atomically; readable by its owner only."""
    saved = {
        "checkpoint": bytes(state.head).decode(),
        "history": state.history,
        "fingerprint": None if state.fingerprint is None else state.fingerprint.hex(),
        "note": None if state.note is None else state.note.decode(),
    }
    write_saved(path, VERSION, saved)


def read_saved(path: Path, version: int) -> dict[str, Any] | None:
    """Return what `write_saved` wrote; None when there is nothing readable of that version."""
    try:
        saved = orjson.loads(zlib.decompress(path.read_bytes()))
    except (OSError, zlib.error, ValueError):
        return None
    known = isinstance(saved, dict) and saved.get("version") == version
    return saved if known else None


def write_saved(path: Path, version: int, saved: dict[str, Any]) -> None:
    """Write compressed JSON atomically; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.touch(mode=0o600)
    draft.write_bytes(zlib.compress(orjson.dumps({"version": version, **saved})))
    draft.replace(path)
