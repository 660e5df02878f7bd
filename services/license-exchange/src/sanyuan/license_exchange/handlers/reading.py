"""From commands to requests: attachments opened, assertions read, holders found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from sanyuan.common.assertions.token import (
    Assertion,
    AssertionReader,
    AssertionRefusal,
    open_holder,
)
from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.sealing import SealingKey
from sanyuan.license_exchange.domain.contents import day_of
from sanyuan.license_exchange.domain.drafts import ContentFault, Draft, read_content
from sanyuan.license_exchange.domain.holders import of_assertion
from sanyuan.license_exchange.domain.lifecycle import Action
from sanyuan.license_exchange.domain.requests import (
    Amend,
    AnswerDispute,
    Ask,
    Change,
    DelegateIssuer,
    Erase,
    Issue,
    OpenIssuer,
    OpenPresentation,
    Proof,
    RaiseDispute,
    RegisterType,
    Request,
    Share,
    Shown,
    TickPassed,
    VerifyPresentation,
)
from sanyuan.license_exchange.domain.secrets import handle_of, index_of
from sanyuan.license_exchange.domain.texts import is_printable

SERVICE: Final = "license-exchange"
MAX_STATEMENT_CHARACTERS: Final = 4000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class UnhandledCommandError(SanyuanError):
    """The runtime passed on a command that is none of license-exchange's: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the commands of one batch; each assertion is verified and opened once."""

    assertions: AssertionReader
    blind_index: bytes = field(repr=False)
    sealing: SealingKey = field(repr=False)
    holders: dict[str, str | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, directory: Directory, blind_index: bytes, sealing: SealingKey) -> "Reading":
        """What a batch is read with."""
        return cls(AssertionReader(directory, SERVICE), blind_index, sealing)

    def request(self, command: Command[Message]) -> Request:
        """What a command asks; raises UnhandledCommandError."""
        read = _READERS.get(type(command.data))
        if read is None:
            raise UnhandledCommandError(
                "not a command of license-exchange", where=type(command.data).__name__
            )
        return read(self, command, _ask(command))

    def proof(self, command: Command[Message]) -> Proof:
        """What became of the assertion that is attached."""
        read = self.assertions.read(command.opened["assertion"])
        if not isinstance(read, Assertion):
            return read
        if read.jti not in self.holders:
            self.holders[read.jti] = open_holder(read, self.sealing)
        holder = self.holders[read.jti]
        if holder is None:
            return AssertionRefusal.INVALID
        return Shown(read, of_assertion(read, holder))

    def optional_proof(self, command: Command[Message], named: object) -> Proof | None:
        """`proof`, if one was named at all."""
        return None if named is None else self.proof(command)


def _ask(command: Command[Message]) -> Ask:
    sender = command.sender
    return Ask(
        at=(command.at - _EPOCH) // _MICROSECOND,
        system=sender.name,
        participant=sender.participant or "",
        is_agency=sender.role == "agency",
        is_department=sender.role == "department",
        entropy=command.entropy,
    )


def _register(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    return RegisterType(ask, command.data.license_type)


def _open_issuer(_reading: Reading, _command: Command[Any], ask: Ask) -> Request:
    return OpenIssuer(ask)


def _delegate(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    key = command.data.key
    return DelegateIssuer(ask, key.kid, key.x)


def _issue(reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.IssueLicense = command.data
    draft = _draft(command, ask)
    handle = None
    if not isinstance(draft, ContentFault):
        handle = handle_of(reading.blind_index, data.type, ask.participant, draft.serial)
    proof = reading.optional_proof(command, data.assertion)
    return Issue(ask, data.type, data.revision, draft, handle, proof)


def _amend(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.AmendLicense = command.data
    return Amend(ask, data.license, data.revision, data.grounds, _draft(command, ask))


def _change(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data = command.data
    return Change(ask, data.license, _ACTIONS[type(data)], data.grounds)


def _erase(reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.EraseHolder = command.data
    return Erase(ask, data.license, reading.optional_proof(command, data.assertion))


def _share(reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.RequestLicenseFields = command.data
    proof = reading.proof(command)
    return Share(ask, data.type, data.fields, data.purpose, data.grant, data.license, proof)


def _open_presentation(reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.OpenPresentation = command.data
    return OpenPresentation(ask, data.type, data.fields, data.license, reading.proof(command))


def _verify_presentation(reading: Reading, command: Command[Any], ask: Ask) -> Request:
    code = _text(command, "code", "code", 64)
    index = None if code is None else index_of(reading.blind_index, code)
    return VerifyPresentation(ask, command.data.purpose, index)


def _raise_dispute(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.RaiseDispute = command.data
    return RaiseDispute(ask, data.license, data.fields, _statement(command))


def _answer_dispute(_reading: Reading, command: Command[Any], ask: Ask) -> Request:
    data: messages.AnswerDispute = command.data
    return AnswerDispute(ask, data.dispute, data.outcome, _statement(command))


def _tick(_reading: Reading, _command: Command[Any], ask: Ask) -> Request:
    return TickPassed(ask)


def _draft(command: Command[Message], ask: Ask) -> Draft | ContentFault:
    return read_content(command.opened["content"], on=day_of(ask.at))


def _statement(command: Command[Message]) -> bytes | None:
    """The text of a statement, as it is passed on."""
    text = _text(command, "statement", "text", MAX_STATEMENT_CHARACTERS)
    return None if text is None else orjson.dumps({"text": text})


def _text(command: Command[Message], name: str, member: str, length: int) -> str | None:
    """A member of an attachment; None when there is no such text."""
    plaintext = command.opened[name]
    if plaintext is None:
        return None
    try:
        found = orjson.loads(plaintext)
    except orjson.JSONDecodeError:
        return None
    text = found.get(member) if isinstance(found, dict) else None
    is_text = isinstance(text, str) and 0 < len(text) <= length and is_printable(text)
    return text if is_text else None


_ACTIONS: Final[Mapping[type[Message], Action]] = {
    messages.SuspendLicense: Action.SUSPEND,
    messages.ResumeLicense: Action.RESUME,
    messages.RevokeLicense: Action.REVOKE,
}
_READERS: Final[Mapping[type[Message], Callable[[Reading, Command[Any], Ask], Request]]] = {
    messages.RegisterLicenseType: _register,
    messages.OpenIssuer: _open_issuer,
    messages.DelegateIssuer: _delegate,
    messages.IssueLicense: _issue,
    messages.AmendLicense: _amend,
    messages.SuspendLicense: _change,
    messages.ResumeLicense: _change,
    messages.RevokeLicense: _change,
    messages.EraseHolder: _erase,
    messages.RequestLicenseFields: _share,
    messages.OpenPresentation: _open_presentation,
    messages.VerifyPresentation: _verify_presentation,
    messages.RaiseDispute: _raise_dispute,
    messages.AnswerDispute: _answer_dispute,
    messages.LicenseExchangeTick: _tick,
}
