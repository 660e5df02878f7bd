"""Sealed attachments: what only one system may read (design §3, RFC 9180).

HPKE base mode, X25519, HKDF-SHA256, AES-256-GCM, single shot, empty AAD; the header's bytes are
``enc ‖ ciphertext``. ``info`` binds a ciphertext to its record's source, topic and name, so that it
cannot be moved into someone else's record.
"""

import hashlib
from base64 import b64decode, b64encode
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from sanyuan.common.errors import SanyuanError

SUITE_NAME: Final = "hpke-x25519-hkdf-sha256-aes-256-gcm"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(32))
KEY_BYTES: Final = 32
MAX_ATTACHMENT_BYTES: Final = 512 * 1024
HEADER_PREFIX: Final = "sealed-"


class SealingError(SanyuanError):
    """An attachment cannot be sealed, or cannot be opened by this key in this place."""


class SealingKey:
    """An X25519 private key with its public half."""

    __slots__ = ("_private", "key_id", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = PublicSealingKey(private.public_key().public_bytes_raw())
        self.key_id = self.public.key_id

    @classmethod
    def from_base64(cls, text: str) -> "SealingKey":
        """Read the 32 private bytes of a system file; raises SealingError."""
        return cls(X25519PrivateKey.from_private_bytes(_decode_key(text)))

    @classmethod
    def generate(cls) -> "SealingKey":
        """A new key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    def to_base64(self) -> str:
        """The 32 private bytes, as a system file holds them."""
        return b64encode(self._private.private_bytes_raw()).decode()

    def open(self, sealed: bytes, *, source: str, topic: str, name: str) -> bytes:
        """Return the plaintext; raises SealingError when it was cut, moved or meant for another."""
        info = seal_info(source, topic, name, self.key_id)
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError):
            raise SealingError(
                "the attachment does not open: changed, moved, or sealed to another key",
                where=name,
                do=f"seal it to the key {self.key_id} with the info of this very record",
            ) from None


class PublicSealingKey:
    """An X25519 public key; ``key_id`` is the hex of the first 8 bytes of its SHA-256.

    Raises SealingError for a point of low order, to which nothing can be sealed (RFC 7748 §6.1).
    """

    __slots__ = ("_public", "key_id", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._public = X25519PublicKey.from_public_bytes(raw)
        try:
            _PROBE.exchange(self._public)
        except ValueError:
            raise SealingError("nothing can be sealed to this key: its order is low") from None
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def from_base64(cls, text: str) -> "PublicSealingKey":
        """Read a registered ``sealing_key``; raises SealingError."""
        return cls(_decode_key(text))

    def to_base64(self) -> str:
        """As it is registered on ``participants``."""
        return b64encode(self.raw).decode()

    def seal(self, plaintext: bytes, *, source: str, topic: str, name: str) -> bytes:
        """Return ``enc ‖ ciphertext`` (48 bytes longer than the plaintext), 100 µs each."""
        return _SUITE.encrypt(plaintext, self._public, seal_info(source, topic, name, self.key_id))


def seal_info(source: str, topic: str, name: str, key_id: str) -> bytes:
    """HPKE ``info``; ``topic`` is the signed topic, ``name`` the attachment's."""
    return f"sanyuan-seal-v1\n{source}\n{topic}\n{name}\n{key_id}".encode()


def digest(sealed: bytes) -> str:
    """How the value names a ciphertext."""
    return "sha256:" + hashlib.sha256(sealed).hexdigest()


def reference(sealed: bytes) -> dict[str, Any]:
    """What stands in ``data`` under the attachment's name."""
    return {"sealed": digest(sealed)}


def _decode_key(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES or b64encode(raw).decode() != text:
        raise SealingError("a sealing key is the padded standard base64 of 32 bytes")
    return raw
