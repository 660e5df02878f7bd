"""Reading an identity assertion: a compact JWS that identity signed for one service (design §5).

Invariants: an `Assertion` that exists was signed by the registered identity service, under a key of
it that is not revoked, for the audience that reads it. Whether it still counts at an instant, and
for whom, is decided by `sanyuan.common.assertions.uses`.

Signatures are checked by libsodium through `notes`, as those of records are; ADR 0016 says why not
with a JOSE library. Nothing here quotes what it was given.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sanyuan.common.contracts.identity import MAX_LIFETIME_SECONDS, Jti, Level
from sanyuan.common.contracts.message import CreditCode
from sanyuan.common.directory import Directory, DirectoryError, System
from sanyuan.common.jwt import verify_token
from sanyuan.common.notes import NoteError, decode_base64
from sanyuan.common.sealing import SealingError, SealingKey

ISSUER: Final = "identity"
TYPE: Final = "JWT"
_SECOND: Final = 1_000_000
_OF_ORGANISATIONS: Final = frozenset({"name-and-code", "with-representative"})


class AssertionRefusal(StrEnum):
    """Why an assertion does not count; the reasons that decisions carry."""

    INVALID = "assertion-invalid"
    NOT_FOR_YOU = "assertion-not-for-you"
    EXPIRED = "assertion-expired"
    REVOKED = "assertion-revoked"
    USED_UP = "assertion-used-up"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What identity says; ``expires_at`` in µs since 1970 UTC.

    ``party`` is the participant that obtained it and alone may show it, ``subject`` how identity
    calls the holder for that participant, ``sealed_holder`` the holder for the audience.
    """

    issuer: str
    audience: str
    party: str
    jti: str
    expires_at: int
    purpose: str
    case: str
    uses: int
    level: Level
    subject: str = field(repr=False)
    sealed_holder: str = field(repr=False)

    @property
    def is_of_organisation(self) -> bool:
        """Whether the holder is a credit code, not a person's pseudonym."""
        return self.level in _OF_ORGANISATIONS


class _Claims(BaseModel):
    """The claims of design §5 and ADR 0016; others are ignored (RFC 7519 §4)."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    iss: str
    aud: str
    azp: CreditCode
    sub: str
    holder: str
    jti: Jti
    iat: Annotated[int, Field(ge=0)]
    exp: Annotated[int, Field(ge=0, lt=2**40)]
    purpose: str
    case: str
    uses: Annotated[int, Field(ge=1)]
    level: Level


_CLAIMS: Final = TypeAdapter(_Claims)


class AssertionReader:
    """Reads the assertions of one batch for one service; the same token is verified once."""

    __slots__ = ("_audience", "_identity", "_read")

    def __init__(self, directory: Directory, audience: str) -> None:
        self._audience = audience
        self._identity = _issuer(directory)
        self._read: dict[bytes, Assertion | AssertionRefusal] = {}

    def read(self, token: bytes | None) -> Assertion | AssertionRefusal:
        """The assertion, `INVALID`, or `NOT_FOR_YOU` when it is another service's."""
        if token is None:
            return AssertionRefusal.INVALID
        found = self._read.get(token)
        if found is None:
            found = self._read[token] = read_assertion(token, self._identity, self._audience)
        return found


def read_assertion(
    token: bytes, identity: System | None, audience: str
) -> Assertion | AssertionRefusal:
    """Verify a compact JWS under the keys of ``identity``; 55 µs, of which the signature 45."""
    if identity is None:
        return AssertionRefusal.INVALID
    try:
        claims = _CLAIMS.validate_json(verify_token(token, identity, typ=TYPE))
    except (ValueError, NoteError):  # of base64, JSON, claims, and the signature's
        return AssertionRefusal.INVALID
    if claims.iss != identity.source or not _is_bounded(claims):
        return AssertionRefusal.INVALID
    if claims.aud != audience:
        return AssertionRefusal.NOT_FOR_YOU
    return _assertion(claims)


def open_holder(assertion: Assertion, key: SealingKey) -> str | None:
    """How the audience calls the holder; None when it was not sealed to ``key`` (ADR 0001)."""
    try:
        return key.open(
            decode_base64(assertion.sealed_holder),
            source=assertion.issuer,
            topic=assertion.audience,
            name=assertion.jti,
        ).decode()
    except (NoteError, SealingError, UnicodeDecodeError):
        return None


def _issuer(directory: Directory) -> System | None:
    try:
        return directory.service(ISSUER)
    except DirectoryError:
        return None


def _is_bounded(claims: _Claims) -> bool:
    return 0 < claims.exp - claims.iat <= MAX_LIFETIME_SECONDS


def _assertion(claims: _Claims) -> Assertion:
    return Assertion(
        issuer=claims.iss,
        audience=claims.aud,
        party=claims.azp,
        jti=claims.jti,
        expires_at=claims.exp * _SECOND,
        purpose=claims.purpose,
        case=claims.case,
        uses=claims.uses,
        level=claims.level,
        subject=claims.sub,
        sealed_holder=claims.holder,
    )
