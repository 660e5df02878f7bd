"""What license-exchange is asked, as values; ``at`` in whole µs since 1970 UTC: time is data."""

from dataclasses import dataclass, field
from typing import NamedTuple

from sanyuan.common.assertions.token import Assertion, AssertionRefusal
from sanyuan.common.contracts.license_exchange import LicenseType
from sanyuan.common.contracts.license_exchange.disputes import Outcome
from sanyuan.license_exchange.domain.drafts import ContentFault, Draft
from sanyuan.license_exchange.domain.holders import of_organisation
from sanyuan.license_exchange.domain.lifecycle import Action


class Ask(NamedTuple):
    """Who asks, when, and the randomness of the command; ``system`` by its name in the domain."""

    at: int
    system: str
    participant: str
    is_agency: bool
    is_department: bool
    entropy: bytes

    def __repr__(self) -> str:
        return f"Ask(at={self.at}, system={self.system!r})"


class Shown(NamedTuple):
    """An assertion that was read, and where its holder's licences are filed."""

    assertion: Assertion
    holder: str

    def __repr__(self) -> str:
        return f"Shown({self.assertion!r})"


Proof = Shown | AssertionRefusal
"""What became of an assertion that was attached."""


@dataclass(frozen=True, slots=True)
class RegisterType:
    """A licence type, or a revision of it."""

    ask: Ask
    type: LicenseType


@dataclass(frozen=True, slots=True)
class OpenIssuer:
    """A key for a department's licences."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class DelegateIssuer:
    """The department's word for a key."""

    ask: Ask
    kid: str
    x: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A new licence; ``handle`` is what its serial makes it, None when there is no serial."""

    ask: Ask
    type: str
    revision: int | None
    draft: Draft | ContentFault
    handle: str | None
    proof: Proof | None

    @property
    def holder(self) -> str | None:
        """An organisation's own code, or whom the proof is about."""
        if isinstance(self.draft, ContentFault):
            return None
        if self.draft.holder_kind == "organisation":
            return of_organisation(self.draft.holder_code or "")
        if isinstance(self.proof, Shown) and not self.proof.assertion.is_of_organisation:
            return self.proof.holder
        return None


@dataclass(frozen=True, slots=True)
class Amend:
    """A new version of a licence."""

    ask: Ask
    license: str
    revision: int | None
    grounds: str
    draft: Draft | ContentFault


@dataclass(frozen=True, slots=True)
class Change:
    """Suspend, resume or revoke a licence."""

    ask: Ask
    license: str
    action: Action
    grounds: str


@dataclass(frozen=True, slots=True)
class Erase:
    """Forget a holder, named by a proof or by a licence."""

    ask: Ask
    license: str | None
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class Share:
    """Fields of a holder's licences, under a grant."""

    ask: Ask
    type: str
    fields: tuple[str, ...]
    purpose: str
    grant: str
    license: str | None
    proof: Proof


@dataclass(frozen=True, slots=True)
class OpenPresentation:
    """A one-time code for fields of a licence."""

    ask: Ask
    type: str
    fields: tuple[str, ...]
    license: str | None
    proof: Proof


@dataclass(frozen=True, slots=True)
class VerifyPresentation:
    """A code is redeemed; ``index`` is None when there was none to read."""

    ask: Ask
    purpose: str
    index: bytes | None


@dataclass(frozen=True, slots=True)
class RaiseDispute:
    """Something in a licence is wrong; ``statement`` is passed on."""

    ask: Ask
    license: str
    fields: tuple[str, ...]
    statement: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerDispute:
    """The issuer's word."""

    ask: Ask
    dispute: str
    outcome: Outcome
    statement: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TickPassed:
    """The service's own word that an instant has passed."""

    ask: Ask


Request = (
    RegisterType
    | OpenIssuer
    | DelegateIssuer
    | Issue
    | Amend
    | Change
    | Erase
    | Share
    | OpenPresentation
    | VerifyPresentation
    | RaiseDispute
    | AnswerDispute
    | TickPassed
)
