"""Whether licence fields leave under a grant: never without one that counts, and an assertion.

Whatever refuses comes first, cheapest first; what passes is metered at once, the grant and the
assertion together, so that no refusal costs anything (design §9, invariant 4).
"""

from typing import Final

from sanyuan.common.contracts.license_exchange import METADATA
from sanyuan.license_exchange.decide.desk import NOT_PROVEN, Desk
from sanyuan.license_exchange.domain.answers import Pick, Shared, SharingRefused
from sanyuan.license_exchange.domain.grants import Grant, has_quota, meter
from sanyuan.license_exchange.domain.licenses import License
from sanyuan.license_exchange.domain.lifecycle import ALIVE
from sanyuan.license_exchange.domain.requests import Ask, Share, Shown
from sanyuan.license_exchange.domain.types import TypeRevision, definer_of

MAX_PICKS: Final = 8
"""Licences in one answer: with the largest contents they stay below an attachment's limit."""
MAX_OTHERS: Final = 1000


def share(desk: Desk, request: Share) -> Shared | SharingRefused:
    """Pick what the grant allows, and meter it."""
    grant = desk.grant(request.grant)
    refusal = _refuse_grant(grant, request) or _refuse_fields(desk, grant, request)
    if grant is None or refusal is not None:
        return refusal or _NO_GRANT
    shown = desk.prove(request.proof, request.ask, request.purpose)
    if not isinstance(shown, Shown):
        return SharingRefused(shown, NOT_PROVEN[shown])
    if not has_quota(grant):
        return SharingRefused("quota", "the grant is used up: request another")
    metered = meter(grant, request.ask.at, desk.rules.burst_seconds)
    if metered is None:
        return SharingRefused("rate", "too many requests at once: ask more slowly")
    desk.changes.grants[request.grant] = metered
    desk.take(shown, request.ask)
    return _pick(desk, request, shown.holder)


def pick(desk: Desk, name: str, found: License, fields: frozenset[str], ask: Ask) -> Pick | None:
    """What leaves of a licence, and who relies on it from here on."""
    version = desk.version(name, found.version)
    if version is None:
        return None
    desk.rely(name, ask.system)
    return Pick(
        license=name,
        type=found.type,
        issuer=found.issuer,
        version=found.version,
        state=found.state_at(ask.at),
        kid=version.kid,
        place=found.place,
        names=fields,
        content=version.content,
    )


def unknown_fields(kind: TypeRevision, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those that neither the type nor GB/T 36903 has."""
    known = {*METADATA, *(item.name for item in kind.type.fields)}
    return tuple(name for name in fields if name not in known)


_NO_GRANT: Final = SharingRefused("unknown-grant", "no grant on a licence type has this id")


def _refuse_grant(grant: Grant | None, request: Share) -> SharingRefused | None:  # noqa: PLR0911  one row per reason
    if grant is None:
        return _NO_GRANT
    if grant.grantee != request.ask.participant:
        return SharingRefused("not-yours", "the grant is another participant's")
    if grant.has_ended:
        return SharingRefused("grant-revoked", "the grant was revoked")
    if grant.until <= request.ask.at:
        return SharingRefused("grant-expired", "the grant has run out: request another")
    if grant.type != request.type:
        return SharingRefused("wrong-type", "the grant is on another licence type")
    if grant.provider != definer_of(grant.type):
        return SharingRefused(
            "wrong-provider", "the resource is not provided by the definer of the licence type"
        )
    if grant.purpose != request.purpose:
        return SharingRefused("wrong-purpose", "the grant is for another purpose")
    return None


def _refuse_fields(desk: Desk, grant: Grant | None, request: Share) -> SharingRefused | None:
    granted = grant.fields if grant is not None else frozenset()
    if ungranted := tuple(name for name in request.fields if name not in granted):
        return SharingRefused("field-not-granted", "the grant does not name them", ungranted)
    kind = desk.type(request.type)
    if kind is None:
        return SharingRefused("unknown-type", "no such licence type is registered")
    if unknown := unknown_fields(kind, request.fields):
        return SharingRefused("unknown-field", "the licence type does not have them", unknown)
    return None


def _pick(desk: Desk, request: Share, holder: str) -> Shared:
    """The holder's licences of the type that can be relied on, or are suspended, by name."""
    ask, fields = request.ask, frozenset(request.fields)
    alive = [
        (name, found)
        for name, found in desk.filed(holder)
        if found.type == request.type
        and found.state_at(ask.at) in ALIVE
        and request.license in (None, name)
    ]
    picks = [pick(desk, name, found, fields, ask) for name, found in alive[:MAX_PICKS]]
    return Shared(
        type=request.type,
        grant=request.grant,
        fields=request.fields,
        picks=tuple(each for each in picks if each is not None),
        others=tuple(name for name, _ in alive[MAX_PICKS : MAX_PICKS + MAX_OTHERS]),
    )
