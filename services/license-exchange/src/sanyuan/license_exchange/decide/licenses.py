"""Decisions on licences: whatever refuses comes first, most general first; then all is written."""

from typing import Final, NamedTuple

from sanyuan.common.license_identifiers import MAX_VERSION
from sanyuan.common.sdjwt.statuslist import Status
from sanyuan.license_exchange.decide.desk import NOT_PROVEN, Desk
from sanyuan.license_exchange.domain.answers import (
    Changed,
    Erased,
    ErasureRefused,
    Issued,
    LicenseRefused,
    Renewed,
)
from sanyuan.license_exchange.domain.contents import Content, Issuing, complete
from sanyuan.license_exchange.domain.drafts import ContentFault, Draft
from sanyuan.license_exchange.domain.holders import ERASED
from sanyuan.license_exchange.domain.licenses import KeyName, License, Place, Version
from sanyuan.license_exchange.domain.lifecycle import (
    STATUS,
    WHY_NOT,
    Action,
    LicenseState,
    follow,
)
from sanyuan.license_exchange.domain.requests import Amend, Ask, Change, Erase, Issue, Shown
from sanyuan.license_exchange.domain.secrets import fresh_holder_key, fresh_nonce, fresh_seed
from sanyuan.license_exchange.domain.types import TypeRevision

_SECOND: Final = 1_000_000
ERASURE: Final = "erasure"
_NO_LICENSE: Final = LicenseRefused("unknown-license", "no licence of yours has this name")


class _Edition(NamedTuple):
    """What a version is made of."""

    kind: TypeRevision
    key: KeyName
    content: Content


def issue(desk: Desk, request: Issue) -> Issued | LicenseRefused:
    """Register a licence and file it under its holder."""
    ask, name = request.ask, request.handle or ""
    drawn = _draw(desk, request)
    if isinstance(drawn, LicenseRefused):
        return drawn
    holder, edition = drawn
    if desk.license(name) is not None:
        detail = "a licence of this type of yours has this serial number"
        return LicenseRefused("exists", detail, license=name)
    if isinstance(request.proof, Shown):
        desk.take(request.proof, ask)
    if not desk.has_key(holder):
        desk.changes.holder_keys[holder] = fresh_holder_key(ask.entropy)
    _write(desk, name, _blank(holder, request.type, ask), edition, ask)
    return Issued(name)


def amend(desk: Desk, request: Amend) -> Changed | LicenseRefused:
    """Write a new version; the old one's status is invalid from here on."""
    name, ask = request.license, request.ask
    found = _find(desk, name, ask, Action.AMEND)
    if isinstance(found, LicenseRefused):
        return found
    edition = _amended(desk, request, found)
    if isinstance(edition, LicenseRefused):
        return edition
    desk.changes.statuses[name, found.version] = Status.INVALID
    renewed = desk.renew(found.place.list, found.issuer)
    _write(desk, name, found, edition, ask)
    return Changed(
        license=name,
        version=found.version + 1,
        action=Action.AMEND,
        grounds=request.grounds,
        renewed=(renewed,),
        relied=desk.relied(name),
    )


def change(desk: Desk, request: Change) -> Changed | LicenseRefused:
    """Suspend, resume or revoke."""
    name, action = request.license, request.action
    found = _find(desk, name, request.ask, action)
    if isinstance(found, LicenseRefused):
        return found
    return Changed(
        license=name,
        version=found.version,
        action=action,
        grounds=request.grounds,
        renewed=(_move(desk, name, found, action),),
        relied=desk.relied(name),
    )


def erase(desk: Desk, request: Erase) -> Erased | ErasureRefused:
    """Forget a holder: the key under which their licences are kept, and all that they say."""
    ask, proof = request.ask, request.proof
    if not ask.is_agency:
        return ErasureRefused("not-permitted", "only the agency erases holders")
    shown = None if proof is None else desk.prove(proof, ask)
    if shown is not None and not isinstance(shown, Shown):
        return ErasureRefused(shown, NOT_PROVEN[shown])
    holder = shown.holder if shown is not None else _holder_of(desk, request.license)
    if holder is None:
        return ErasureRefused("holder-missing", "name the holder by an assertion or a licence")
    if holder == ERASED or not desk.has_key(holder):
        return ErasureRefused("unknown-holder", "nothing is kept about this holder")
    if shown is not None:
        desk.take(shown, ask)
    desk.changes.holder_keys[holder] = None
    return Erased(tuple([_erase(desk, name, found) for name, found in desk.filed(holder)]))


def _erase(desk: Desk, name: str, found: License) -> Changed:
    """Tell whoever relied on it, then forget who did."""
    relied, was = desk.relied(name), found.state
    renewed = () if was is LicenseState.REVOKED else (_move(desk, name, found, Action.ERASE),)
    desk.write(name, found._replace(state=LicenseState.ERASED, holder=ERASED))
    desk.changes.reliance.pop(name, None)
    return Changed(name, found.version, Action.ERASE, ERASURE, renewed, relied)


def _holder_of(desk: Desk, name: str | None) -> str | None:
    """The holder of a licence; `ERASED` when there is no such licence."""
    if name is None:
        return None
    found = desk.license(name)
    return ERASED if found is None else found.holder


def _draw(desk: Desk, request: Issue) -> tuple[str, _Edition] | LicenseRefused:
    """Holder and first version of a licence that may be issued."""
    admitted = _admit(desk, request.type, request.revision, request.ask.participant)
    if isinstance(admitted, LicenseRefused):
        return admitted
    if isinstance(request.draft, ContentFault):
        return _fault(request.draft)
    holder = _holder(desk, request, request.draft)
    if isinstance(holder, LicenseRefused):
        return holder
    edition = _complete(desk, admitted, request.draft, request.ask, version=1)
    return edition if isinstance(edition, LicenseRefused) else (holder, edition)


def _admit(
    desk: Desk, code: str, revision: int | None, participant: str
) -> tuple[TypeRevision, KeyName] | LicenseRefused:
    """The type and the key with which its licences are signed."""
    kind = desk.type(code)
    if kind is None:
        return LicenseRefused("unknown-type", "no such licence type is registered")
    if revision is not None and revision != kind.revision:
        detail = "the content was written by another revision of the type"
        return LicenseRefused("type-changed", detail, revision=kind.revision)
    if not kind.lets_issue(participant):
        return LicenseRefused("not-an-issuer", "the type says who issues it: not you")
    key = desk.keys(participant).current
    if key is None:
        return LicenseRefused(
            "issuer-not-delegated", "open an issuer key and delegate it before you issue"
        )
    return kind, key


def _holder(desk: Desk, request: Issue, draft: Draft) -> str | LicenseRefused:
    """Where the licence is filed; of a person only an assertion says it."""
    holder = request.holder
    if request.proof is None:
        return holder or LicenseRefused(
            "assertion-missing", "the holder is a person: attach that person's assertion"
        )
    shown = desk.prove(request.proof, request.ask)
    if not isinstance(shown, Shown):
        return LicenseRefused(shown, NOT_PROVEN[shown])
    if holder is None or shown.holder != holder:
        detail = f"the assertion is not about this {draft.holder_kind}"
        return LicenseRefused("assertion-not-for-you", detail)
    return holder


def _amended(desk: Desk, request: Amend, found: License) -> _Edition | LicenseRefused:
    """What the new version says: of the same licence of the same holder, and something else."""
    admitted = _admit(desk, found.type, request.revision, request.ask.participant)
    if isinstance(admitted, LicenseRefused):
        return admitted
    draft, old = request.draft, desk.version(request.license, found.version)
    if isinstance(draft, ContentFault):
        return _fault(draft)
    if found.version >= MAX_VERSION or old is None:
        return LicenseRefused("too-many-versions", f"a licence has at most {MAX_VERSION} versions")
    edition = _complete(desk, admitted, draft, request.ask, version=found.version + 1)
    if isinstance(edition, LicenseRefused):
        return edition
    return _refuse_other(old.content, edition.content) or edition


def _refuse_other(old: Content, new: Content) -> LicenseRefused | None:
    number = "license_identifier"
    if _without_version(old.claims[number]) != _without_version(new.claims[number]):
        return LicenseRefused("other-serial", "a version keeps the serial number")
    for name in ("holder_code", "holder_code_type"):
        if old.claims.get(name) != new.claims.get(name):
            return LicenseRefused("other-holder", "a version keeps the holder")
    if old.is_same_as(new):
        return LicenseRefused("unchanged", "the licence says this already")
    return None


def _without_version(identifier: object) -> str:
    return str(identifier).rsplit(".", 2)[0]


def _complete(
    desk: Desk, admitted: tuple[TypeRevision, KeyName], draft: Draft, ask: Ask, *, version: int
) -> _Edition | LicenseRefused:
    kind, key = admitted
    about = Issuing(
        type=kind,
        issuer=ask.participant,
        issuer_name=desk.around.name(ask.participant),
        definer_name=desk.around.name(kind.definer),
        version=version,
        at=ask.at,
        seed=fresh_seed(ask.entropy),
    )
    content = complete(draft, about)
    if isinstance(content, ContentFault):
        return _fault(content)
    if content.ends is not None and content.ends * _SECOND <= ask.at:
        return LicenseRefused("already-expired", "valid_until lies in the past")
    return _Edition(kind, key, content)


def _find(desk: Desk, name: str, ask: Ask, action: Action) -> License | LicenseRefused:
    """A licence of the sender's on which this can be done."""
    found = desk.license(name)
    if found is None or found.issuer != ask.participant:
        return _NO_LICENSE
    state = found.state_at(ask.at)
    if follow(state, action) is None:
        return LicenseRefused("illegal-transition", WHY_NOT[state], state=state)
    return found


def _move(desk: Desk, name: str, found: License, action: Action) -> Renewed:
    """Write the next state and its status."""
    state = follow(found.state, action) or found.state
    desk.write(name, found._replace(state=state))
    desk.changes.statuses[name, found.version] = STATUS[state]
    return desk.renew(found.place.list, found.issuer)


def _blank(holder: str, kind: str, ask: Ask) -> License:
    """A licence before its first version."""
    return License(
        holder=holder,
        type=kind,
        issuer=ask.participant,
        system=ask.system,
        state=LicenseState.ACTIVE,
        version=0,
        place=Place(0, 0),
        ends_at=None,
    )


def _write(desk: Desk, name: str, license_: License, edition: _Edition, ask: Ask) -> None:
    """Write the next version and make it the current one; its status has a place of its own."""
    number, place = license_.version + 1, desk.place(license_.issuer)
    ends = edition.content.ends
    desk.changes.versions[name, number] = Version(
        holder=license_.holder,
        revision=edition.kind.revision,
        kid=edition.key.kid,
        place=place,
        status=Status.VALID,
        issued_at=ask.at,
        content=edition.content,
        nonce=fresh_nonce(ask.entropy),
    )
    ends_at = None if ends is None else ends * _SECOND
    desk.write(name, license_._replace(version=number, place=place, ends_at=ends_at))


def _fault(fault: ContentFault) -> LicenseRefused:
    reason = "content-missing" if fault.is_missing else "content-malformed"
    return LicenseRefused(reason, str(fault))
