"""An issuer of licences, and a forger who signs whatever he likes with any key."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import OKPKey

from sanyuan.common.sdjwt.keys import IssuerKeys, SigningJwk, key_set

ISSUER: Final = "https://exchange.example/issuers/11100000000013338W"
VCT: Final = "https://exchange.example/license-types/11100000000013338W032"
LIST: Final = "https://exchange.example/status-lists/1"
AT: Final = 1_795_000_000
KEY: Final = SigningJwk(sha256(b"issuer").digest())
OTHER: Final = SigningJwk(sha256(b"somebody else").digest())
KEYS: Final[IssuerKeys] = {ISSUER: key_set(KEY.x)}
STATUS: Final = {"status_list": {"idx": 3, "uri": LIST}}
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "vct": VCT,
    "nbf": AT - 1000,
    "exp": AT + 1000,
    "status": STATUS,
}


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def disclose(*elements: object) -> str:
    return encode(json.dumps(elements, ensure_ascii=False).encode())


def digest(disclosure: str) -> str:
    return encode(sha256(disclosure.encode()).digest())


def sign(
    payload: Mapping[str, Any] | bytes,
    key: SigningJwk = KEY,
    *,
    typ: str | None = "dc+sd-jwt",
    **header: Any,  # noqa: ANN401  any JSON
) -> str:
    """A JWS as joserfc makes it, valid or not."""
    head = {"alg": "Ed25519", "typ": typ, "kid": key.kid} | header
    head = {name: value for name, value in head.items() if value is not None}
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    private: OKPKey = key.jose
    return jws.serialize_compact(head, text, private, algorithms=["Ed25519"])


def present(payload: Mapping[str, Any], *disclosures: str) -> str:
    return "~".join([sign({**CLAIMS, **payload}), *disclosures, ""])
