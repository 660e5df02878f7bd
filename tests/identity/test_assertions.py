from base64 import b64decode, urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey

from sanyuan.common.assertions import token as reading
from sanyuan.common.directory import System
from sanyuan.common.notes import SigningKey
from sanyuan.common.sealing import SealingError, SealingKey
from sanyuan.identity.assertions import Issuer, issue
from sanyuan.identity.domain.requests import Assertion

KEY = SigningKey.generate("cn/services/identity")
ISSUER = Issuer.of(KEY)
AUDIENCE = SealingKey.generate()
ASSERTION = Assertion(
    jti="0123456789abcdef" * 2,
    audience="license-exchange",
    party="11110000000012345X",
    subject="how the department calls the person",
    holder="how the audience calls the person",
    issued_at=1_795_000_000,
    expires_at=1_795_000_600,
    purpose="food-business-licence",
    case="case",
    uses=1,
    level="two-factor",
)


def public(key: SigningKey) -> OKPKey:
    encoded = urlsafe_b64encode(key.verifier.public_key).rstrip(b"=").decode()
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoded})


def read(token: bytes, key: SigningKey = KEY) -> jwt.Token:
    return jwt.decode(token.decode(), public(key), algorithms=["Ed25519"])


def test_another_implementation_verifies_an_assertion() -> None:
    token = read(issue(ISSUER, ASSERTION, AUDIENCE.public))
    assert token.header == {"alg": "Ed25519", "kid": KEY.key_id.hex(), "typ": "JWT"}
    holder = token.claims.pop("holder")
    assert isinstance(holder, str)
    assert token.claims == {
        "iss": "//cn/services/identity",
        "aud": "license-exchange",
        "azp": "11110000000012345X",
        "sub": ASSERTION.subject,
        "jti": ASSERTION.jti,
        "iat": 1_795_000_000,
        "exp": 1_795_000_600,
        "purpose": "food-business-licence",
        "case": "case",
        "uses": 1,
        "level": "two-factor",
    }


def test_an_assertion_of_another_key_or_changed_is_refused() -> None:
    token = issue(ISSUER, ASSERTION, AUDIENCE.public)
    with pytest.raises(BadSignatureError):
        read(token, SigningKey.generate("cn/services/identity"))
    head, claims, signature = token.split(b".")
    with pytest.raises(BadSignatureError):
        read(b".".join((head, claims[:-4] + b"AAAA", signature)))


def open_holder(key: SealingKey, holder: object, *, jti: str = ASSERTION.jti) -> bytes:
    assert isinstance(holder, str)
    sealed = b64decode(holder, validate=True)
    return key.open(sealed, source="//cn/services/identity", topic="license-exchange", name=jti)


def test_the_holder_is_for_the_audience_alone_and_looks_different_each_time() -> None:
    tokens = [read(issue(ISSUER, ASSERTION, AUDIENCE.public)) for _ in range(2)]
    first, second = (token.claims["holder"] for token in tokens)
    assert first != second
    assert (
        open_holder(AUDIENCE, first)
        == open_holder(AUDIENCE, second)
        == b"" + (ASSERTION.holder.encode())
    )
    with pytest.raises(SealingError):
        open_holder(SealingKey.generate(), first)


def test_a_holder_cannot_be_moved_into_another_assertion() -> None:
    holder = read(issue(ISSUER, ASSERTION, AUDIENCE.public)).claims["holder"]
    with pytest.raises(SealingError):
        open_holder(AUDIENCE, holder, jti="f" * 32)


def test_the_services_that_accept_assertions_read_what_is_issued_here() -> None:
    identity = System(
        source=ISSUER.source,
        name="identity",
        role="service",
        participant=None,
        inbox=None,
        node="identity",
        operated_by=None,
        sealing_key="",
        suite="",
        keys={KEY.key_id: KEY.verifier},
    )
    token = issue(ISSUER, ASSERTION, AUDIENCE.public)
    read = reading.read_assertion(token, identity, "license-exchange")
    assert not isinstance(read, reading.AssertionRefusal)
    assert (read.party, read.subject) == (ASSERTION.party, ASSERTION.subject)
    assert reading.open_holder(read, AUDIENCE) == ASSERTION.holder
