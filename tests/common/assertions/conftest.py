"""Identity's side, rebuilt from the design alone: claims, a header, a signature."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from tests.common.conftest import FOOD, IDENTITY, signing, system_file

from sanyuan.common.notes import SigningKey, parse_signature

AUDIENCE: Final = "license-exchange"
EXCHANGE: Final = "//cn/services/license-exchange"
OWN: Final = system_file(EXCHANGE).sealing
PARTY: Final = FOOD.split("/")[4]
JTI: Final = "0123456789abcdef" * 2
ISSUED: Final = 1_795_000_000
HOLDER: Final = "how the exchange calls the person"
KEY: Final = signing(IDENTITY)


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def seal_holder(jti: str = JTI, holder: str = HOLDER) -> str:
    sealed = OWN.public.seal(holder.encode(), source=IDENTITY, topic=AUDIENCE, name=jti)
    return b64encode(sealed).decode()


def claims(**other: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    made: dict[str, Any] = {
        "iss": IDENTITY,
        "aud": AUDIENCE,
        "azp": PARTY,
        "sub": "how the department calls the person",
        "holder": "",
        "jti": JTI,
        "iat": ISSUED,
        "exp": ISSUED + 600,
        "purpose": "food-business-licence",
        "case": "case",
        "uses": 2,
        "level": "two-factor",
    } | other
    made["holder"] = made["holder"] or seal_holder(made["jti"])
    return {name: value for name, value in made.items() if value is not None}


def sign(
    payload: Mapping[str, Any], key: SigningKey = KEY, header: Mapping[str, Any] | None = None
) -> bytes:
    head = {"alg": "Ed25519", "kid": key.key_id.hex(), "typ": "JWT"} | dict(header or {})
    head = {name: value for name, value in head.items() if value is not None}
    signed = f"{encode(json.dumps(head).encode())}.{encode(json.dumps(dict(payload)).encode())}"
    _, _, signature = parse_signature(key.sign(signed.encode()))
    return f"{signed}.{encode(signature)}".encode()
