"""The catalog in the runtime, without a broker: signed records in, signed records out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.batches import decide
from tests.common.conftest import (
    AGENCY,
    FOOD,
    IDENTITY,
    TAX,
    World,
    envelope_of,
    signing,
    system_file,
)

from sanyuan.catalog import search, store
from sanyuan.catalog.app import make_domain
from sanyuan.catalog.settings import Settings
from sanyuan.common import outbox, positions
from sanyuan.common.database import Database
from sanyuan.common.outbox import Outbox, Row
from sanyuan.common.record import RawRecord
from sanyuan.common.service.deciding import Decider

CATALOG = "//cn/services/catalog"
CODE = "307001/000017"
RESOURCE: dict[str, Any] = {
    "code": CODE,
    "classification": ["部门", "税务", "登记"],
    "name": "税务登记信息",
    "summary": "纳税人的登记状态",
    "provider": TAX.split("/")[4],
    "format": "service-interface",
    "items": [{"name": "status", "title": "登记状态", "type": "C"}],
    "sharing": {"type": "unconditional"},
    "update_cycle": "real-time",
    "serving_system": TAX,
}
UNTIL = "2037-01-01T00:00:00Z"
ASKED = {
    "resource": CODE,
    "purpose": "permit",
    "legal_basis": "§ 35",
    "bounds": {"fields": ["status"], "quota": 3, "until": UNTIL},
}


@dataclass
class Service:
    """A service's decider on its own database; `handle` is one batch."""

    decider: Decider
    database: Database
    world: World

    def handle(self, raws: Sequence[RawRecord], facts: Sequence[RawRecord] = ()) -> list[Row]:
        return decide(self.decider, self.database, self.world.directory, raws, facts)

    def say(self, source: str, kind: str, data: dict[str, Any]) -> list[Row]:
        return self.handle(
            [self.world.send(source, "catalog-commands", f"catalog.{kind}.v1", data)]
        )

    def publish(self, **fields: object) -> None:
        self.say(TAX, "submit-resource", {"resource": RESOURCE | fields})
        word = {"resource": CODE, "revision": 1, "publish": True}
        self.say(AGENCY, "review-resource", {"reviewed": [word]})

    def call(self, grant: str) -> RawRecord:
        sealing = self.world.directory.systems[TAX].sealing
        sealed = sealing.seal(b'{"code":"1"}', source=FOOD, topic="cn/calls", name="parameters")
        data = {"grant": grant, "serving_system": TAX}
        return self.world.send(FOOD, "calls", "call.requested.v1", data, {"parameters": sealed})


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    world = World()
    world.found()
    for source in (AGENCY, IDENTITY, CATALOG, FOOD, TAX):
        world.admit(source)
    system = system_file(CATALOG)
    models = (*store.MODELS, *search.MODELS, *outbox.MODELS, *positions.MODELS)
    database = Database.open(f"sqlite:///{folder}/catalog.db", models)
    domain = make_domain(Settings(folder), system)
    decider = Decider(domain, system, Outbox())
    try:
        yield Service(decider, database, world)
    finally:
        database.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as made:
        yield made


def granted(rows: list[Row]) -> str:
    terms = envelope_of(rows[-1]).data["terms"]
    return str(terms["grant"])


def types(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.topic, envelope_of(row).type) for row in rows]


def test_the_provider_opens_what_the_caller_sealed(service: Service) -> None:
    service.publish()
    asked = service.say(FOOD, "request-grant", ASKED)
    assert types(asked) == [
        ("catalog-events", "catalog.grant-opened.v1"),
        ("inbox-food-permits", "catalog.grant-issued.v1"),
    ]
    (row,) = service.handle([raw := service.call(granted(asked))])
    assert (row.topic, envelope_of(row).type) == ("inbox-tax", "call.admitted.v1")
    data = envelope_of(row).data
    origin = data["parameters"]["from"]
    sealed = dict(row.headers)["sealed-parameters"]
    opened = system_file(TAX).sealing.open(
        sealed, source=origin["source"], topic=origin["topic"], name=origin["attachment"]
    )
    assert json.loads(opened) == {"code": "1"}
    assert data["command"]["topic"] == "cn/calls"
    assert data["call_id"] == json.loads(raw.value or b"")["id"] == envelope_of(row).causationid
    assert data["asof"].keys() == {"participants", "identity-events"}


@pytest.mark.parametrize("cuts", [[], [1], [2, 4], [1, 2, 3, 4, 5]])
def test_a_quota_and_a_revocation_are_exact_in_any_split(tmp_path: Path, cuts: list[int]) -> None:
    with running(tmp_path) as service:
        service.publish()
        grant = granted(service.say(FOOD, "request-grant", ASKED))
        calls = [service.call(grant) for _ in range(4)]
        data = {"grant": grant, "reason": "over"}
        revoke = service.world.send(TAX, "catalog-commands", "catalog.revoke-grant.v1", data)
        raws = [*calls, revoke, service.call(grant)]
        rows = [
            row
            for start, end in pairwise([0, *cuts, len(raws)])
            for row in service.handle(raws[start:end])
        ]
    told = [envelope_of(row) for row in rows if row.topic != "catalog-events"]
    assert [each.data.get("reason", each.type) for each in told] == [
        "call.admitted.v1",
        "call.admitted.v1",
        "call.admitted.v1",
        "quota",
        "catalog.grant-revocation-accepted.v1",
        "grant-revoked",
    ]


def test_an_assertion_is_revoked_from_the_fact_on(service: Service) -> None:
    jti = "0" * 32
    fact = service.world.send(
        IDENTITY, "identity-events", "identity.assertion-revoked.v1", {"jti": jti}
    )
    (row,) = service.handle([service.call("0" * 32)], [fact])
    assert envelope_of(row).data["asof"]["identity-events"] == 1
    revoked = service.database.run(
        lambda c: c.exec_driver_sql("SELECT jti FROM assertion_revoked").scalars().all()
    )
    assert revoked == [jti]


def test_the_catalogs_own_tick_is_not_answered_and_reminds(service: Service) -> None:
    service.publish(sharing={"type": "conditional", "conditions": "permits"})
    types_ = types(service.say(FOOD, "request-grant", ASKED))
    assert types_ == [
        ("inbox-food-permits", "catalog.grant-pending.v1"),
        ("inbox-tax", "catalog.grant-requested.v1"),
    ]
    due = service.database.run(store.next_deadline)
    assert due is not None
    now = datetime.fromtimestamp(service.world.clock_ms / 1000, UTC)
    assert timedelta(days=10) < due - now < timedelta(days=18)
    service.world.clock_ms = int(due.timestamp() * 1000)
    assert types(service.say(CATALOG, "tick", {})) == [
        ("inbox-tax", "catalog.grant-overdue.v1"),
        ("inbox-food-permits", "catalog.grant-overdue.v1"),
    ]
    assert service.database.run(store.next_deadline) is None


def test_somebody_elses_tick_is_a_command_of_unknown_type(service: Service) -> None:
    (row,) = service.say(FOOD, "tick", {})
    assert envelope_of(row).type == "catalog.command-refused.v1"
    assert envelope_of(row).data["reason"] == "unknown-type"


def test_a_tick_under_a_key_that_was_revoked_holds_nobody_up(service: Service) -> None:
    tick = service.world.send(CATALOG, "catalog-commands", "catalog.tick.v1", {})
    service.world.say(
        "participant.key-revoked.v1",
        source=CATALOG,
        signing_key=str(signing(CATALOG).verifier),
        reason="replaced",
    )
    assert service.handle([tick]) == []


@pytest.mark.parametrize(
    "bounds",
    [
        {"fields": ["status"], "quota": 2**63, "until": UNTIL},
        {"fields": ["status"], "quota": 2**53, "until": UNTIL},
        {"fields": ["status"], "rate": 100_001, "until": UNTIL},
        {"fields": ["status"], "until": "9999-12-31T23:59:59-12:00"},
        {"fields": ["status"], "until": "0001-01-01T00:00:00+12:00"},
        {"fields": ["status"], "until": 1_900_000_000},
        {"fields": ["status", "status"], "until": UNTIL},
        {"fields": [], "until": UNTIL},
    ],
)
def test_no_number_and_no_time_of_a_sender_stops_the_service(
    service: Service, bounds: dict[str, object]
) -> None:
    service.publish()
    (row,) = service.say(FOOD, "request-grant", ASKED | {"bounds": bounds})
    assert envelope_of(row).data["reason"] == "malformed"
