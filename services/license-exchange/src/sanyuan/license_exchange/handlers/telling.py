"""From answers to records: the decision, public facts, and notices to whoever has to know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

import orjson

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Answer, Command, Notice, Outcome, Sealing
from sanyuan.common.directory import Directory, System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.license_exchange.domain import answers
from sanyuan.license_exchange.domain.lifecycle import Action
from sanyuan.license_exchange.handlers.signing import Signing
from sanyuan.license_exchange.rendering import Addresses, answer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHANGES: Final[Mapping[Action, tuple[type[Message], str]]] = {
    Action.AMEND: (messages.LicenseAmended, "amended"),
    Action.SUSPEND: (messages.LicenseSuspended, "suspended"),
    Action.RESUME: (messages.LicenseResumed, "resumed"),
    Action.REVOKE: (messages.LicenseRevoked, "revoked"),
    Action.ERASE: (messages.HolderErased, "erased"),
}


class LostSystemError(SanyuanError):
    """A system that has to be told is not registered any more: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells the answers of one batch."""

    directory: Directory
    signing: Signing
    addresses: Addresses

    def outcome(  # noqa: PLR0911  one row per verdict
        self, command: Command[Message], verdict: answers.Answer
    ) -> Outcome:
        """What is recorded about one command; raises LostSystemError."""
        match verdict:
            case answers.Issued(license=name):
                return Outcome(_decided(messages.LicenseIssued, {"license": name, "version": 1}))
            case answers.Changed() | answers.Erased():
                return self._changed(verdict)
            case answers.Shared() | answers.PresentationVerified():
                return Outcome(self._shown(command.sender, verdict))
            case answers.PresentationOpened(expires_at, code):
                sealed = {"code": _sealed({"code": code}, command.sender)}
                fields = {"expires_at": _instant(expires_at)}
                return Outcome(Answer(messages.PresentationOpened, fields, sealed))
            case answers.TypeAccepted() | answers.IssuerOpened() | answers.IssuerDelegated():
                return _of_issuers(verdict)
            case answers.DisputeAccepted() | answers.DisputeAnswered() | answers.Ticked():
                return self._disputed(verdict)
            case (
                answers.TypeRefused()
                | answers.IssuerRefused()
                | answers.LicenseRefused()
                | answers.ErasureRefused()
                | answers.SharingRefused()
                | answers.PresentationRefused()
                | answers.DisputeRefused()
            ):
                return Outcome(_refused(verdict))
            case _:
                assert_never(verdict)

    def _changed(self, verdict: answers.Changed | answers.Erased) -> Outcome:
        if isinstance(verdict, answers.Erased):
            facts = [fact for each in verdict.changes for fact in _renewals(each)]
            notices = [told for each in verdict.changes for told in self._notices(each)]
            return Outcome(_decided(messages.HolderErased, {}), facts, notices)
        kind, _ = _CHANGES[verdict.action]
        fields = {"license": verdict.license, "version": verdict.version}
        return Outcome(
            _decided(kind, fields), list(_renewals(verdict)), list(self._notices(verdict))
        )

    def _notices(self, verdict: answers.Changed) -> Iterable[Notice]:
        """To every system that was given something of the licence."""
        fields = {
            "license": verdict.license,
            "version": verdict.version,
            "change": _CHANGES[verdict.action][1],
            "grounds": verdict.grounds,
        }
        for name in verdict.relied:
            yield Notice(_inbox(self._system(name)), messages.LicenseChanged, fields)

    def _shown(
        self, asker: System, verdict: answers.Shared | answers.PresentationVerified
    ) -> Answer:
        if isinstance(verdict, answers.PresentationVerified):
            sealed = {"answer": _sealed(self._render(verdict.pick), asker)}
            return Answer(messages.PresentationVerified, {"purpose": verdict.purpose}, sealed)
        shown = [self._render(pick) for pick in verdict.picks]
        sealed = {"answer": _sealed({"licenses": shown, "others": verdict.others}, asker)}
        fields = {"type": verdict.type, "grant": verdict.grant, "fields": verdict.fields}
        return Answer(messages.LicenseFieldsShared, fields, sealed)

    def _render(self, pick: answers.Pick) -> dict[str, Any]:
        return answer(pick, self.signing.key(pick.kid), self.addresses)

    def _disputed(
        self,
        verdict: answers.DisputeAccepted | answers.DisputeAnswered | answers.Ticked,
    ) -> Outcome:
        match verdict:
            case answers.DisputeAccepted():
                return self._raised(verdict)
            case answers.DisputeAnswered():
                told = self._system(verdict.raised_by)
                fields = {
                    "dispute": verdict.dispute,
                    "license": verdict.license,
                    "outcome": verdict.outcome,
                }
                sealed = {"statement": Sealing(verdict.statement, told)}
                notice = Notice(_inbox(told), messages.DisputeAnswered, fields, sealed)
                accepted = _decided(messages.DisputeAnswerAccepted, {"dispute": verdict.dispute})
                return Outcome(accepted, (), (notice,))
            case answers.Ticked():
                late = [told for each in verdict.overdue for told in self._overdue(each)]
                return Outcome(None, (), late)
            case _:
                assert_never(verdict)

    def _raised(self, verdict: answers.DisputeAccepted) -> Outcome:
        told, answer_by = self._system(verdict.issuing_system), _instant(verdict.answer_by)
        fields = {
            "dispute": verdict.dispute,
            "license": verdict.license,
            "fields": verdict.fields,
            "raised_by": verdict.party,
            "answer_by": answer_by,
        }
        sealed = {"statement": Sealing(verdict.statement, told)}
        notice = Notice(_inbox(told), messages.DisputeRaised, fields, sealed)
        accepted = {"dispute": verdict.dispute, "answer_by": answer_by}
        return Outcome(_decided(messages.DisputeAccepted, accepted), (), (notice,))

    def _overdue(self, late: answers.Overdue) -> Iterable[Notice]:
        fields = {
            "dispute": late.dispute,
            "license": late.license,
            "answer_by": _instant(late.answer_by),
        }
        for name in late.systems:
            yield Notice(_inbox(self._system(name)), messages.DisputeOverdue, fields)

    def _system(self, name: str) -> System:
        """The life of today of a system (design §3: an inbox belongs to the system)."""
        found = self.directory.by_name.get(name)
        if found is None:
            raise LostSystemError("nobody has this name any more", where=name)
        return found


def _of_issuers(
    verdict: answers.TypeAccepted | answers.IssuerOpened | answers.IssuerDelegated,
) -> Outcome:
    match verdict:
        case answers.TypeAccepted(kind, revision, is_new):
            fields = {"type": kind.code, "revision": revision}
            fact = messages.LicenseTypeRegistered(license_type=kind, revision=revision)
            accepted = _decided(messages.LicenseTypeAccepted, fields)
            return Outcome(accepted, (fact,) if is_new else ())
        case answers.IssuerOpened(kid, x):
            return Outcome(_decided(messages.IssuerOpened, {"key": {"kid": kid, "x": x}}))
        case answers.IssuerDelegated(department, kid, x):
            key = messages.IssuerKey(kid=kid, x=x)
            public = messages.IssuerDelegated(department=department, key=key)
            accepted = _decided(messages.IssuerDelegationAccepted, {"key": key.model_dump()})
            return Outcome(accepted, (public,))
        case _:
            assert_never(verdict)


_Refusal = (
    answers.TypeRefused
    | answers.IssuerRefused
    | answers.LicenseRefused
    | answers.ErasureRefused
    | answers.SharingRefused
    | answers.PresentationRefused
    | answers.DisputeRefused
)
_REFUSALS: Final[Mapping[type[_Refusal], type[Message]]] = {
    answers.TypeRefused: messages.LicenseTypeRefused,
    answers.IssuerRefused: messages.IssuerRefused,
    answers.LicenseRefused: messages.LicenseRefused,
    answers.ErasureRefused: messages.ErasureRefused,
    answers.SharingRefused: messages.SharingRefused,
    answers.PresentationRefused: messages.PresentationRefused,
    answers.DisputeRefused: messages.DisputeRefused,
}
_BESIDES: Final = ("field", "fields", "state", "revision", "license", "dispute")


def _refused(verdict: _Refusal) -> Answer:
    fields: dict[str, object] = {"reason": str(verdict.reason), "detail": verdict.detail}
    for name in _BESIDES:
        value = getattr(verdict, name, None)
        if value is not None and value != ():
            fields[name] = value
    return Answer(_REFUSALS[type(verdict)], fields)


def _decided(kind: type[Message], fields: Mapping[str, object]) -> Answer:
    return Answer(kind, fields)


def _renewals(verdict: answers.Changed) -> Iterable[Message]:
    return (
        messages.StatusListRenewed(list=each.list, issuer=each.issuer, renewal=each.renewal)
        for each in verdict.renewed
    )


def _sealed(value: object, reader: System) -> Sealing:
    return Sealing(orjson.dumps(value), reader)


def _inbox(system: System) -> str:
    if system.inbox is None:
        raise LostSystemError("a service has no inbox", where=system.source)
    return system.inbox


def _instant(at: int) -> str:
    return format_time(_EPOCH + timedelta(microseconds=at))
