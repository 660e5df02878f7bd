"""Brings catalogue, business licences and grants into the domain, all by signed commands.

What the demo's case needs goes first. Each thing is written down when its decision is here; a
process that is started again does the rest, and where a decision was lost with it, the service says
that the thing is there already.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sanyuan.client.faces.catalog import Granted as Yes
from sanyuan.client.faces.catalog import NotGranted, Pending
from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import (
    DecideGrant,
    GrantDecided,
    GrantRequested,
    GrantTerms,
    Resource,
    ResourceRefused,
    ResourceSubmitted,
)
from sanyuan.common.contracts.license_exchange import (
    DelegateIssuer,
    IssueLicense,
    IssuerDelegationAccepted,
    IssuerOpened,
    LicenseIssued,
    LicenseRefused,
    LicenseTypeAccepted,
    OpenIssuer,
    RegisterLicenseType,
)
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.demo.load.grants import LEGAL_BASIS, Wanted
from sanyuan.sandbox.demo.load.ledger import Delegated, Granted, Ledger, Licensed, Submitted
from sanyuan.sandbox.demo.load.parallel import in_parallel
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS, MARKET_REGULATION
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE, LICENSE_TYPES
from sanyuan.sandbox.synthetic.licenses import BusinessLicense

SUBMITTING: Final = 100
"""Resources of a process that wait for a decision at a time: a case is not held up by more."""
ISSUING: Final = 200
ASKING: Final = 50
_GRANTED_FOR: Final = timedelta(days=365)
_TIMEOUT_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_THERE: Final = frozenset({"exists", "illegal-transition"})
"""What a service says of something that an earlier life of this process has brought."""
_INDEX: Final = {organ.code: at for at, organ in enumerate(DEPARTMENTS)}
ISSUER: Final = _INDEX[MARKET_REGULATION.code]


class PublishingError(SanyuanError):
    """A service refuses what the synthetic catalogue, its grants or its licences are."""


class Publisher:
    """One process's part; `publish` once, `take` whatever else the inboxes have."""

    def __init__(
        self,
        systems: Mapping[int, ConnectedSystem],
        ledger: Ledger,
        published: Published,
        first: frozenset[str],
    ) -> None:
        self._systems = systems
        self._ledger = ledger
        self._published = published
        self._first = first
        """Codes of resources and of licence holders that the case needs."""
        self._granted = asyncio.Event()

    async def publish(
        self,
        resources: Iterable[Resource],
        licenses: Iterable[BusinessLicense],
        wanted: Sequence[Wanted],
    ) -> None:
        """Bring all that is missing; raises PublishingError and what the SDK raises.

        ``resources`` come in the order in which they go; ``licenses`` are issued when the issuer
        is one of this process's departments.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._submit(resources))
            tasks.create_task(self._ask(wanted))
            if ISSUER in self._systems:
                tasks.create_task(self._issue(self._systems[ISSUER], licenses))

    async def take(self, department: int, decision: Decision) -> None:
        """A notice: somebody asks for a grant, or a provider has decided."""
        match decision.message:
            case GrantRequested(request=request) if decision.unexpected is None:
                allowed = {"request": request, "allow": True}
                await self._systems[department].send(DecideGrant, allowed, {})
            case GrantDecided(terms=terms) if decision.unexpected is None and terms is not None:
                self._grant(department, terms)
            case _:
                return

    async def _submit(self, resources: Iterable[Resource]) -> None:
        missing = (each for each in resources if each.code not in self._ledger.submitted)
        await in_parallel(missing, self._submit_one, SUBMITTING)

    async def _submit_one(self, resource: Resource) -> None:
        system = self._systems[_INDEX[resource.provider]]
        decision = await system.publish_resource(resource, timeout=_TIMEOUT_SECONDS)
        match decision.message:
            case ResourceSubmitted(revision=revision):
                self._ledger.write(Submitted(resource.code, revision))
            case ResourceRefused(reason=reason) if reason in _THERE:
                self._ledger.write(Submitted(resource.code, 1))
            case _:
                raise _surprised(decision, f"resource {resource.code}")

    async def _ask(self, wanted: Sequence[Wanted]) -> None:
        """Ask for each grant once its resource is in force, and wait for the last one."""
        missing = [w for w in wanted if (w.caller, w.resource) not in self._ledger.grants]
        asked = list[Wanted]()
        while missing:
            self._published.look()
            ready = [each for each in missing if each.resource in self._published.codes]
            missing = [each for each in missing if each.resource not in self._published.codes]
            await in_parallel(ready, self._ask_one, ASKING)
            asked += ready
            await asyncio.sleep(_POLL_SECONDS)
        while any((each.caller, each.resource) not in self._ledger.grants for each in asked):
            self._granted.clear()
            await self._granted.wait()

    async def _ask_one(self, wanted: Wanted) -> None:
        """An answer that comes later comes as a notice, to `take`."""
        outcome = await self._systems[wanted.caller].request_grant(
            wanted.resource,
            fields=wanted.fields,
            purpose=wanted.purpose,
            legal_basis=LEGAL_BASIS,
            until=datetime.now(UTC) + _GRANTED_FOR,
            rate=wanted.rate,
            timeout=_TIMEOUT_SECONDS,
        )
        match outcome:
            case Yes(terms=terms):
                self._grant(wanted.caller, terms)
            case Pending():
                return
            case NotGranted(record=record):
                raise _surprised(record, f"a grant on {wanted.resource}")

    def _grant(self, department: int, terms: GrantTerms) -> None:
        self._ledger.write(Granted(department, terms))
        self._granted.set()

    async def _issue(self, issuer: ConnectedSystem, licenses: Iterable[BusinessLicense]) -> None:
        missing = [each for each in licenses if each.holder_code not in self._ledger.licensed]
        if self._ledger.delegated is None:
            await self._become_issuer(issuer)
        missing.sort(key=lambda each: each.holder_code not in self._first)

        async def issue(license_: BusinessLicense) -> None:
            data, sealed = {"type": BUSINESS_LICENSE.code}, {"content": license_.content()}
            decision = await issuer.ask(IssueLicense, data, sealed, timeout=_TIMEOUT_SECONDS)
            match decision.message:
                case LicenseIssued() | LicenseRefused(reason="exists"):
                    self._ledger.write(Licensed(license_.holder_code))
                case _:
                    raise _surprised(decision, "a business licence")

        await in_parallel(missing, issue, ISSUING)

    async def _become_issuer(self, issuer: ConnectedSystem) -> None:
        """Register the types, and have license-exchange sign under a key of its own making."""
        for each in LICENSE_TYPES:
            data = {"license_type": each.license_type().model_dump(mode="json", exclude_none=True)}
            decision = await issuer.ask(RegisterLicenseType, data, {}, timeout=_TIMEOUT_SECONDS)
            if not isinstance(decision.message, LicenseTypeAccepted):
                raise _surprised(decision, f"licence type {each.code}")
        opened = await issuer.ask(OpenIssuer, {}, {}, timeout=_TIMEOUT_SECONDS)
        if not isinstance(opened.message, IssuerOpened):
            raise _surprised(opened, "an issuer key")
        key = opened.message.key
        delegated = await issuer.ask(
            DelegateIssuer, {"key": key.model_dump(mode="json")}, {}, timeout=_TIMEOUT_SECONDS
        )
        if not isinstance(delegated.message, IssuerDelegationAccepted):
            raise _surprised(delegated, "the delegation of an issuer key")
        self._ledger.write(Delegated(key.kid))


def _surprised(decision: Decision, what: str) -> PublishingError:
    return PublishingError(
        f"{what}: {decision.reason or decision.type}",
        where=f"case {decision.case}",
        do="look at the service's log; after `make clean` everything is published anew",
    )
