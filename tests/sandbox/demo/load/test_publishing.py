"""Publishing against a catalog and a license-exchange that only remember."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from tests.sandbox.demo.load.simulated import Nation, subjects

from sanyuan.client.faces.catalog import Granted as Yes
from sanyuan.client.faces.catalog import GrantOutcome, Pending
from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import Bounds, GrantTerms, Resource, Reviewed
from sanyuan.common.contracts.license_exchange import IssueLicense, LicenseType
from sanyuan.common.contracts.message import Message
from sanyuan.common.envelope import ZERO_HASH
from sanyuan.sandbox.demo.load.grants import Wanted, wanted_grants, wanted_license_grants
from sanyuan.sandbox.demo.load.ledger import LEDGER, Follower, Ledger
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.demo.load.publishing import ISSUER, Publisher, PublishingError
from sanyuan.sandbox.demo.load.reviewing import review
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.licenses import BusinessLicense

OURS = (ISSUER, 9, 12)
COMMAND = {
    "source": "//cn/departments/11110000000012345X/x",
    "topic": "cn/catalog-commands",
    "sequence": "0" * 19 + "1",
    "hash": ZERO_HASH,
}


def licenses(count: int) -> list[BusinessLicense]:
    day = date(2020, 1, 1)
    return [
        BusinessLicense(
            f"H{n}", f"holder {n}", "head", "type", "there", "all", 100, day, "it", day, day, None
        )
        for n in range(count)
    ]


@dataclass
class Services:
    """What the services know."""

    nation: Nation = field(default_factory=lambda: Nation(subjects()))
    submitted: dict[str, int] = field(default_factory=dict)
    in_force: set[str] = field(default_factory=set)
    issued: list[str] = field(default_factory=list)
    pending: dict[str, tuple[int, GrantTerms]] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    refuse: str | None = None
    sharing: dict[str, str] = field(default_factory=dict)

    def record(self, kind: str, **data: Any) -> Decision:  # noqa: ANN401  any JSON
        return self.nation.record(kind, {"command": COMMAND, "decision": 1, "asof": {}, **data})


class System:
    """What publishing uses of a connected system."""

    def __init__(self, services: Services, department: int) -> None:
        self.services = services
        self.department = department
        self.publisher: Publisher

    async def publish_resource(self, resource: Resource, **_: object) -> Decision:
        services = self.services
        await asyncio.sleep(0)
        services.order.append(resource.code)
        if services.refuse is not None:
            return services.record("catalog.resource-refused.v1", reason=services.refuse)
        if resource.code in services.submitted:
            return services.record("catalog.resource-refused.v1", reason="illegal-transition")
        services.submitted[resource.code] = 1
        return services.record("catalog.resource-submitted.v1", resource=resource.code, revision=1)

    async def request_grant(self, code: str, **asked: Any) -> GrantOutcome:  # noqa: ANN401  as the face
        services = self.services
        await asyncio.sleep(0)
        assert code in services.in_force
        services.said["grant"] += 1
        number = f"{services.said['grant']:032x}"
        found = GrantTerms(
            grant=number,
            resource=code,
            grantee=DEPARTMENTS[self.department].code,
            purpose=asked["purpose"],
            bounds=Bounds(fields=asked["fields"], rate=asked["rate"], until=asked["until"]),
        )
        record = services.record("catalog.grant-issued.v1", terms=found.model_dump(mode="json"))
        if services.sharing[code] == "unconditional":
            return Yes(found, record)
        services.pending[number] = self.department, found
        return Pending(number, datetime.now(UTC), record)

    async def send(self, _command: type[Message], data: Mapping[str, Any], _: object) -> None:
        """The provider's word, told to who has asked."""
        department, terms = self.services.pending.pop(data["request"])
        said = {"request": data["request"], "allow": True, "terms": terms.model_dump(mode="json")}
        record = self.services.nation.record("catalog.grant-decided.v1", said)
        await self.publisher.take(department, record)

    async def ask(
        self,
        command: type[Message],
        data: Mapping[str, Any],
        sealed: Mapping[str, Any],
        **_: object,
    ) -> Decision:
        services = self.services
        await asyncio.sleep(0)
        services.said[command.TYPE] += 1
        key = {"kid": "k" * 43, "x": "x" * 43}
        match command.TYPE:
            case "license-exchange.register-license-type.v1":
                kind = LicenseType.model_validate(data["license_type"])
                accepted = "license-exchange.license-type-accepted.v1"
                return services.record(accepted, type=kind.code, revision=1)
            case "license-exchange.open-issuer.v1":
                return services.record("license-exchange.issuer-opened.v1", key=key)
            case "license-exchange.delegate-issuer.v1":
                assert data["key"] == key
                accepted = "license-exchange.issuer-delegation-accepted.v1"
                return services.record(accepted, key=key)
            case _:
                return self._issue(command, sealed["content"])

    def _issue(self, command: type[Message], content: Mapping[str, Any]) -> Decision:
        assert command is IssueLicense
        refused = "license-exchange.license-refused.v1"
        if content["serial"] in self.services.issued:
            return self.services.record(refused, reason="exists", license="0" * 32)
        self.services.issued.append(content["serial"])
        issued = "license-exchange.license-issued.v1"
        return self.services.record(issued, license="0" * 32, version=1)

    async def review_resources(self, reviewed: list[Reviewed], **_: object) -> Decision:
        """The agency's review."""
        services, outcomes = self.services, []
        await asyncio.sleep(0)
        assert len(reviewed) <= 100
        for each in reviewed:
            outcome = {"resource": each.resource, "revision": each.revision, "result": "published"}
            if each.resource in services.in_force:
                outcome |= {"result": "refused", "reason": "illegal-transition"}
            services.in_force.add(each.resource)
            outcomes.append(outcome)
        return services.record("catalog.resources-reviewed.v1", outcomes=outcomes)


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def catalogue(nation: tuple[Resource, ...]) -> tuple[Resource, ...]:
    ours = {DEPARTMENTS[at].code for at in OURS}
    return tuple(each for each in nation if each.provider in ours)


@pytest.fixture(scope="module")
def wanted(nation: tuple[Resource, ...]) -> list[Wanted]:
    found = [*wanted_license_grants(nation), *wanted_grants(nation)]
    return [each for each in found if each.caller in OURS and each.provider in OURS]


class Life:
    """One life of a process with the agency beside it."""

    def __init__(
        self, folder: Path, services: Services, first: frozenset[str] = frozenset()
    ) -> None:
        self.services = services
        self.ledger = Ledger(folder / LEDGER)
        self.published = Published(folder / "published.txt")
        self.follower = Follower(folder / LEDGER)
        self.systems = {at: System(services, at) for at in OURS}
        systems = cast("dict[int, ConnectedSystem]", self.systems)
        self.publisher = Publisher(systems, self.ledger, self.published, first)
        for system in self.systems.values():
            system.publisher = self.publisher

    async def run(
        self, catalogue: tuple[Resource, ...], wanted: list[Wanted], count: int = 300
    ) -> None:
        agency = cast("ConnectedSystem", System(self.services, -1))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(review(agency, [self.follower], self.published, len(catalogue)))
            tasks.create_task(self.publisher.publish(catalogue, licenses(count), wanted))
            provider = tasks.create_task(self._provide())
            ledger = self.ledger
            await until(lambda: (len(ledger.grants), len(ledger.licensed)) == (len(wanted), count))
            provider.cancel()

    async def _provide(self) -> None:
        """Hand requests for grants to the provider, as notices."""
        while True:
            for number, (_, terms) in list(self.services.pending.items()):
                await self.publisher.take(ISSUER, self._request(number, terms))
            await asyncio.sleep(0.01)

    def _request(self, number: str, terms: GrantTerms) -> Decision:
        said = {
            "request": number,
            "resource": terms.resource,
            "grantee": terms.grantee,
            "purpose": terms.purpose,
            "legal_basis": "x",
            "bounds": terms.bounds.model_dump(mode="json"),
            "decide_by": datetime.now(UTC).isoformat(),
        }
        return self.services.nation.record("catalog.grant-requested.v1", said)


def services_of(catalogue: tuple[Resource, ...]) -> Services:
    return Services(sharing={each.code: each.sharing.type for each in catalogue})


@pytest.mark.asyncio
async def test_everything_comes_into_the_domain(
    tmp_path: Path, catalogue: tuple[Resource, ...], wanted: list[Wanted]
) -> None:
    services = services_of(catalogue)
    life = Life(tmp_path, services)
    await life.run(catalogue, wanted)
    assert services.in_force == {each.code for each in catalogue} == life.published.codes
    assert len(services.issued) == 300
    assert life.ledger.grants.keys() == {(each.caller, each.resource) for each in wanted}
    assert {each.automatic for each in wanted} == {True, False}
    assert services.said["license-exchange.register-license-type.v1"] == 2
    assert services.said["license-exchange.delegate-issuer.v1"] == 1
    life.ledger.close()


@pytest.mark.asyncio
async def test_what_the_case_needs_goes_first(
    tmp_path: Path, catalogue: tuple[Resource, ...], wanted: list[Wanted]
) -> None:
    services = services_of(catalogue)
    life = Life(tmp_path, services, frozenset({"H250"}))
    await life.run(catalogue, wanted)
    assert services.issued[0] == "H250"
    assert services.order == [each.code for each in catalogue]
    life.ledger.close()


@pytest.mark.asyncio
async def test_a_process_that_is_started_again_brings_nothing_twice(
    tmp_path: Path, catalogue: tuple[Resource, ...], wanted: list[Wanted]
) -> None:
    services = services_of(catalogue)
    life = Life(tmp_path, services)
    task = asyncio.create_task(life.run(catalogue, wanted))
    await until(lambda: len(services.issued) >= 150 and len(services.in_force) >= 200)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    life.ledger.close()
    again = Life(tmp_path, services)
    await again.run(catalogue, wanted)
    assert services.in_force == {each.code for each in catalogue}
    assert Counter(services.issued) == Counter({f"H{n}": 1 for n in range(300)})
    assert services.said["license-exchange.delegate-issuer.v1"] == 1
    assert again.ledger.grants.keys() == {(each.caller, each.resource) for each in wanted}
    again.ledger.close()


@pytest.mark.asyncio
async def test_a_resource_that_the_catalog_refuses_is_an_error_that_names_it(
    tmp_path: Path, catalogue: tuple[Resource, ...]
) -> None:
    services = services_of(catalogue)
    services.refuse = "element-claimed"
    life = Life(tmp_path, services)
    with pytest.raises(ExceptionGroup) as caught:
        await life.publisher.publish(catalogue[:1], [], [])
    text = repr(_leaf(caught.value))
    assert catalogue[0].code in text
    assert "element-claimed" in text
    life.ledger.close()


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PublishingError)
    return error
