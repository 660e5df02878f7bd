"""From commands to requests: what is asked, by whom, with everything that needs keys or names."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sanyuan.catalog.domain.grants import Bounds, grant_id
from sanyuan.catalog.domain.requests import (
    Ask,
    Asker,
    Call,
    Decide,
    Remind,
    Request,
    Review,
    Revise,
    Revoke,
    Submit,
    Withdraw,
)
from sanyuan.common.assertions.token import Assertion, AssertionReader, AssertionRefusal
from sanyuan.common.contracts import catalog as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command
from sanyuan.common.directory import Directory, System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.sources import first_life

SERVICE: Final = "catalog"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class UnhandledCommandError(SanyuanError):
    """The runtime passed on a command that is none of the catalog's: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Register:
    """The directory as one batch uses it: systems by the source of their first life."""

    directory: Directory
    _found: dict[str, System | None] = field(default_factory=dict)
    _named: dict[str, str | None] = field(default_factory=dict)

    def system(self, source: str) -> System | None:
        """The life of today of the system whose first source this is."""
        if source not in self._found:
            found = self.directory.by_name.get(source.rpartition("/")[2])
            is_same = found is not None and first_life(found.source) == source
            self._found[source] = found if is_same else None
        return self._found[source]

    def first_of(self, source: str) -> str | None:
        """The first source of a system, if ``source`` is what it is called today."""
        if source not in self._named:
            first = first_life(source)
            found = self.system(first)
            is_today = found is not None and found.source == source
            self._named[source] = first if is_today else None
        return self._named[source]


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the commands of one batch."""

    register: Register
    assertions: AssertionReader

    @classmethod
    def of(cls, directory: Directory) -> "Reading":
        """What a batch is read with."""
        return cls(Register(directory), AssertionReader(directory, SERVICE))

    def request(self, command: Command[Message]) -> Request:
        """What a command asks; raises UnhandledCommandError."""
        at = (command.at - EPOCH) // MICROSECOND
        data = command.data
        if isinstance(data, messages.CallRequested):
            return self._call(command, data, at)
        if isinstance(data, messages.CatalogTick):
            return Remind(at)
        return self._of_catalogue(command, at) or _of_grants(command, at)

    def _call(self, command: Command[Message], asked: messages.CallRequested, at: int) -> Call:
        return Call(
            at=at,
            participant=command.sender.participant or "",
            grant=asked.grant,
            system=self.register.first_of(asked.serving_system),
            parameters=command.sealed["parameters"],
            shown=None if asked.assertion is None else self._shown(command),
        )

    def _shown(self, command: Command[Message]) -> Assertion | AssertionRefusal:
        return self.assertions.read(command.opened["assertion"])

    def _of_catalogue(self, command: Command[Message], at: int) -> Request | None:
        asker = _asker(command.sender)
        match command.data:
            case messages.SubmitResource(resource=resource):
                return Submit(at, asker, resource, self._is_servable(resource))
            case messages.ReviseResource(resource=resource):
                return Revise(at, asker, resource, self._is_servable(resource))
            case messages.ReviewResource(reviewed=reviewed):
                return Review(at, asker, reviewed)
            case messages.WithdrawResource(resource=code, reason=reason):
                return Withdraw(at, asker, code, reason)
            case _:
                return None

    def _is_servable(self, resource: messages.Resource) -> bool:
        source = resource.serving_system
        if source is None:
            return True
        found = self.register.system(first_life(source))
        return found is not None and found.participant == resource.provider


def _of_grants(command: Command[Message], at: int) -> Request:
    asker = _asker(command.sender)
    match command.data:
        case messages.RequestGrant(
            resource=code, purpose=purpose, legal_basis=basis, bounds=bounds
        ):
            grant = grant_id(command.entropy)
            return Ask(at, asker, grant, code, purpose, basis, _bounds(bounds))
        case messages.DecideGrant(request=grant, allow=allow, bounds=bounds, reason=reason):
            narrower = None if bounds is None else _bounds(bounds)
            return Decide(at, asker, grant, allow, narrower, reason)
        case messages.RevokeGrant(grant=grant, reason=reason):
            return Revoke(at, asker, grant, reason)
        case other:
            raise UnhandledCommandError("not a command of the catalog", where=type(other).__name__)


def _asker(sender: System) -> Asker:
    return Asker(sender.participant or "", first_life(sender.source), sender.role == "agency")


def _bounds(bounds: messages.Bounds) -> Bounds:
    until = (bounds.until - EPOCH) // MICROSECOND
    return Bounds(bounds.fields, bounds.quota, bounds.rate, until)
