"""License-exchange in the runtime, without a broker: signed records in, signed records out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.batches import decide
from tests.common.assertions.conftest import claims, seal_holder, sign
from tests.common.conftest import (
    AGENCY,
    FOOD,
    IDENTITY,
    TAX,
    World,
    envelope_of,
    system_file,
)
from tests.license_exchange.conftest import (
    CITY,
    COMPANY,
    DEFINER,
    EXCHANGE,
    FIELDS,
    FOOD_CODE,
    GRANT,
    LICENSE_TYPE,
    PURPOSE,
    RESOURCE,
    RESOURCE_DATA,
    TYPE,
    content,
)

from sanyuan.common import outbox, positions
from sanyuan.common.database import Database
from sanyuan.common.outbox import Outbox, Row
from sanyuan.common.record import RawRecord
from sanyuan.common.sdjwt.credential import verify_credential
from sanyuan.common.sdjwt.keys import key_set
from sanyuan.common.service.deciding import Decider
from sanyuan.license_exchange import store
from sanyuan.license_exchange.app import make_domain
from sanyuan.license_exchange.keys import make_keys
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.settings import Settings

CATALOG = "//cn/services/catalog"
COMMANDS = "license-exchange-commands"
BASE = "https://exchange.example"
Attached = dict[str, object]


@dataclass
class Service:
    """A service's decider on its own database; `handle` is one batch."""

    decider: Decider
    database: Database
    world: World

    @property
    def now(self) -> int:
        return self.world.clock_ms // 1000

    def handle(self, raws: Sequence[RawRecord], facts: Sequence[RawRecord] = ()) -> list[Row]:
        return decide(self.decider, self.database, self.world.directory, raws, facts)

    def command(
        self, source: str, kind: str, data: dict[str, Any], attached: Attached | None = None
    ) -> RawRecord:
        sealed = {
            name: system_file(EXCHANGE).sealing.public.seal(
                value if isinstance(value, bytes) else json.dumps(value).encode(),
                source=source,
                topic=f"cn/{COMMANDS}",
                name=name,
            )
            for name, value in (attached or {}).items()
        }
        return self.world.send(source, COMMANDS, f"license-exchange.{kind}.v1", data, sealed)

    def say(
        self, source: str, kind: str, data: dict[str, Any], attached: Attached | None = None
    ) -> list[Row]:
        return self.handle([self.command(source, kind, data, attached)])

    def set_up(self) -> str:
        """A type, an issuer, a resource and a grant; returns the issuer's public key."""
        described = LICENSE_TYPE.model_dump(mode="json", exclude_none=True)
        self.say(CITY, "register-license-type", {"license_type": described})
        key = envelope_of(self.say(CITY, "open-issuer", {})[0]).data["key"]
        self.say(CITY, "delegate-issuer", {"key": key})
        terms = {
            "grant": GRANT,
            "resource": RESOURCE,
            "grantee": FOOD_CODE,
            "purpose": PURPOSE,
            "bounds": {"fields": list(FIELDS), "quota": 3, "until": "2037-01-01T00:00:00Z"},
            "license_type": TYPE,
        }
        self.handle(
            (),
            [
                self.fact("resource-published", {"resource": RESOURCE_DATA, "revision": 1}),
                self.fact("grant-opened", {"terms": terms}),
            ],
        )
        return str(key["x"])

    def fact(self, kind: str, data: dict[str, Any]) -> RawRecord:
        return self.world.send(CATALOG, "catalog-events", f"catalog.{kind}.v1", data)

    def share(self, **other: Any) -> RawRecord:  # noqa: ANN401  any JSON
        jti = other.pop("jti", "a" * 32)
        token = sign(
            claims(
                azp=FOOD_CODE,
                jti=jti,
                holder=seal_holder(jti, COMPANY),
                level="name-and-code",
                iat=self.now - 60,
                exp=self.now + 600,
                uses=9,
            )
        )
        asked = {"type": TYPE, "fields": list(FIELDS), "purpose": PURPOSE, "grant": GRANT}
        return self.command(FOOD, "request-license-fields", asked | other, {"assertion": token})


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    world = World()
    world.found()
    for source in (AGENCY, IDENTITY, CATALOG, EXCHANGE, FOOD, TAX, CITY):
        world.admit(source)
    system, settings = system_file(EXCHANGE), Settings(folder)
    models = (*store.MODELS, *outbox.MODELS, *positions.MODELS)
    database = Database.open(f"sqlite:///{folder}/exchange.db", models)
    keys = make_keys(settings.secrets_file)
    domain = make_domain(settings, keys, Addresses(BASE), system)
    decider = Decider(domain, system, Outbox())
    try:
        yield Service(decider, database, world)
    finally:
        database.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as made:
        yield made


def types(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.topic, envelope_of(row).type.removeprefix("license-exchange.")) for row in rows]


def test_what_was_sealed_by_the_issuer_reaches_the_asker_sealed(service: Service) -> None:
    public = service.set_up()
    issued = service.say(CITY, "issue-license", {"type": TYPE}, {"content": content()})
    assert types(issued) == [("inbox-city-market", "license-issued.v1")]
    (row,) = service.handle([service.share()])
    assert types([row]) == [("inbox-food-permits", "license-fields-shared.v1")]
    assert envelope_of(row).data["asof"].keys() == {
        "participants",
        "identity-events",
        "catalog-events",
    }
    plaintext = system_file(FOOD).sealing.open(
        dict(row.headers)["sealed-answer"],
        source=EXCHANGE,
        topic="cn/inbox-food-permits",
        name="answer",
    )
    [shown] = json.loads(plaintext)["licenses"]
    assert shown["fields"]["holder_name"] == "某某餐饮有限公司"
    keys = {f"{BASE}/issuers/{DEFINER}": key_set(public)}
    credential = verify_credential(shown["sd_jwt"], keys, at=service.now)
    assert credential.claims["premises"] == shown["fields"]["premises"]
    for each in (*issued, row):
        assert "餐饮".encode() not in each.value


@pytest.mark.parametrize("cuts", [[], [1], [2, 4], [1, 2, 3, 4, 5]])
def test_a_quota_and_a_revocation_are_exact_in_any_split(tmp_path: Path, cuts: list[int]) -> None:
    with running(tmp_path) as service:
        service.set_up()
        asked = [service.share() for _ in range(5)]
        rows = [
            row
            for start, end in pairwise([0, *cuts, len(asked)])
            for row in service.handle(asked[start:end])
        ]
        revoked = service.fact(
            "grant-revoked", {"grant": GRANT, "resource": RESOURCE, "reason": "x"}
        )
        rows += service.handle([service.share()], [revoked])
    told = [envelope_of(row).data.get("reason", "shared") for row in rows]
    assert told == ["shared"] * 3 + ["quota"] * 2 + ["grant-revoked"]


def test_the_services_own_tick_is_not_answered_and_a_departments_is_refused(
    service: Service,
) -> None:
    assert service.say(EXCHANGE, "tick", {}) == []
    (refused,) = service.say(FOOD, "tick", {})
    assert envelope_of(refused).data["reason"] == "unknown-type"


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("issue-license", {"type": "nothing"}, "malformed"),
        ("paint-license", {}, "unknown-type"),
    ],
)
def test_a_command_that_cannot_be_looked_at_is_answered_too(
    service: Service, kind: str, data: dict[str, Any], reason: str
) -> None:
    (row,) = service.say(FOOD, kind, data, {"content": {}})
    assert types([row]) == [("inbox-food-permits", "command-refused.v1")]
    assert envelope_of(row).data["reason"] == reason


def test_a_type_that_could_not_be_published_is_refused(service: Service) -> None:
    """Else its fact could not be written, and its batch would never end."""

    def described(count: int) -> dict[str, Any]:
        fields = [
            {"name": f"field_{number}", "title": "项" * 500, "type": "C"} for number in range(count)
        ]
        return LICENSE_TYPE.model_dump(mode="json", exclude_none=True) | {"fields": fields}

    (row,) = service.say(CITY, "register-license-type", {"license_type": described(38)})
    assert envelope_of(row).data["reason"] == "too-large"
    rows = service.say(CITY, "register-license-type", {"license_type": described(36)})
    assert [kind for _, kind in types(rows)] == [
        "license-type-registered.v1",
        "license-type-accepted.v1",
    ]


def test_an_attachment_that_was_moved_or_cut_does_not_open(service: Service) -> None:
    service.set_up()
    raw = service.command(CITY, "issue-license", {"type": TYPE}, {"content": content()})
    stolen = dict(raw.headers)["sealed-content"] or b""
    moved = service.world.send(
        FOOD,
        COMMANDS,
        "license-exchange.issue-license.v1",
        {"type": TYPE},
        {"content": stolen},
    )
    told = [envelope_of(row).data.get("reason") for row in service.handle([raw, moved])]
    assert told == [None, "issuer-not-delegated"]
    cut = service.world.send(
        CITY,
        COMMANDS,
        "license-exchange.issue-license.v1",
        {"type": TYPE},
        {"content": stolen[:-1]},
    )
    assert [envelope_of(row).data["reason"] for row in service.handle([cut])] == ["content-missing"]
