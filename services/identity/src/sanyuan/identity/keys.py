"""The service's own secrets, in a file that only it reads; made once and never again.

Whoever loses them loses every pseudonym and every lock, so a missing file beside a database that
knows people is an error, not a reason to make new ones.
"""

from base64 import b64decode
from pathlib import Path
from typing import Final

from sanyuan.common.secretsfile import (
    KeyText,
    SecretsFile,
    fresh_key,
    load_secrets,
    write_secrets,
)
from sanyuan.identity.domain.pseudonyms import Keys

_SERVICE: Final = "identity"


class _KeysFile(SecretsFile):
    pseudonyms: KeyText
    blind_index: KeyText


def load_keys(path: Path) -> Keys:
    """Read the secrets; raises KeysError."""
    file = load_secrets(path, _KeysFile, _SERVICE, "no person is recognised again")
    return Keys(b64decode(file.pseudonyms), b64decode(file.blind_index))


def make_keys(path: Path) -> Keys:
    """Make the secrets, readable by their owner only; durable once this returns.

    Raises KeysError when there are some already.
    """
    write_secrets(path, _KeysFile(pseudonyms=fresh_key(), blind_index=fresh_key()), _SERVICE)
    return load_keys(path)


def open_keys(path: Path, *, is_new: bool) -> Keys:
    """The secrets of this installation; ``is_new`` while its database knows nobody yet."""
    if is_new and not path.exists():
        return make_keys(path)
    return load_keys(path)
