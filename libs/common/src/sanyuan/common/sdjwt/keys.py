"""Issuers' Ed25519 keys as JSON Web Keys (RFC 8037, RFC 7638, RFC 9864)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from joserfc.jwk import OKPKey

from sanyuan.common.base64url import encode_base64url
from sanyuan.common.ed25519 import public_key_of
from sanyuan.common.sdjwt.errors import MalformedTokenError, UntrustedTokenError
from sanyuan.common.sdjwt.json import decode_part, parse_object

ALGORITHM: Final = "Ed25519"
KEY_BYTES: Final = 32
WELL_KNOWN: Final = "/.well-known/jwt-vc-issuer"


def thumbprint(x: str) -> str:
    """RFC 7638 with SHA-256 of an Ed25519 key: members in this order, nothing between them."""
    canonical = f'{{"crv":"{ALGORITHM}","kty":"OKP","x":"{x}"}}'
    return encode_base64url(sha256(canonical.encode()).digest()).decode()


def public_part(seed: bytes) -> str:
    """``x`` of the key whose 32 private bytes are ``seed`` (RFC 8032 §5.1.5)."""
    return encode_base64url(public_key_of(seed)).decode()


@dataclass(frozen=True)
class SigningJwk:
    """A private issuer key; never printed."""

    seed: bytes = field(repr=False)

    @cached_property
    def x(self) -> str:
        """The public key."""
        return public_part(self.seed)

    @cached_property
    def kid(self) -> str:
        """Its thumbprint."""
        return thumbprint(self.x)

    @cached_property
    def jose(self) -> OKPKey:
        """As joserfc signs with it."""
        d = encode_base64url(self.seed).decode()
        return OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": self.x, "d": d})


def public_jwk(x: str) -> dict[str, str | list[str]]:
    """The JSON Web Key that verifies; raises MalformedTokenError unless ``x`` is 32 bytes."""
    if len(decode_part(x.encode())) != KEY_BYTES:
        raise MalformedTokenError(f"an Ed25519 key has {KEY_BYTES} bytes")
    key = {"kty": "OKP", "crv": ALGORITHM, "x": x}
    return {**key, "use": "sig", "alg": ALGORITHM, "kid": thumbprint(x)}


KeySet = Mapping[str, OKPKey]
"""``kid`` → public key, of one issuer."""
IssuerKeys = Mapping[str, KeySet]
"""``iss`` → its keys: whom a verifier trusts, and for which keys."""


def key_set(*public: str) -> KeySet:
    """The keys with these ``x``, by thumbprint; raises MalformedTokenError."""
    return {thumbprint(x): OKPKey.import_key(public_jwk(x)) for x in public}


def read_metadata(raw: bytes, issuer: str) -> KeySet:
    """The keys in an issuer's metadata document (SD-JWT VC, "JWT VC Issuer Metadata").

    Raises UntrustedTokenError when it is somebody else's, MalformedTokenError when it is none. Keys
    of kinds that we do not know are left out.
    """
    document = parse_object(raw)
    if document.get("issuer") != issuer:
        raise UntrustedTokenError("the metadata is another issuer's", where=issuer)
    jwks = document.get("jwks")
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or "jwks_uri" in document:
        raise MalformedTokenError("the metadata holds a key set by value, and no address of one")
    return dict(_known(each) for each in keys if _is_ours(each))


def _is_ours(jwk: Any) -> bool:  # noqa: ANN401  any JSON
    return (
        isinstance(jwk, dict)
        and jwk.get("kty") == "OKP"
        and jwk.get("crv") == ALGORITHM
        and isinstance(jwk.get("kid"), str)
        and isinstance(jwk.get("x"), str)
    )


def _known(jwk: Mapping[str, Any]) -> tuple[str, OKPKey]:
    return jwk["kid"], OKPKey.import_key(public_jwk(jwk["x"]))


def metadata(issuer: str, public: list[str]) -> dict[str, Any]:
    """The document that `read_metadata` reads."""
    return {"issuer": issuer, "jwks": {"keys": [public_jwk(x) for x in public]}}
