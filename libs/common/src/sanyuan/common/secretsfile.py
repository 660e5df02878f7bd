"""A service's own secrets, in a file that only it reads; made once and never again."""

import os
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError

KEY_BYTES: Final = 32
KeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$", repr=False)]
"""Padded standard base64 of 32 bytes."""


class KeysError(SanyuanError):
    """The file of a service's secrets is lost or broken."""


class SecretsFile(BaseModel):
    """What the file holds; nothing of it is ever shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


F = TypeVar("F", bound=SecretsFile)


def load_secrets(path: Path, kind: type[F], service: str, loss: str) -> F:
    """Read the file of ``service``; ``loss`` says what cannot be done without. Raises KeysError."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KeysError(
            f"the secrets of {service} are lost",
            where=str(path),
            do=f"restore the file from its backup: without it {loss}",
        ) from None
    except ValidationError:
        raise KeysError(
            f"the secrets of {service} are broken",
            where=str(path),
            do="restore it from its backup",
        ) from None


def write_secrets(path: Path, file: SecretsFile, service: str) -> None:
    """Write the file, readable by its owner only; durable once this returns.

    Raises KeysError when there is one already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(file.model_dump_json(indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise KeysError(f"the secrets of {service} exist already", where=str(path)) from None


def fresh_key() -> str:
    """32 random bytes as the file has them."""
    return b64encode(secrets.token_bytes(KEY_BYTES)).decode()
