"""Leave to read is a signed minute for one service, and nothing else is leave."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OKPKey
from tests.common.conftest import AGENCY, FOOD, World, signing

from sanyuan.common.access import TYPE, AccessError, make_token, read_token
from sanyuan.common.base64url import encode_base64url
from sanyuan.common.jwt import sign_token

AUDIT = "//cn/services/audit"
NOW = 1_795_000_000.5
CLAIMS = {"iss": FOOD, "aud": AUDIT, "iat": int(NOW), "exp": int(NOW) + 60}


def token(typ: str = TYPE, source: str = FOOD, **other: Any) -> str:  # noqa: ANN401  any JSON
    claims = {name: value for name, value in (CLAIMS | other).items() if value is not None}
    return sign_token(claims, signing(source), typ=typ).decode()


@pytest.mark.parametrize("later", [-5.0, 0.0, 59.0, 64.0])
def test_a_token_is_leave_for_its_minute(world: World, later: float) -> None:
    made = make_token(signing(FOOD), AUDIT, NOW)
    assert read_token(made, world.directory, "audit", NOW + later).source == FOOD


def test_another_implementation_reads_our_token() -> None:
    raw = signing(FOOD).verifier.public_key
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(raw).decode()})
    read = jwt.decode(make_token(signing(FOOD), AUDIT, NOW), key, algorithms=["Ed25519"])
    assert read.claims == CLAIMS
    assert read.header == {"alg": "Ed25519", "kid": signing(FOOD).key_id.hex(), "typ": "read+jwt"}


@pytest.mark.parametrize(
    "other",
    [
        {"aud": "//cn/services/catalog"},
        {"aud": "//gd/services/audit"},
        {"aud": "audit"},
        {"aud": None},
        {"iss": AGENCY},
        {"iss": "//cn/departments/11110000000012345X/unknown"},
        {"exp": int(NOW) + 61},
        {"exp": int(NOW)},
        {"exp": "soon"},
        {"exp": None},
        {"iat": None},
        {"iat": int(NOW) - 70, "exp": int(NOW) - 10},
        {"iat": int(NOW) + 10, "exp": int(NOW) + 60},
    ],
)
def test_anything_else_is_none(world: World, other: dict[str, Any]) -> None:
    with pytest.raises(AccessError):
        read_token(token(**other), world.directory, "audit", NOW)


def test_an_identity_assertion_is_none(world: World) -> None:
    with pytest.raises(AccessError):
        read_token(token(typ="JWT"), world.directory, "audit", NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 400), byte=st.integers(0, 127))
def test_a_changed_token_is_none(world: World, at: int, byte: int) -> None:
    good = token()
    at %= len(good)
    bad = good[:at] + chr(byte) + good[at + 1 :]
    if bad != good:
        with pytest.raises(AccessError):
            read_token(bad, world.directory, "audit", NOW)


@pytest.mark.parametrize("bad", ["", "..", "a.b.c", "é", "x" * 10_000])
def test_nonsense_is_none(world: World, bad: str) -> None:
    with pytest.raises(AccessError):
        read_token(bad, world.directory, "audit", NOW)
