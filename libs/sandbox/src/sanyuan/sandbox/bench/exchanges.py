"""Licence exchanges: what they need, and a backlog of them.

The market regulator registers the business licence and issues some; every department has a grant on
its fields and one assertion about a holder, good for as many uses as the benchmark makes of it (a
setting of identity, `TERMS`).
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from sanyuan.client.faces.catalog import Granted
from sanyuan.client.progress import Report
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import GrantTerms, Reviewed
from sanyuan.common.contracts.identity import VerifyOrganisation
from sanyuan.common.contracts.license_exchange import LicenseIssued, RequestLicenseFields
from sanyuan.sandbox.bench.backlog import AT_ONCE, askers
from sanyuan.sandbox.bench.calls import PROVIDER, NotPreparedError, connected, office
from sanyuan.sandbox.demo.load.grants import LICENSE_FIELDS, wanted_license_grants
from sanyuan.sandbox.synthetic.catalogue.keeping import load_served
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.license_types import BUSINESS_LICENSE
from sanyuan.sandbox.synthetic.licenses import BusinessLicense, business_licenses
from sanyuan.sandbox.synthetic.registers import Registers

ASSERTION: Final = "assertion"
TERMS: Final = {
    "SANYUAN_IDENTITY_TERMS": json.dumps(
        {
            purpose: {"lifetime": 86_400, "uses": 1_000_000}
            for department in DEPARTMENTS
            for purpose in department.purposes[:1]
        }
    )
}
"""Identity's environment, so that one assertion a department is enough."""
_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Exchanger:
    """What a system shows to be given a holder's licence."""

    source: str
    terms: GrantTerms
    assertion: bytes


async def prepare_exchanges(var: Path, catalogue: Path) -> list[Exchanger]:
    """Publish the licence type, issue licences, get grants and assertions.

    Raises NotPreparedError, and what the SDK raises.
    """
    wanted = wanted_license_grants(load_served(catalogue))[0]
    everyone = askers(var)
    licenses = list(islice(business_licenses(Registers(var / "registers")), len(everyone)))
    async with connected(var) as systems, office(var) as agency:
        issuer = next(system for system in systems.values() if system.source.endswith(PROVIDER))
        await _publish(issuer, agency, catalogue)
        await issuer.register_license_type(BUSINESS_LICENSE.license_type(), sampled=False)
        await issuer.become_issuer(sampled=False, timeout=_WAIT_SECONDS)
        await asyncio.gather(*[_issue(issuer, each) for each in licenses])
        return list(
            await asyncio.gather(
                *[
                    _equip(systems[asker.file.source], asker.purpose, wanted.resource, license_)
                    for asker, license_ in zip(everyone, licenses, strict=True)
                ]
            )
        )


async def send_exchanges(
    var: Path, exchangers: Sequence[Exchanger], count: int, report: Report
) -> None:
    """Ask for ``count`` licences' fields; all are on the topic once this returns."""
    async with connected(var) as systems:
        for start in range(0, count, AT_ONCE):
            end = min(count, start + AT_ONCE)
            ours = (exchangers[number % len(exchangers)] for number in range(start, end))
            await asyncio.gather(*[request(systems[each.source], each) for each in ours])
            report("exchanges", end, count)


async def request(system: ConnectedSystem, exchanger: Exchanger) -> None:
    """Ask for the fields of one licence; the answer comes as a decision."""
    terms = exchanger.terms
    data = {
        "type": BUSINESS_LICENSE.code,
        "purpose": terms.purpose,
        "grant": terms.grant,
        "fields": [*LICENSE_FIELDS],
    }
    sealed = {ASSERTION: exchanger.assertion}
    await system.send(RequestLicenseFields, data, sealed, sampled=False)


async def _publish(issuer: ConnectedSystem, agency: ConnectedSystem, catalogue: Path) -> None:
    resource = next(
        each for each in load_served(catalogue) if each.license_type == BUSINESS_LICENSE.code
    )
    await issuer.publish_resource(resource, timeout=_WAIT_SECONDS)
    reviewed = Reviewed(resource=resource.code, revision=1, publish=True)
    await agency.review_resources([reviewed], timeout=_WAIT_SECONDS)


async def _issue(issuer: ConnectedSystem, license_: BusinessLicense) -> None:
    decision = await issuer.issue_license(
        BUSINESS_LICENSE.code, license_.content(), sampled=False, timeout=_WAIT_SECONDS
    )
    if not isinstance(decision.message, LicenseIssued):
        raise NotPreparedError(f"a licence was not issued: {decision.reason or decision.type}")


async def _equip(
    system: ConnectedSystem, purpose: str, resource: str, license_: BusinessLicense
) -> Exchanger:
    granted = await system.request_grant(
        resource,
        fields=LICENSE_FIELDS,
        purpose=purpose,
        legal_basis="bench",
        until=datetime.now(UTC) + timedelta(days=1),
        sampled=False,
        timeout=_WAIT_SECONDS,
    )
    if not isinstance(granted, Granted):
        raise NotPreparedError(f"a grant on licences is missing: {granted}", where=system.source)
    data = {"purpose": purpose, "legal_basis": "bench", "audience": "license-exchange"}
    subject = {"name": license_.holder_name, "code": license_.holder_code}
    verified = await system.ask(
        VerifyOrganisation, data, {"subject": subject}, sampled=False, timeout=_WAIT_SECONDS
    )
    assertion = verified.opened.get(ASSERTION)
    if assertion is None:
        raise NotPreparedError(
            f"an organisation was not verified: {verified.reason or verified.type}",
            where=system.source,
        )
    return Exchanger(system.source, granted.terms, assertion)
