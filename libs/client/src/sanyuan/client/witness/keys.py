"""A witness's folder: its key (mode 0600) and its database, in other hands than the log's."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import NoteError, decode_base64, encode_base64
from sanyuan.common.tlog.cosignature import Cosigner

KEY_FILE: Final = "witness-key.json"
DATABASE: Final = "witness.db"
SEED_BYTES: Final = 32


class WitnessKeyError(SanyuanError):
    """The witness's key is missing, broken, or would be overwritten."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seed: str = Field(repr=False)


def create_witness_key(folder: Path, name: str) -> Cosigner:
    """Make a fresh key and write it, durably; raises WitnessKeyError when there is one already.

    A witness that loses its memory may keep neither key nor name: it could cosign a fork.
    """
    try:
        cosigner = Cosigner(name, secrets.token_bytes(SEED_BYTES))
    except NoteError as error:
        raise WitnessKeyError(error.what, where=name) from None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = _File(name=name, seed=encode_base64(cosigner.seed)).model_dump_json()
    path = folder / KEY_FILE
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise WitnessKeyError(
            "the witness has a key already", where=str(path), do="use another folder"
        ) from None
    return cosigner


def load_witness_key(folder: Path) -> Cosigner:
    """Read the key; raises WitnessKeyError."""
    path = folder / KEY_FILE
    try:
        content = _File.model_validate_json(path.read_bytes())
        return Cosigner(content.name, decode_base64(content.seed))
    except OSError:
        raise WitnessKeyError(
            "the witness has no key that can be read",
            where=str(path),
            do="make one: sanyuan witness init",
        ) from None
    except (ValidationError, NoteError):
        raise WitnessKeyError("the witness's key file is broken", where=str(path)) from None
