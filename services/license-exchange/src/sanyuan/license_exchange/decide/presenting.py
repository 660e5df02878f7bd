"""One-time codes: opened under the holder's assertion, redeemed once (design §6)."""

from typing import Final

from sanyuan.common.contracts.license_exchange import PRESENTATION_PURPOSE
from sanyuan.license_exchange.decide.desk import NOT_PROVEN, Desk
from sanyuan.license_exchange.decide.sharing import pick, unknown_fields
from sanyuan.license_exchange.domain.answers import (
    PresentationOpened,
    PresentationRefused,
    PresentationVerified,
)
from sanyuan.license_exchange.domain.licenses import License
from sanyuan.license_exchange.domain.lifecycle import WHY_NOT, LicenseState
from sanyuan.license_exchange.domain.presentations import (
    REASONS,
    CodeState,
    Presentation,
    code_state,
)
from sanyuan.license_exchange.domain.requests import OpenPresentation, Shown, VerifyPresentation
from sanyuan.license_exchange.domain.secrets import fresh_code, index_of

_SECOND: Final = 1_000_000
_NO_LICENSE: Final = PresentationRefused(
    "unknown-license", "the holder has no such licence of this type"
)


def open_code(desk: Desk, request: OpenPresentation) -> PresentationOpened | PresentationRefused:
    """Make a code for one licence of the holder's."""
    kind = desk.type(request.type)
    if kind is None:
        return PresentationRefused("unknown-type", "no such licence type is registered")
    if unknown := unknown_fields(kind, request.fields):
        return PresentationRefused("unknown-field", "the licence type does not have them", unknown)
    ask = request.ask
    shown = desk.prove(request.proof, ask, PRESENTATION_PURPOSE)
    if not isinstance(shown, Shown):
        return PresentationRefused(shown, NOT_PROVEN[shown])
    chosen = _choose(desk, request, shown.holder)
    if isinstance(chosen, PresentationRefused):
        return chosen
    name, found = chosen
    if (refused := _refuse_state(found, ask.at)) is not None:
        return refused
    desk.take(shown, ask)
    code = fresh_code(ask.entropy)
    expires_at = ask.at + desk.rules.code_seconds * _SECOND
    index = index_of(desk.around.blind_index, code)
    desk.changes.presentations[index] = Presentation(name, frozenset(request.fields), expires_at)
    return PresentationOpened(expires_at, code)


def redeem(desk: Desk, request: VerifyPresentation) -> PresentationVerified | PresentationRefused:
    """Show what the code opens, once; a licence that cannot be relied on leaves the code as is."""
    if request.index is None:
        return PresentationRefused("code-missing", "the attachment code is missing or unreadable")
    ask, presentation = request.ask, desk.presentation(request.index)
    state = code_state(presentation, ask.at)
    if presentation is None or state is not CodeState.OPEN:
        return PresentationRefused(*REASONS[state])
    found = desk.license(presentation.license)
    if found is None:
        return _NO_LICENSE
    if (refused := _refuse_state(found, ask.at)) is not None:
        return refused
    picked = pick(desk, presentation.license, found, presentation.fields, ask)
    if picked is None:
        return _NO_LICENSE
    desk.changes.presentations[request.index] = presentation._replace(is_used=True)
    return PresentationVerified(request.purpose, picked)


def _choose(
    desk: Desk, request: OpenPresentation, holder: str
) -> tuple[str, License] | PresentationRefused:
    """The one that was named, or the only one of the type that stands."""
    filed = [(name, found) for name, found in desk.filed(holder) if found.type == request.type]
    if request.license is not None:
        named = [each for each in filed if each[0] == request.license]
        return named[0] if named else _NO_LICENSE
    standing = [each for each in filed if _refuse_state(each[1], request.ask.at) is None]
    if len(standing) > 1:
        return PresentationRefused("several-licenses", "name the licence that is to be shown")
    candidates = standing or filed
    return candidates[-1] if candidates else _NO_LICENSE


def _refuse_state(found: License, at: int) -> PresentationRefused | None:
    state = found.state_at(at)
    if state is LicenseState.ACTIVE:
        return None
    return PresentationRefused(f"license-{state}", WHY_NOT[state])
