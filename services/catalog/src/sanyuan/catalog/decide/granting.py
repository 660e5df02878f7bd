"""Decisions on grants: request, decide, revoke, remind."""

from sanyuan.catalog.decide.desk import Desk
from sanyuan.catalog.domain import answers
from sanyuan.catalog.domain.answers import GrantReason, GrantRefused, Holding
from sanyuan.catalog.domain.grants import (
    GRANT_TRANSITIONS,
    Bounds,
    Grant,
    GrantPhase,
    GrantStep,
)
from sanyuan.catalog.domain.requests import Ask, Decide, Remind, Revoke
from sanyuan.catalog.domain.resources import Entry, Serving
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.working_days import deadline


def ask(desk: Desk, request: Ask) -> answers.Issued | answers.Pending | GrantRefused:
    """Grant what is shared unconditionally; let the provider decide about the rest."""
    entry = desk.entry(request.code)
    resource = None if entry is None else desk.description(request.code, entry.in_force)
    serving = None if entry is None else entry.serving_now
    if entry is None or resource is None or serving is None:
        detail = "no resource in force has this code"
        return GrantRefused(GrantReason.UNKNOWN_RESOURCE, detail)
    refusal = _refuse(request, entry, resource, serving)
    if refusal is not None:
        return refusal
    grant = Grant(
        resource=request.code,
        grantee=request.asker.participant,
        requester=request.asker.system,
        purpose=request.purpose,
        bounds=request.bounds,
        phase=GrantPhase.OPEN,
    )
    if serving.sharing != "unconditional":
        decide_by = deadline(request.at, desk.rules.answer_days, desk.rules.calendar)
        grant = grant._replace(phase=GrantPhase.PENDING, decide_by=decide_by, due=decide_by)
    desk.write(request.grant, grant)
    holding = Holding(request.grant, grant)
    if grant.phase is GrantPhase.PENDING:
        return answers.Pending(holding, request.legal_basis, told_system(entry))
    return answers.Issued(holding, serving)


def _refuse(
    request: Ask, entry: Entry, resource: Resource, serving: Serving
) -> GrantRefused | None:
    # No licence field leaves without a grant, not even to another system of its issuer (design §9).
    if entry.provider == request.asker.participant and serving.license_type is None:
        return GrantRefused(GrantReason.OWN, "the resource is your own")
    if serving.sharing == "not-shared":
        return GrantRefused(GrantReason.NOT_SHARED, "the resource is not shared")
    if not serving.is_callable:
        detail = "no system serves the resource: ask the provider for it by its sharing mode"
        return GrantRefused(GrantReason.NOT_CALLABLE, detail)
    strange = set(request.bounds.fields) - {item.name for item in resource.items}
    if strange:
        return GrantRefused(GrantReason.UNKNOWN_FIELD, f"the resource has no {min(strange)}")
    if request.bounds.until <= request.at:
        return GrantRefused(GrantReason.EXPIRED, "bounds.until has passed")
    return None


def decide(desk: Desk, request: Decide) -> answers.Allowed | answers.Declined | GrantRefused:
    """Take the provider's word on a request."""
    grant = desk.grant(request.grant)
    entry = None if grant is None else desk.entry(grant.resource)
    if grant is None or entry is None:
        return GrantRefused(GrantReason.UNKNOWN_REQUEST, "no request has this id")
    if entry.provider != request.asker.participant:
        return GrantRefused(GrantReason.NOT_YOURS, "the resource is another provider's")
    step = GrantStep.ALLOW if request.allow else GrantStep.REFUSE
    phase = GRANT_TRANSITIONS.get((grant.phase, step))
    if phase is None:
        return GrantRefused(GrantReason.DECIDED, f"the request is {grant.phase}")
    if not request.allow:
        refused = grant._replace(phase=phase, due=None)
        desk.write(request.grant, refused)
        return answers.Declined(Holding(request.grant, refused), request.reason or "")
    bounds = request.bounds or grant.bounds
    refusal = _exceeds(bounds, grant.bounds, request.at)
    # What is pending is refused when its resource is withdrawn: here one is in force.
    if refusal is not None or entry.serving is None:
        return refusal or GrantRefused(GrantReason.UNKNOWN_RESOURCE, "nothing is in force")
    allowed = grant._replace(phase=phase, bounds=bounds, due=None)
    desk.write(request.grant, allowed)
    return answers.Allowed(Holding(request.grant, allowed), entry.serving)


def _exceeds(bounds: Bounds, asked: Bounds, at: int) -> GrantRefused | None:
    if not bounds.is_within(asked):
        return GrantRefused(GrantReason.TOO_WIDE, "bounds go beyond what was asked for")
    if bounds.until <= at:
        return GrantRefused(GrantReason.EXPIRED, "bounds.until has passed")
    return None


def revoke(desk: Desk, request: Revoke) -> answers.Revoked | answers.TakenBack | GrantRefused:
    """End a grant, or take a request back."""
    grant, asker = desk.grant(request.grant), request.asker
    entry = None if grant is None else desk.entry(grant.resource)
    if grant is None or entry is None:
        return GrantRefused(GrantReason.UNKNOWN_GRANT, "no grant has this id")
    if not (asker.is_agency or asker.participant in {entry.provider, grant.grantee}):
        return GrantRefused(GrantReason.NOT_YOURS, "the grant is between other participants")
    is_pending = grant.phase is GrantPhase.PENDING
    phase = GRANT_TRANSITIONS.get((grant.phase, GrantStep.REVOKE))
    if phase is None or not (is_pending or grant.stands(request.at)):
        return GrantRefused(GrantReason.ENDED, "the grant has ended already")
    revoked = grant._replace(phase=phase, due=None)
    desk.write(request.grant, revoked)
    holding = Holding(request.grant, revoked)
    if is_pending:
        is_told = asker.participant != grant.grantee
        return answers.TakenBack(holding, request.reason, is_told)
    return answers.Revoked(holding, request.reason)


def remind(desk: Desk, request: Remind) -> answers.Reminded:
    """Tell of every request whose deadline has passed, once."""
    late = []
    for grant_id in sorted({*desk.state.grants, *desk.changes.grants}):
        grant = desk.grant(grant_id)
        entry = None if grant is None else desk.entry(grant.resource)
        if grant is None or entry is None or grant.due is None or grant.due > request.at:
            continue
        told = grant._replace(due=None)
        desk.write(grant_id, told)
        late.append(answers.Overdue(Holding(grant_id, told), told_system(entry)))
    return answers.Reminded(tuple(late))


def told_system(entry: Entry) -> str:
    """The provider's system that hears of requests: who serves, else who submitted."""
    system = None if entry.serving is None else entry.serving.system
    return system or entry.submitted_by
