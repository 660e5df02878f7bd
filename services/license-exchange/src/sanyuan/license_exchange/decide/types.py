"""Decisions on licence types and issuer keys."""

from sanyuan.common.sdjwt.keys import public_part, thumbprint
from sanyuan.license_exchange.decide.desk import Desk
from sanyuan.license_exchange.domain.answers import (
    IssuerDelegated,
    IssuerOpened,
    IssuerRefused,
    TypeAccepted,
    TypeRefused,
)
from sanyuan.license_exchange.domain.licenses import DepartmentKeys, IssuerSeed, KeyName
from sanyuan.license_exchange.domain.requests import DelegateIssuer, OpenIssuer, RegisterType
from sanyuan.license_exchange.domain.secrets import fresh_issuer_seed
from sanyuan.license_exchange.domain.types import (
    MAX_TYPE_BYTES,
    TypeRevision,
    definer_of,
    first_incompatible,
    is_too_large,
)

NOT_A_DEPARTMENT = IssuerRefused(
    "not-a-department", "departments issue licences, and the agency does"
)


def register(desk: Desk, request: RegisterType) -> TypeAccepted | TypeRefused:
    """Accept a type by its definer; the same again changes nothing."""
    new = request.type
    if definer_of(new.code) != request.ask.participant:
        return TypeRefused(
            "not-yours", "the first 18 characters of the code are its definer's credit code"
        )
    if is_too_large(new):
        return TypeRefused("too-large", f"a type has at most {MAX_TYPE_BYTES} bytes as JSON")
    known = desk.type(new.code)
    if known is None:
        desk.changes.types[new.code] = TypeRevision(new, 1)
        return TypeAccepted(new, 1, is_new=True)
    if known.type == new:
        return TypeAccepted(new, known.revision, is_new=False)
    field = first_incompatible(known.type, new)
    if field is not None:
        return TypeRefused(
            "incompatible",
            "a revision keeps every field, its type and its room: register another type",
            field,
        )
    desk.changes.types[new.code] = TypeRevision(new, known.revision + 1)
    return TypeAccepted(new, known.revision + 1, is_new=True)


def open_issuer(desk: Desk, request: OpenIssuer) -> IssuerOpened | IssuerRefused:
    """Make a key; one that still waits for its delegation is told again."""
    ask = request.ask
    if not (ask.is_department or ask.is_agency):
        return NOT_A_DEPARTMENT
    keys = desk.keys(ask.participant)
    pending = keys.pending
    if pending is None:
        seed = fresh_issuer_seed(ask.entropy)
        x = public_part(seed)
        pending = KeyName(thumbprint(x), x)
        desk.changes.seeds[pending.kid] = IssuerSeed(ask.participant, x, seed)
        desk.changes.keys[ask.participant] = keys._replace(pending=pending)
    return IssuerOpened(pending.kid, pending.x)


def delegate(desk: Desk, request: DelegateIssuer) -> IssuerDelegated | IssuerRefused:
    """Let the pending key sign: its department says so in this very record."""
    ask, named = request.ask, KeyName(request.kid, request.x)
    if not (ask.is_department or ask.is_agency):
        return NOT_A_DEPARTMENT
    keys = desk.keys(ask.participant)
    if named == keys.current:
        return IssuerRefused("already-delegated", "this key signs already")
    if named != keys.pending:
        return IssuerRefused("unknown-key", "no key of yours waits under this name: open one")
    desk.changes.keys[ask.participant] = DepartmentKeys(current=named)
    return IssuerDelegated(ask.participant, named.kid, named.x)
