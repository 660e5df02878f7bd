"""The service's own secrets, in a file that only it reads; made once and never again.

Whoever loses them loses every licence that is kept, and every name of one, so a missing file beside
a database that holds licences is an error, not a reason to make new ones.
"""

import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError

KEY_BYTES: Final = 32
_KEY: Final = r"^[A-Za-z0-9+/]{43}=$"


class KeysError(SanyuanError):
    """The file of the service's secrets is lost or broken."""


@dataclass(frozen=True, slots=True)
class Keys:
    """32 bytes each: what wraps other keys, and what names are made with."""

    master: bytes = field(repr=False)
    blind_index: bytes = field(repr=False)


class _KeysFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    master: Annotated[str, Field(pattern=_KEY, repr=False)]
    blind_index: Annotated[str, Field(pattern=_KEY, repr=False)]


def load_keys(path: Path) -> Keys:
    """Read the secrets; raises KeysError."""
    try:
        file = _KeysFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KeysError(
            "the secrets of license-exchange are lost",
            where=str(path),
            do="restore the file from its backup: without it no licence can be read again",
        ) from None
    except ValidationError:
        raise KeysError(
            "the secrets of license-exchange are broken",
            where=str(path),
            do="restore it from its backup",
        ) from None
    return Keys(b64decode(file.master), b64decode(file.blind_index))


def make_keys(path: Path) -> Keys:
    """Make the secrets, readable by their owner only; durable once this returns.

    Raises KeysError when there are some already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _KeysFile(master=_fresh(), blind_index=_fresh())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(file.model_dump_json(indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise KeysError("the secrets of license-exchange exist already", where=str(path)) from None
    return load_keys(path)


def open_keys(path: Path, *, is_new: bool) -> Keys:
    """The secrets of this installation; ``is_new`` while its database holds no licence yet."""
    if is_new and not path.exists():
        return make_keys(path)
    return load_keys(path)


def _fresh() -> str:
    return b64encode(secrets.token_bytes(KEY_BYTES)).decode()
