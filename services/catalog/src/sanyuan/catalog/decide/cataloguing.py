"""Decisions on resources: submit, revise, review, withdraw."""

from collections.abc import Iterable
from dataclasses import replace

from sanyuan.catalog.decide.desk import Desk
from sanyuan.catalog.domain import answers
from sanyuan.catalog.domain.answers import Holding, ResourceReason, ResourceRefused
from sanyuan.catalog.domain.compatibility import broken, narrowed
from sanyuan.catalog.domain.grants import GRANT_TRANSITIONS, GrantPhase, GrantStep
from sanyuan.catalog.domain.requests import Review, Revise, Submit, Withdraw
from sanyuan.catalog.domain.resources import (
    MAX_BYTES,
    TRANSITIONS,
    Entry,
    Phase,
    Step,
    elements_of,
    serving_of,
    size_of,
)
from sanyuan.common.contracts.catalog import Resource, Reviewed


def submit(desk: Desk, request: Submit) -> answers.Submitted | ResourceRefused:
    """Put a new resource before the agency."""
    resource, participant = request.resource, request.asker.participant
    entry = desk.entry(resource.code)
    if resource.provider != participant:
        return _not_yours()
    if entry is not None and entry.provider != participant:
        if entry.phase is not Phase.DRAFT:
            return ResourceRefused(ResourceReason.EXISTS, "the code is another provider's")
        # A draft that came to nothing keeps nobody from its code, and its numbers go on.
        entry = replace(entry, provider=participant)
    return _put_up(desk, request, entry or Entry(participant, request.asker.system), Step.SUBMIT)


def revise(desk: Desk, request: Revise) -> answers.Submitted | ResourceRefused:
    """Put a compatible revision before the agency."""
    resource, participant = request.resource, request.asker.participant
    entry = desk.entry(resource.code)
    if entry is None:
        return _unknown()
    if not participant == entry.provider == resource.provider:
        return _not_yours()
    fault = _incompatible(desk, resource, entry, request.at)
    if fault is not None:
        return ResourceRefused(ResourceReason.INCOMPATIBLE, fault)
    return _put_up(desk, request, entry, Step.REVISE)


def _put_up(
    desk: Desk, request: Submit | Revise, entry: Entry, step: Step
) -> answers.Submitted | ResourceRefused:
    resource = request.resource
    code = resource.code
    phase = TRANSITIONS.get((entry.phase, step))
    if phase is None:
        return _illegal(entry, step)
    if not request.is_servable:
        detail = "serving_system is no registered system of the provider"
        return ResourceRefused(ResourceReason.NO_SYSTEM, detail)
    if size_of(resource) > MAX_BYTES:
        detail = f"the description has more than {MAX_BYTES} bytes"
        return ResourceRefused(ResourceReason.MALFORMED, detail)
    taken = _claimed_elsewhere(desk, resource)
    if taken is not None:
        return taken
    before = desk.description(code, entry.waiting)
    in_force = desk.description(code, entry.in_force)
    _release(desk, elements_of(before) - elements_of(in_force) - elements_of(resource))
    desk.changes.claims.update(dict.fromkeys(elements_of(resource), code))
    if before is not None:
        desk.changes.descriptions[code, entry.waiting] = None
    revision = entry.revision + 1
    desk.changes.descriptions[code, revision] = resource
    desk.changes.entries[code] = replace(
        entry, phase=phase, revision=revision, submitted_by=request.asker.system
    )
    return answers.Submitted(code, revision)


def review(desk: Desk, request: Review) -> answers.Reviewed | ResourceRefused:
    """Publish or reject what waits; each on its own."""
    if not request.asker.is_agency:
        return ResourceRefused(ResourceReason.NOT_THE_AGENCY, "only the agency reviews resources")
    return answers.Reviewed(tuple([_review(desk, word, request.at) for word in request.reviewed]))


def _review(
    desk: Desk, word: Reviewed, at: int
) -> answers.Published | answers.Rejected | answers.Unreviewed:
    code, revision = word.resource, word.revision
    entry, resource = desk.entry(code), desk.description(code, revision)
    if entry is None:
        return answers.Unreviewed(code, revision, ResourceReason.UNKNOWN)
    phase = TRANSITIONS.get((entry.phase, Step.PUBLISH if word.publish else Step.REJECT))
    if phase is None or revision != entry.waiting or resource is None:
        return answers.Unreviewed(code, revision, ResourceReason.ILLEGAL)
    in_force = desk.description(code, entry.in_force)
    if not word.publish:
        _release(desk, elements_of(resource) - elements_of(in_force))
        desk.changes.descriptions[code, revision] = None
        desk.changes.entries[code] = replace(entry, phase=phase)
        return answers.Rejected(code, revision, word.reason)
    # Grants may have been opened since the revision was submitted.
    if _incompatible(desk, resource, entry, at) is not None:
        return answers.Unreviewed(code, revision, ResourceReason.INCOMPATIBLE)
    _release(desk, elements_of(in_force) - elements_of(resource))
    if in_force is not None:
        desk.changes.descriptions[code, entry.in_force] = None
    desk.changes.entries[code] = replace(
        entry,
        phase=phase,
        in_force=revision,
        serving=serving_of(resource),
    )
    return answers.Published(resource, revision, entry.in_force)


def withdraw(desk: Desk, request: Withdraw) -> answers.Withdrawn | ResourceRefused:
    """Take a resource back, and with it everything that was granted on it."""
    code, at = request.code, request.at
    entry = desk.entry(code)
    if entry is None:
        return _unknown()
    if entry.provider != request.asker.participant:
        return _not_yours()
    phase = TRANSITIONS.get((entry.phase, Step.WITHDRAW))
    if phase is None:
        return _illegal(entry, Step.WITHDRAW)
    for revision in {entry.in_force, entry.waiting} - {0}:
        _release(desk, elements_of(desk.description(code, revision)))
        desk.changes.descriptions[code, revision] = None
    was_in_force = entry.in_force != 0
    desk.changes.entries[code] = replace(entry, phase=phase)
    ended, refused = _end_grants(desk, code, at)
    return answers.Withdrawn(code, request.reason, was_in_force, ended, refused)


def _end_grants(desk: Desk, code: str, at: int) -> tuple[tuple[Holding, ...], tuple[Holding, ...]]:
    """End what stands, refuse what is pending; what has expired is over already."""
    ended: list[Holding] = []
    refused: list[Holding] = []
    for grant_id, grant in list(desk.alive(code)):
        is_pending = grant.phase is GrantPhase.PENDING
        if not (is_pending or grant.stands(at)):
            continue
        after = grant._replace(phase=GRANT_TRANSITIONS[grant.phase, GrantStep.END], due=None)
        desk.write(grant_id, after)
        (refused if is_pending else ended).append(Holding(grant_id, after))
    return tuple(ended), tuple(refused)


def _incompatible(desk: Desk, new: Resource, entry: Entry, at: int) -> str | None:
    """Why ``new`` cannot follow what is in force."""
    old = desk.description(new.code, entry.in_force)
    if old is None:
        return None
    fault = broken(old, new)
    if fault is not None or not desk.has_standing(new.code, at):
        return fault
    taken = narrowed(old, new)
    return None if taken is None else f"{taken}, and grants stand: revoke them first"


def _claimed_elsewhere(desk: Desk, resource: Resource) -> ResourceRefused | None:
    for element in sorted(elements_of(resource)):
        source = desk.source_of(element)
        if source not in {None, resource.code}:
            detail = f"{element} has its one source: say what it repeats there without element"
            return ResourceRefused(ResourceReason.CLAIMED, detail, source)
    return None


def _release(desk: Desk, elements: Iterable[str]) -> None:
    desk.changes.claims.update(dict.fromkeys(elements))


def _unknown() -> ResourceRefused:
    return ResourceRefused(ResourceReason.UNKNOWN, "no resource of the catalogue has this code")


def _not_yours() -> ResourceRefused:
    return ResourceRefused(ResourceReason.NOT_YOURS, "the provider is another participant")


def _illegal(entry: Entry, step: Step) -> ResourceRefused:
    return ResourceRefused(ResourceReason.ILLEGAL, f"{step} is not possible while {entry.phase}")
