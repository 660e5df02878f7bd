"""The log's own key: a file of mode 0600, in other hands than agency's and witnesses' (design §2).

Made with the audit service's other keys, before the domain is founded: the founding record names
its public half. Its name is the origin of the log, as tlog-checkpoint asks: each year's log is
another name of the same key pair, so that whoever pins one year's key can verify every other
year's log (ADR 0033).
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import (
    NoteError,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
)
from sanyuan.common.sources import DOMAIN

LOG_KEY_FILE: Final = Path("audit") / "log-key.json"
"""Below `var`."""
_ORIGIN: Final = re.compile(rf"({DOMAIN})/log/([1-9][0-9]{{3}})")


class LogKeyError(SanyuanError):
    """The log's key is missing, broken, or would be overwritten."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    seed: str = Field(repr=False)


def log_origin(domain: str, year: int) -> str:
    """Return the name of a domain's log of one year."""
    return f"{domain}/log/{year}"


def year_of(origin: str) -> int | None:
    """Return the year of a log's origin; None when it is no log of a domain's year."""
    found = _ORIGIN.fullmatch(origin)
    return int(found[2]) if found else None


def is_earlier(origin: str, than: str) -> bool:
    """Whether a log is of the same domain as the log `than`, and of an earlier year."""
    one, other = _ORIGIN.fullmatch(origin), _ORIGIN.fullmatch(than)
    if one is None or other is None:
        return False
    return one[1] == other[1] and int(one[2]) < int(other[2])


def signing_key_of(key: SigningKey, year: int) -> SigningKey:
    """Return the key of another year's log of the same domain."""
    found = _ORIGIN.fullmatch(key.name)
    return key if found is None else SigningKey(log_origin(found[1], year), key.seed)


def verifier_of(pinned: VerifierKey, origin: str) -> VerifierKey:
    """Return the key of the log `origin`, when it is another year's of the same domain.

    Any other origin changes nothing: its notes do not verify under the pinned key.
    """
    ours, other = _ORIGIN.fullmatch(pinned.name), _ORIGIN.fullmatch(origin)
    if ours is None or other is None or ours[1] != other[1]:
        return pinned
    return VerifierKey(origin, pinned.public_key)


def verifier_for(pinned: VerifierKey, note: bytes) -> VerifierKey:
    """Return `verifier_of` the log that a checkpoint's note names; the note is not verified."""
    return verifier_of(pinned, note.partition(b"\n")[0].decode("utf-8", "replace"))


def create_log_key(path: Path, origin: str) -> SigningKey:
    """Make a fresh key and write it, durably; raises LogKeyError when there is a file already."""
    key = SigningKey.generate(origin)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _File(origin=origin, seed=encode_base64(key.seed)).model_dump_json()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise LogKeyError(
            "the log has a key already", where=str(path), do="a domain's logs keep their key"
        ) from None
    return key


def open_log_key(path: Path, domain: str) -> SigningKey:
    """Read the key, or make that of a new domain's first log; raises LogKeyError."""
    if path.exists():
        return load_log_key(path)
    return create_log_key(path, log_origin(domain, datetime.now(UTC).year))


def load_log_key(path: Path) -> SigningKey:
    """Read the key; raises LogKeyError."""
    try:
        content = _File.model_validate_json(path.read_bytes())
        return SigningKey.from_seed(content.origin, decode_base64(content.seed))
    except FileNotFoundError:
        raise LogKeyError(
            "the log has no key", where=str(path), do="make it before the domain is founded"
        ) from None
    except (ValidationError, NoteError):
        raise LogKeyError("the log's key file is broken", where=str(path)) from None
