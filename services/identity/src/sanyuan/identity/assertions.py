"""Assertions: what identity says about a person or an organisation, for one service (design §5).

A compact JWS (RFC 7515) over JWT claims, ``alg`` ``Ed25519`` (RFC 9864), signed with identity's
record key; ``kid`` is its hex key id. ``holder`` is the base64 of an HPKE ciphertext, fresh each
time, so that two assertions about one person do not look alike to whoever passes them on.

Assembled here, because joserfc needs 80 µs for what takes 55 with libsodium, on the hottest path of
the domain; the tests verify with joserfc.
A JWS and a record cannot be taken for each other: a record's signed text ends in a newline.
"""

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

import orjson

from sanyuan.common.notes import SigningKey, parse_signature
from sanyuan.common.sealing import PublicSealingKey
from sanyuan.identity.domain.requests import Assertion

ALGORITHM: Final = "Ed25519"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Identity as the issuer: its source and its record key."""

    source: str
    key: SigningKey
    header: bytes

    @classmethod
    def of(cls, key: SigningKey) -> "Issuer":
        """The issuer that signs records with ``key``."""
        header = {"alg": ALGORITHM, "kid": key.key_id.hex(), "typ": "JWT"}
        return cls(f"//{key.name}", key, _encode(orjson.dumps(header)))


def issue(issuer: Issuer, assertion: Assertion, audience: PublicSealingKey) -> bytes:
    """The signed JWT as ASCII; 180 µs, of which sealing ``holder`` takes 120 and signing 30."""
    claims = {
        "iss": issuer.source,
        "aud": assertion.audience,
        "azp": assertion.party,
        "sub": assertion.subject,
        "holder": seal_holder(issuer, assertion, audience),
        "jti": assertion.jti,
        "iat": assertion.issued_at,
        "exp": assertion.expires_at,
        "purpose": assertion.purpose,
        "case": assertion.case,
        "uses": assertion.uses,
        "level": assertion.level,
    }
    signed = issuer.header + b"." + _encode(orjson.dumps(claims))
    _, _, signature = parse_signature(issuer.key.sign(signed))
    return signed + b"." + _encode(signature)


def seal_holder(issuer: Issuer, assertion: Assertion, audience: PublicSealingKey) -> str:
    """Padded base64 of the holder sealed to the audience.

    The ``info`` is that of attachments with identity's source, the audience's name as topic and the
    ``jti`` as attachment, so that a holder cannot be moved into another assertion.
    """
    sealed = audience.seal(
        assertion.holder.encode(),
        source=issuer.source,
        topic=assertion.audience,
        name=assertion.jti,
    )
    return b64encode(sealed).decode()


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
