"""Issuing: RFC 9901 §4.2 and §9.3, and that a public library reads it without anything of ours."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.common.sdjwt.conftest import CLAIMS, ISSUER, KEY, encode

from sanyuan.common.sdjwt.issuing import issue
from sanyuan.common.sdjwt.keys import metadata

SEED = sha256(b"seed").digest()
FIELDS = {"name": "某某餐厅", "area": 120, "open": True}


def read(text: str) -> Any:  # noqa: ANN401  any JSON
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_a_public_library_verifies_and_reads_a_licence() -> None:
    presentation = issue(CLAIMS, FIELDS, seed=SEED, key=KEY).present({"name"})
    document = json.loads(json.dumps(metadata(ISSUER, [KEY.x])))

    signed, *disclosures, _ = presentation.split("~")
    keys = KeySet.import_key_set(document["jwks"])
    token = jwt.decode(signed, keys, algorithms=["Ed25519"])
    found = {encode(sha256(each.encode()).digest()): read(each) for each in disclosures}
    shown = {name: value for at, (_, name, value) in found.items() if at in token.claims["_sd"]}

    assert token.header == {"alg": "Ed25519", "typ": "dc+sd-jwt", "kid": KEY.kid}
    assert shown == {"name": "某某餐厅"}
    assert {**token.claims, "_sd": 0} == {**CLAIMS, "_sd": 0, "_sd_alg": "sha-256"}


def test_digests_are_sorted_and_say_not_which_claims_there_are() -> None:
    """§4.2.4.1 and §4.2.5: as many digests whether a field is there or not."""
    full = issue(CLAIMS, FIELDS, seed=SEED, key=KEY)
    short = issue(CLAIMS, {"name": "x"}, seed=SEED, key=KEY, absent=["area", "open"])
    digests = [jwt_payload(each.jwt)["_sd"] for each in (full, short)]
    assert [len(each) for each in digests] == [3, 3]
    assert all(each == sorted(each) for each in digests)
    assert all(len(text) == 43 for text in digests[1])


def jwt_payload(token: str) -> Any:  # noqa: ANN401  any JSON
    return read(token.split(".")[1])


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_salts_are_of_128_bits_and_never_the_same(first: bytes, second: bytes) -> None:
    """§9.3: a new salt for each claim, of each credential."""
    salts = [
        read(text)[0]
        for seed in {first, second}
        for text in issue(CLAIMS, FIELDS, seed=seed, key=KEY).disclosures.values()
    ]
    assert len(set(salts)) == len(salts)
    assert {len(salt) for salt in salts} == {22}


def test_the_same_credential_is_the_same_bytes() -> None:
    assert issue(CLAIMS, FIELDS, seed=SEED, key=KEY) == issue(CLAIMS, FIELDS, seed=SEED, key=KEY)


def test_nothing_that_is_hidden_is_printed() -> None:
    issued = issue(CLAIMS, FIELDS, seed=SEED, key=KEY)
    assert "餐厅" not in repr(issued)
    assert SEED.hex() not in repr(KEY)
    assert repr(KEY) == "SigningJwk()"
