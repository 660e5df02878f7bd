"""Token Status List (draft-ietf-oauth-status-list-20): two bits a credential.

The list is bytes; index 0 lies in the lowest bits of byte 0 (§4.1). A status list token is a JWT of
type ``statuslist+jwt`` by the issuer of the credentials (§5.1).
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from sanyuan.common.base64url import encode_base64url
from sanyuan.common.sdjwt import jws
from sanyuan.common.sdjwt.credential import Credential, check_times, numeric_date
from sanyuan.common.sdjwt.errors import (
    ClaimError,
    StatusError,
    UntrustedTokenError,
)
from sanyuan.common.sdjwt.json import decode_part
from sanyuan.common.sdjwt.keys import IssuerKeys, SigningJwk

TYPE: Final = "statuslist+jwt"
MEDIA_TYPE: Final = f"application/{TYPE}"
BITS: Final = 2
LEVEL: Final = 9
"""Of zlib: the highest, as §4.1 recommends."""
MAX_LIST_BYTES: Final = 16 * 1024 * 1024
_KNOWN_BITS: Final = (1, 2, 4, 8)
_BYTE: Final = 8


class Status(IntEnum):
    """§7.1: the status types that licences have."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list as it was published; ``ttl`` in seconds, if the issuer says one."""

    bits: int
    raw: bytes = field(repr=False)
    ttl: float | None = None

    def at(self, index: int) -> int:
        """The value at an index; raises StatusError beyond the end (§8.3 step 6)."""
        per_byte = _BYTE // self.bits
        place, shift = divmod(index, per_byte)
        if index < 0 or place >= len(self.raw):
            raise StatusError("the index lies beyond the list")
        return (self.raw[place] >> (shift * self.bits)) & ((1 << self.bits) - 1)


def pack(statuses: Iterable[tuple[int, Status]], size: int) -> bytes:
    """The bytes of a list of ``size`` credentials; all others are valid."""
    raw = bytearray(size * BITS // _BYTE)
    per_byte = _BYTE // BITS
    for index, status in statuses:
        place, shift = divmod(index, per_byte)
        raw[place] |= status << (shift * BITS)
    return bytes(raw)


def encode_list(raw: bytes, bits: int = BITS) -> dict[str, Any]:
    """The claim ``status_list`` (§4.2)."""
    return {"bits": bits, "lst": encode_base64url(zlib.compress(raw, LEVEL)).decode()}


def decode_list(claim: object) -> tuple[int, bytes]:
    """Bits and bytes of a ``status_list``; raises StatusError or MalformedTokenError."""
    members: Mapping[str, Any] = claim if isinstance(claim, dict) else {}
    bits, text = members.get("bits"), members.get("lst")
    if isinstance(bits, bool) or bits not in _KNOWN_BITS or not isinstance(text, str):
        raise StatusError("a status list has 1, 2, 4 or 8 bits and a list")
    return int(bits), _decompress(decode_part(text.encode()))


def _decompress(compressed: bytes) -> bytes:
    """Bounded, and nothing behind the stream: what follows would be nobody's."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(compressed, MAX_LIST_BYTES)
    except zlib.error:
        raise StatusError("the status list is not in ZLIB's format") from None
    if not inflater.eof or inflater.unused_data:
        raise StatusError("the status list is cut, too long, or followed by something")
    return raw


def sign_list(
    raw: bytes,
    *,
    uri: str,
    issuer: str,
    at: int,
    lifetime: int,
    ttl: int,
    key: SigningJwk,
) -> str:
    """A status list token made at ``at``, that lives for ``lifetime`` seconds."""
    claims = {
        "iss": issuer,
        "sub": uri,
        "iat": at,
        "exp": at + lifetime,
        "ttl": ttl,
        "status_list": encode_list(raw),
    }
    return jws.sign(claims, typ=TYPE, key=key)


def verify_list(token: str, *, uri: str, issuer: str, keys: IssuerKeys, at: float) -> StatusList:
    """The list at ``uri``, as ``issuer`` has signed it; raises SdJwtError (§8.3 steps 3 to 5)."""
    found = jws.read(token)
    if issuer not in keys:
        raise UntrustedTokenError("the issuer is not one of those that are trusted")
    jws.verify(found, typ=TYPE, keys=keys[issuer])
    claims = found.payload
    if claims.get("iss", issuer) != issuer:
        raise UntrustedTokenError("the status list is another issuer's")
    if claims.get("sub") != uri:
        raise StatusError("it is another status list", where=uri)
    if numeric_date(claims.get("iat"), "iat") > at + 60:
        raise ClaimError("it was made in the future", where="iat")
    check_times(claims, at)
    bits, raw = decode_list(claims.get("status_list"))
    return StatusList(bits, raw, _ttl(claims.get("ttl")))


def _ttl(value: object) -> float | None:
    if value is None:
        return None
    seconds = numeric_date(value, "ttl")
    if seconds <= 0:
        raise ClaimError("a lifetime is more than nothing", where="ttl")
    return seconds


def check_status(credential: Credential, token: str, keys: IssuerKeys, *, at: float) -> Status:
    """What the list says about a verified credential; raises SdJwtError.

    Values that are no status of licences are refused: nobody knows what they mean (§7.1).
    """
    reference = credential.status
    if reference is None:
        raise StatusError("the credential names no status list")
    issuer, uri = credential.issuer, reference.uri
    found = verify_list(token, uri=uri, issuer=issuer, keys=keys, at=at)
    try:
        return Status(found.at(reference.index))
    except ValueError:
        raise StatusError("a status that is not known here") from None
