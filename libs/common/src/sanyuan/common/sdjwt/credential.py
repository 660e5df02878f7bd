"""Verifying a presentation: an SD-JWT VC without key binding (RFC 9901 §7, SD-JWT VC).

Licences name no key of their holder, so key binding is neither required nor taken: a presentation
with a key-binding JWT is refused, whatever it says (RFC 9901 §7.3 step 1).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sanyuan.common.sdjwt import jws
from sanyuan.common.sdjwt.errors import ClaimError, MalformedTokenError, UntrustedTokenError
from sanyuan.common.sdjwt.issuing import TYPE
from sanyuan.common.sdjwt.keys import IssuerKeys
from sanyuan.common.sdjwt.processing import has_digests, process

MAX_PRESENTATION_BYTES: Final = 1024 * 1024
REQUIRED: Final = frozenset({"iss", "vct", "status"})
# SD-JWT VC, "Registered JWT Claims": these and what is in them are never disclosed selectively.
NEVER_DISCLOSED: Final = frozenset(
    {"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status", "aud"}
)


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of a credential stands."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Credential:
    """What an issuer says, as far as it was disclosed; its status is still to be checked."""

    issuer: str
    type: str
    kid: str
    claims: Mapping[str, Any] = field(repr=False)
    status: StatusReference | None = None


def verify_credential(
    presentation: str,
    keys: IssuerKeys,
    *,
    at: float,
    vct: str | None = None,
    required: Collection[str] = REQUIRED,
) -> Credential:
    """Verify at ``at`` (seconds since 1970 UTC), under the keys of trusted issuers.

    ``vct`` is the type that is expected, ``required`` the claims that must be there. Raises
    SdJwtError. The status is checked with `sanyuan.common.sdjwt.statuslist.check_status`.
    """
    token, disclosures = _split(presentation)
    found = jws.read(token)
    issuer = found.payload.get("iss")
    if not isinstance(issuer, str) or issuer not in keys:
        raise UntrustedTokenError("the issuer is not one of those that are trusted")
    kid = jws.verify(found, typ=TYPE, keys=keys[issuer])
    _check_placement(found.payload)
    processed = process(found.payload, disclosures)
    if hidden := NEVER_DISCLOSED & processed.disclosed:
        raise ClaimError("this claim is never disclosed selectively", where=min(hidden))
    claims = processed.claims
    _check_claims(claims, at, required, vct)
    return Credential(issuer, claims["vct"], kid, claims, _status(claims.get("status")))


def _split(presentation: str) -> tuple[str, list[str]]:
    """Step 1; the last part of an SD-JWT is empty (RFC 9901 §4)."""
    if len(presentation) > MAX_PRESENTATION_BYTES or not presentation.isascii():
        raise MalformedTokenError("a presentation is a text of at most 1 MiB")
    token, *disclosures = presentation.split("~")
    if not disclosures:
        raise MalformedTokenError("an SD-JWT ends in a tilde")
    if disclosures.pop():
        raise MalformedTokenError("a key-binding JWT where none is taken")
    if not all(disclosures):
        raise MalformedTokenError("an empty disclosure")
    return token, disclosures


def _check_placement(payload: Mapping[str, Any]) -> None:
    for name in NEVER_DISCLOSED & payload.keys():
        if has_digests(payload[name]):
            raise ClaimError("parts of this claim are never disclosed selectively", where=name)


def _check_claims(
    claims: Mapping[str, Any], at: float, required: Collection[str], vct: str | None
) -> None:
    """Step 6: only what was found in the processed payload counts (RFC 9901 §9.7)."""
    missing = sorted({"iss", "vct", *required} - claims.keys())
    if missing:
        raise ClaimError("a claim is missing", where=missing[0])
    kind = claims["vct"]
    if not isinstance(kind, str) or (vct is not None and kind != vct):
        raise ClaimError("the credential is of another type", where="vct")
    if "aud" in claims:
        raise ClaimError("the credential is for somebody else", where="aud")
    check_times(claims, at)


def check_times(claims: Mapping[str, Any], at: float) -> None:
    """RFC 7519 §4.1.4 and §4.1.5; raises ClaimError."""
    end, begin = claims.get("exp"), claims.get("nbf")
    if end is not None and numeric_date(end, "exp") <= at:
        raise ClaimError("it has expired", where="exp")
    if begin is not None and numeric_date(begin, "nbf") > at:
        raise ClaimError("it is not valid yet", where="nbf")


def numeric_date(value: object, name: str) -> float:
    """Seconds since 1970 UTC; raises ClaimError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClaimError("not a number of seconds", where=name)
    return value


def _status(value: object) -> StatusReference | None:
    """Token Status List §6.2."""
    if value is None:
        return None
    reference = value.get("status_list") if isinstance(value, dict) else None
    if not isinstance(reference, dict):
        raise ClaimError("no status list that we know", where="status")
    uri, index = reference.get("uri"), reference.get("idx")
    if not isinstance(uri, str) or isinstance(index, bool) or not isinstance(index, int):
        raise ClaimError("a status has a URI and an index", where="status")
    if index < 0 or not uri:
        raise ClaimError("a status has a URI and an index", where="status")
    return StatusReference(uri, index)
