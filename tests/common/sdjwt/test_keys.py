"""Issuers' keys: thumbprints by RFC 7638, metadata documents of SD-JWT VC."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from tests.common.sdjwt.conftest import ISSUER, KEY, OTHER

from sanyuan.common.sdjwt.errors import MalformedTokenError, SdJwtError, UntrustedTokenError
from sanyuan.common.sdjwt.keys import (
    SigningJwk,
    key_set,
    metadata,
    public_jwk,
    read_metadata,
    thumbprint,
)


def test_the_thumbprint_is_the_one_of_the_rfc() -> None:
    """RFC 8037 A.1 and A.3."""
    key = SigningJwk(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_another_implementation_has_the_same_thumbprint() -> None:
    key = OKPKey.import_key(public_jwk(KEY.x))
    assert key.thumbprint() == KEY.kid == thumbprint(KEY.x)


def test_the_metadata_of_an_issuer_hold_its_keys() -> None:
    raw = json.dumps(metadata(ISSUER, [KEY.x, OTHER.x])).encode()
    assert read_metadata(raw, ISSUER).keys() == key_set(KEY.x, OTHER.x).keys()
    assert b'"d"' not in raw


def test_keys_of_other_kinds_are_left_out() -> None:
    document = metadata(ISSUER, [KEY.x])
    document["jwks"]["keys"] += [{"kty": "EC", "crv": "P-256", "kid": "1"}, "text", {}]
    assert read_metadata(json.dumps(document).encode(), ISSUER).keys() == {KEY.kid}


def test_metadata_of_another_issuer_are_not_used() -> None:
    """SD-JWT VC, "JWT VC Issuer Metadata Validation"."""
    raw = json.dumps(metadata(ISSUER, [KEY.x])).encode()
    for other in (ISSUER + "/", ISSUER.upper(), ""):
        with pytest.raises(UntrustedTokenError):
            read_metadata(raw, other)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks": []},
        {"issuer": ISSUER, "jwks": {"keys": {}}},
        {"issuer": ISSUER, "jwks_uri": "https://exchange.example/keys"},
        {"issuer": ISSUER, "jwks": {"keys": []}, "jwks_uri": "https://exchange.example/keys"},
        {
            "issuer": ISSUER,
            "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "AA"}]},
        },
    ],
)
def test_metadata_hold_keys_by_value_or_are_none(document: dict[str, Any]) -> None:
    with pytest.raises(SdJwtError):
        read_metadata(json.dumps(document).encode(), ISSUER)


def test_a_key_of_another_length_is_none() -> None:
    with pytest.raises(MalformedTokenError):
        public_jwk("AA")
