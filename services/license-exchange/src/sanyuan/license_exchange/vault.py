"""Content at rest: AES-256-GCM under a key for each holder, and that under the master key.

A holder's key is wrapped by RFC 3394; when its row is gone, nobody can read that holder's licences
any more, in no copy of the database. The additional data of a content name its table, its holder
and its place, so that a ciphertext cannot be moved to another licence.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from sanyuan.common.errors import SanyuanError

NONCE_BYTES = 12


class VaultError(SanyuanError):
    """What is kept cannot be opened: the secrets file is not the database's, or it was changed."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Wraps keys and encrypts contents; holds the master key only."""

    master: bytes = field(repr=False)

    def wrap(self, key: bytes) -> bytes:
        """A key as it is kept (RFC 3394)."""
        return aes_key_wrap(self.master, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped; raises VaultError."""
        try:
            return aes_key_unwrap(self.master, wrapped)
        except (InvalidUnwrap, ValueError):
            raise VaultError(
                "a key does not unwrap",
                where="var/license-exchange",
                do="restore database and secrets.json from one backup",
            ) from None


def seal(key: bytes, nonce: bytes, plaintext: bytes, place: bytes) -> bytes:
    """Nonce and ciphertext; a nonce is used once under a key."""
    return nonce + AESGCM(key).encrypt(nonce, plaintext, place)


def open_sealed(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """What was sealed at this place; raises VaultError."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise VaultError(
            "a content does not open: it was changed, or is another licence's",
            do="restore the database from its backup",
        ) from None


def place_of(holder: str, license_: str, version: int) -> bytes:
    """Table, holder and field of a version's content: the additional data."""
    return f"license_version/{holder}/{license_}/{version}/content".encode()
