"""The service's own secrets, in a file that only it reads; made once and never again.

Whoever loses them loses every licence that is kept, and every name of one, so a missing file beside
a database that holds licences is an error, not a reason to make new ones.
"""

from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sanyuan.common.secretsfile import (
    KeyText,
    SecretsFile,
    fresh_key,
    load_secrets,
    write_secrets,
)

_SERVICE: Final = "license-exchange"


@dataclass(frozen=True, slots=True)
class Keys:
    """32 bytes each: what wraps other keys, and what names are made with."""

    master: bytes = field(repr=False)
    blind_index: bytes = field(repr=False)


class _KeysFile(SecretsFile):
    master: KeyText
    blind_index: KeyText


def load_keys(path: Path) -> Keys:
    """Read the secrets; raises KeysError."""
    file = load_secrets(path, _KeysFile, _SERVICE, "no licence can be read again")
    return Keys(b64decode(file.master), b64decode(file.blind_index))


def make_keys(path: Path) -> Keys:
    """Make the secrets, readable by their owner only; durable once this returns.

    Raises KeysError when there are some already.
    """
    write_secrets(path, _KeysFile(master=fresh_key(), blind_index=fresh_key()), _SERVICE)
    return load_keys(path)


def open_keys(path: Path, *, is_new: bool) -> Keys:
    """The secrets of this installation; ``is_new`` while its database holds no licence yet."""
    if is_new and not path.exists():
        return make_keys(path)
    return load_keys(path)
