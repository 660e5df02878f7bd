"""Pseudonyms and blind indexes: how identity speaks of a person without saying who.

A pseudonym is HMAC-SHA256(key of its audience, the person's random secret): two audiences cannot
join their data on it, and without the secret nobody can compute it again. A blind index is
HMAC-SHA256 under another key: equality can be looked up in a table, the number cannot be read.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

_AUDIENCE: Final = b"sanyuan-pseudonym-v1\n"


@dataclass(frozen=True, slots=True)
class Keys:
    """The service's own secrets, 32 bytes each."""

    pseudonyms: bytes = field(repr=False)
    blind_index: bytes = field(repr=False)


def person_index(keys: Keys, number: str) -> bytes:
    """Blind index of a citizen number."""
    return hmac.digest(keys.blind_index, b"person\n" + number.encode(), "sha256")


def organisation_index(keys: Keys, code: str) -> bytes:
    """Blind index of a credit code."""
    return hmac.digest(keys.blind_index, b"organisation\n" + code.encode(), "sha256")


def pseudonym(keys: Keys, audience: str, secret: bytes) -> str:
    """A person for one audience (``participant/<code>`` or ``service/<name>``): 43 characters."""
    raw = hmac.digest(_audience_key(keys.pseudonyms, audience), secret, "sha256")
    return urlsafe_b64encode(raw)[:-1].decode()


@lru_cache(maxsize=4096)
def _audience_key(master: bytes, audience: str) -> bytes:
    return hmac.digest(master, _AUDIENCE + audience.encode(), "sha256")


def fresh_secret(entropy: bytes) -> bytes:
    """A person's secret, from the randomness of the command that verified them first."""
    return sha256(b"sanyuan-secret-v1\n" + entropy).digest()


def fresh_jti(entropy: bytes) -> str:
    """An assertion's random name, 32 hex digits; says nothing about the secret."""
    return sha256(b"sanyuan-jti-v1\n" + entropy).hexdigest()[:32]
