"""What is made of a command's randomness and of the service's own secret: pure (ADR 0009).

Each use has a prefix of its own, so that nothing made here says anything about anything else.
"""

import hmac
from hashlib import sha256
from typing import Final

HANDLE_BYTES: Final = 16
CODE_CHARACTERS: Final = 16
"""Of 32 kinds: 80 bits, for a code that lives for minutes and is asked for by signed commands."""
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nobody mistakes one character for another."""
_MISREAD: Final = str.maketrans("OIL", "011", "- ")


def handle_of(key: bytes, type_code: str, issuer: str, serial: str) -> str:
    """How records name a licence: nobody without the key can guess it, or see the serial in it."""
    return _blind(key, "license", f"{type_code}\n{issuer}\n{serial}")[:HANDLE_BYTES].hex()


def index_of(key: bytes, code: str) -> bytes:
    """What is kept of a one-time code, however it was typed."""
    return _blind(key, "code", code.upper().translate(_MISREAD))


def fresh_code(entropy: bytes) -> str:
    """A one-time code, in groups of four for people who type."""
    number = int.from_bytes(_fresh("code", entropy), "big")
    digits = [_ALPHABET[(number >> (5 * place)) & 31] for place in range(CODE_CHARACTERS)]
    return "-".join("".join(digits[first : first + 4]) for first in range(0, CODE_CHARACTERS, 4))


def fresh_dispute(entropy: bytes) -> str:
    """A dispute's id."""
    return _fresh("dispute", entropy)[:HANDLE_BYTES].hex()


def fresh_issuer_seed(entropy: bytes) -> bytes:
    """The private bytes of an issuer key."""
    return _fresh("issuer", entropy)


def fresh_holder_key(entropy: bytes) -> bytes:
    """The key under which a holder's licences are kept."""
    return _fresh("holder-key", entropy)


def fresh_seed(entropy: bytes) -> bytes:
    """What the salts of one version of a licence come from."""
    return _fresh("salts", entropy)


def fresh_nonce(entropy: bytes) -> bytes:
    """For one encryption: 96 bits (NIST SP 800-38D §8.2.2)."""
    return _fresh("nonce", entropy)[:12]


def _fresh(use: str, entropy: bytes) -> bytes:
    return sha256(f"sanyuan-{use}-v1\n".encode() + entropy).digest()


def _blind(key: bytes, use: str, text: str) -> bytes:
    return hmac.digest(key, f"{use}\n{text}".encode(), "sha256")
