"""From answers to records: the decision, the facts that are public before it, and notices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, assert_never

from sanyuan.catalog.domain import answers
from sanyuan.catalog.domain.answers import Holding
from sanyuan.catalog.domain.grants import Bounds
from sanyuan.catalog.domain.resources import Serving
from sanyuan.catalog.handlers.reading import EPOCH, MICROSECOND, Register
from sanyuan.common.contracts import catalog as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Answer, Command, Forwarded, Notice, Outcome
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time

_PARAMETERS: Final = "parameters"
_GONE: Final = "the resource was withdrawn"
_TOPIC: Final = messages.CALLS[0]


class LostSystemError(SanyuanError):
    """A system that the catalogue names is not registered: a fault of ours, for none is removed."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Writes the outcomes of one batch of the domain ``domain``."""

    register: Register
    domain: str

    def outcome(
        self, command: Command[Message], answer: answers.Answer, parameters: bytes | None
    ) -> Outcome:
        """What an answer is on Kafka; ``parameters`` is the ciphertext of an admitted call."""
        match answer:
            case answers.Admitted():
                return self._admitted(command, answer, parameters or b"")
            case answers.CallRefused(reason, detail):
                return Outcome(_refusal(messages.CallRefused, reason, detail))
            case (
                answers.Submitted()
                | answers.Reviewed()
                | answers.Withdrawn()
                | answers.ResourceRefused()
            ):
                return self._of_catalogue(answer)
            case answers.Reminded(overdue):
                return Outcome(None, notices=[n for late in overdue for n in self._overdue(late)])
            case _:
                return self._of_grants(answer)

    def _admitted(
        self, command: Command[Message], admitted: answers.Admitted, parameters: bytes
    ) -> Outcome:
        sender, grant = command.sender, admitted.grant
        fields: dict[str, object] = {
            "grant": admitted.grant_id,
            "resource": grant.resource,
            "purpose": grant.purpose,
            "fields": grant.bounds.fields,
            "caller": sender.source,
            "reply_to": sender.inbox,
            "caller_key": sender.sealing.key_id,
            "answer_by": format_time(command.at + timedelta(seconds=admitted.answer_within)),
            "call_id": command.id,
        }
        if admitted.level is not None:
            fields["level"] = admitted.level
        forwarded = Forwarded(parameters, sender.source, f"{self.domain}/{_TOPIC}", _PARAMETERS)
        return Outcome(
            Answer(
                messages.CallAdmitted,
                fields,
                {_PARAMETERS: forwarded},
                self._inbox(admitted.system),
            )
        )

    def _of_catalogue(
        self,
        answer: answers.Submitted | answers.Reviewed | answers.Withdrawn | answers.ResourceRefused,
    ) -> Outcome:
        match answer:
            case answers.Submitted(code, revision):
                fields = {"resource": code, "revision": revision}
                return Outcome(Answer(messages.ResourceSubmitted, fields))
            case answers.Reviewed(effects):
                outcomes = [_outcome(effect) for effect in effects]
                facts = [fact for effect in effects if (fact := _fact(effect)) is not None]
                return Outcome(Answer(messages.ResourcesReviewed, {"outcomes": outcomes}), facts)
            case answers.Withdrawn():
                return self._withdrawn(answer)
            case answers.ResourceRefused(reason, detail, source):
                more = {} if source is None else {"source_resource": source}
                return Outcome(_refusal(messages.ResourceRefused, reason, detail, more))
            case _:
                assert_never(answer)

    def _withdrawn(self, answer: answers.Withdrawn) -> Outcome:
        facts: list[Message] = [_revoked(holding, _GONE) for holding in answer.ended]
        if answer.was_in_force:
            facts.append(messages.ResourceWithdrawn(resource=answer.code, reason=answer.reason))
        notices = [self._refused(holding, _GONE) for holding in answer.refused]
        fields = {"resource": answer.code}
        return Outcome(Answer(messages.ResourceWithdrawalAccepted, fields), facts, notices)

    def _of_grants(  # noqa: PLR0911  one row per answer
        self,
        answer: answers.Issued
        | answers.Pending
        | answers.GrantRefused
        | answers.Allowed
        | answers.Declined
        | answers.Revoked
        | answers.TakenBack,
    ) -> Outcome:
        match answer:
            case answers.Issued(holding, serving):
                terms = self._terms(holding, serving)
                fact = messages.GrantOpened(terms=terms)
                return Outcome(Answer(messages.GrantIssued, {"terms": _json(terms)}), (fact,))
            case answers.Pending():
                return self._pending(answer)
            case answers.GrantRefused(reason, detail):
                return Outcome(_refusal(messages.GrantRefused, reason, detail))
            case answers.Allowed(holding, serving):
                return self._allowed(holding, serving)
            case answers.Declined(holding, reason):
                accepted = Answer(messages.GrantDecisionAccepted, {"request": holding.id})
                return Outcome(accepted, notices=(self._refused(holding, reason),))
            case answers.Revoked(holding, reason):
                accepted = Answer(messages.GrantRevocationAccepted, {"grant": holding.id})
                return Outcome(accepted, (_revoked(holding, reason),))
            case answers.TakenBack(holding, reason, is_told):
                accepted = Answer(messages.GrantRevocationAccepted, {"grant": holding.id})
                told = (self._refused(holding, reason),) if is_told else ()
                return Outcome(accepted, notices=told)
            case _:
                assert_never(answer)

    def _pending(self, answer: answers.Pending) -> Outcome:
        grant_id, grant = answer.holding
        request = {"request": grant_id, "decide_by": _time(grant.decide_by or 0)}
        notice = Notice(
            self._inbox(answer.told),
            messages.GrantRequested,
            {
                **request,
                "resource": grant.resource,
                "grantee": grant.grantee,
                "purpose": grant.purpose,
                "legal_basis": answer.legal_basis,
                "bounds": _json(_bounds(grant.bounds)),
            },
        )
        return Outcome(Answer(messages.GrantPending, request), notices=(notice,))

    def _allowed(self, holding: Holding, serving: Serving) -> Outcome:
        terms = self._terms(holding, serving)
        request = {"request": holding.id}
        accepted = Answer(messages.GrantDecisionAccepted, {**request, "grant": holding.id})
        notice = Notice(
            self._inbox(holding.grant.requester),
            messages.GrantDecided,
            {**request, "allow": True, "terms": _json(terms)},
        )
        return Outcome(accepted, (messages.GrantOpened(terms=terms),), (notice,))

    def _refused(self, holding: Holding, reason: str) -> Notice:
        fields = {"request": holding.id, "allow": False, "reason": reason}
        return Notice(self._inbox(holding.grant.requester), messages.GrantDecided, fields)

    def _overdue(self, late: answers.Overdue) -> Sequence[Notice]:
        grant_id, grant = late.holding
        fields = {
            "request": grant_id,
            "resource": grant.resource,
            "decide_by": _time(grant.decide_by or 0),
        }
        inboxes = (self._inbox(late.told), self._inbox(grant.requester))
        return [Notice(inbox, messages.GrantOverdue, fields) for inbox in inboxes]

    def _terms(self, holding: Holding, serving: Serving) -> messages.GrantTerms:
        grant_id, grant = holding
        system = None if serving.system is None else self.register.system(serving.system)
        return messages.GrantTerms(
            grant=grant_id,
            resource=grant.resource,
            grantee=grant.grantee,
            purpose=grant.purpose,
            bounds=_bounds(grant.bounds),
            serving_system=None if system is None else system.source,
            answer_within=serving.answer_within,
            needs_assertion=serving.needs_assertion,
            license_type=serving.license_type,
        )

    def _inbox(self, system: str) -> str:
        """Where a registered system, by its first source, is told."""
        found = self.register.system(system)
        if found is None or found.inbox is None:
            raise LostSystemError("a system of the catalogue is not registered", where=system)
        return found.inbox


def _outcome(
    effect: answers.Published | answers.Rejected | answers.Unreviewed,
) -> dict[str, object]:
    match effect:
        case answers.Published(resource, revision):
            return {"resource": resource.code, "revision": revision, "result": "published"}
        case answers.Rejected(code, revision):
            return {"resource": code, "revision": revision, "result": "rejected"}
        case answers.Unreviewed(code, revision, reason):
            refused = {"result": "refused", "reason": str(reason)}
            return {"resource": code, "revision": revision, **refused}
        case _:
            assert_never(effect)


def _fact(effect: answers.Published | answers.Rejected | answers.Unreviewed) -> Message | None:
    match effect:
        case answers.Published(resource, revision, supersedes):
            return messages.ResourcePublished(
                resource=resource, revision=revision, supersedes=supersedes
            )
        case answers.Rejected(code, revision, reason):
            return messages.ResourceRejected(resource=code, revision=revision, reason=reason)
        case answers.Unreviewed():
            return None
        case _:
            assert_never(effect)


def _revoked(holding: Holding, reason: str) -> messages.GrantRevoked:
    return messages.GrantRevoked(grant=holding.id, resource=holding.grant.resource, reason=reason)


def _refusal(
    kind: type[Message], reason: str, detail: str, more: Mapping[str, object] | None = None
) -> Answer:
    return Answer(kind, {"reason": str(reason), "detail": detail, **(more or {})})


def _bounds(bounds: Bounds) -> messages.Bounds:
    return messages.Bounds(
        fields=bounds.fields,
        quota=bounds.quota,
        rate=bounds.rate,
        until=EPOCH + bounds.until * MICROSECOND,
    )


def _time(at: int) -> str:
    return format_time(EPOCH + at * MICROSECOND)


def _json(part: messages.Bounds | messages.GrantTerms) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude_none=True)
