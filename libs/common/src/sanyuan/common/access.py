"""Leave to read over HTTP: a JWT of one minute under a registered key (design §8, ADR 0032).

The token says who reads (`iss`, a source), from whom (`aud`, the service's source) and when (`iat`,
`exp`); what the reader may see is the service's to decide. It is sent as a bearer token (RFC 6750)
and can be replayed by whoever sees it within its minute: production puts TLS in front. Pure.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.directory import Directory, System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.jwt import claims_of, sign_token, verify_token
from sanyuan.common.notes import NoteError, SigningKey

TYPE: Final = "read+jwt"
LIFETIME_SECONDS: Final = 60
PARTIAL: Final = "Sanyuan-View"
"""Header of an answer in which what its reader may not see is blank; `own` is its value."""
SKEW_SECONDS: Final = 5
"""How far the reader's clock may be from the service's."""

_Seconds = Annotated[int, Field(ge=0, lt=2**40)]


class AccessError(SanyuanError):
    """The token gives no leave to read."""


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    iss: str
    aud: str
    iat: _Seconds
    exp: _Seconds


def service_source(domain: str, name: str) -> str:
    """Return the source of a service: the `aud` of what is sent to it."""
    return f"//{domain}/services/{name}"


def make_token(key: SigningKey, audience: str, now: float) -> str:
    """Return a token of the system whose record key this is; `now` in seconds since 1970."""
    at = int(now)
    claims = {"iss": f"//{key.name}", "aud": audience, "iat": at, "exp": at + LIFETIME_SECONDS}
    return sign_token(claims, key, typ=TYPE).decode()


def read_token(token: str, directory: Directory, service: str, now: float) -> System:
    """Return the registered system that a token for the service named `service` is of.

    Raises AccessError, which says what is wrong and never quotes the token.
    """
    try:
        raw = token.encode("ascii")
        said = _Claims.model_validate_json(claims_of(raw))
        reader = directory.systems.get(said.iss)
        if reader is None:
            raise AccessError("the reader is not registered")
        verify_token(raw, reader, typ=TYPE)
    except (ValueError, NoteError, ValidationError):
        raise AccessError("the token is not signed under a registered key of its issuer") from None
    founding = directory.founding
    if founding is None or said.aud != service_source(founding.domain, service):
        raise AccessError("the token is for somebody else")
    if not 0 < said.exp - said.iat <= LIFETIME_SECONDS:
        raise AccessError(f"a token is good for {LIFETIME_SECONDS} s at most")
    if not said.iat - SKEW_SECONDS <= now < said.exp + SKEW_SECONDS:
        raise AccessError("the token's minute is over, or not yet begun: compare the clocks")
    return reader
