"""A small exchange in memory: a domain, a database, and everybody's commands without a broker."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
from sqlalchemy import Connection
from tests.common.assertions.conftest import OWN, claims, seal_holder, sign
from tests.common.conftest import AGENCY, FOOD, IDENTITY, TAX, World
from tests.stores import Scratch, in_memory

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.catalog import Bounds, GrantOpened, GrantTerms, ResourcePublished
from sanyuan.common.contracts.catalog.resources import Resource
from sanyuan.common.contracts.message import Attachment, Message
from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.deciding import Answer, Command, Fact, Notice, Outcome, Sealing
from sanyuan.common.directory import System
from sanyuan.common.sdjwt.keys import IssuerKeys, key_set
from sanyuan.license_exchange import store
from sanyuan.license_exchange.domain.rules import Rules
from sanyuan.license_exchange.handlers import LicenseExchangeHandler
from sanyuan.license_exchange.keys import Keys
from sanyuan.license_exchange.rendering import Addresses

CITY: Final = "//cn/departments/11220000013544541J/city-market"
CITY_DESK: Final = "//cn/departments/11220000013544541J/city-desk"
EXCHANGE: Final = "//cn/services/license-exchange"
CATALOG: Final = "//cn/services/catalog"
DEFINER: Final = "11220000013544541J"
FOOD_CODE: Final = "11110000000012345X"
COMPANY: Final = "91110000600037341L"
TYPE: Final = f"{DEFINER}032"
GRANT: Final = "0b54e6bd7a014f2e8c8e8b6f0d6f3a51"
RESOURCE: Final = "307001/000017"
PURPOSE: Final = "food-business-licence"
PERSON: Final = "how the exchange calls the person"
NOW: Final = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
ISSUED: Final = int(NOW.timestamp()) - 60
SEALED: Final = Attachment(sealed="sha256:" + "0" * 64)
BASE: Final = "https://exchange.example"
KEYS: Final = Keys(sha256(b"master").digest(), sha256(b"blind").digest())
LICENSE_TYPE: Final = messages.LicenseType.model_validate(
    {
        "code": TYPE,
        "name": "食品经营许可证",
        "name_en": "Food business licence",
        "holders": ["person", "organisation"],
        "fields": [
            {"name": "premises", "title": "经营场所", "type": "C", "length": 200},
            {"name": "area", "title": "面积", "type": "N", "required": False},
            {"name": "scope", "title": "经营项目", "type": "M", "required": False},
        ],
    }
)
FIELDS: Final = ("premises", "holder_name", "valid_until")


def content(**other: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    made: dict[str, Any] = {
        "serial": "2430599",
        "holder": {"kind": "organisation", "name": "某某餐饮有限公司", "code": COMPANY},
        "valid_from": "2026-11-01",
        "valid_until": "2031-10-31",
        "fields": {"premises": "北京市西城区某街1号", "area": 120},
    }
    return {name: value for name, value in {**made, **other}.items() if value is not None}


def for_person(**other: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    return content(**{"holder": {"kind": "person", "name": "阿甲某"}, **other})


def assertion(**other: Any) -> bytes:  # noqa: ANN401  any JSON
    """What identity says of the person to the food department, unless `other` says else."""
    holder = other.pop("about", PERSON)
    jti = other.setdefault("jti", sha256(json.dumps([holder, other]).encode()).hexdigest()[:32])
    times = {"iat": ISSUED, "exp": ISSUED + 6000}
    made = {"uses": 20, "azp": FOOD_CODE, "purpose": PURPOSE, **times, **other}
    return sign(claims(**{**made, "holder": seal_holder(jti, holder)}))


def of_company(code: str = COMPANY, **other: Any) -> bytes:  # noqa: ANN401  any JSON
    return assertion(about=code, level="name-and-code", **other)


RESOURCE_DATA: Final = {
    "code": RESOURCE,
    "classification": ["部门政务信息资源", "市场监管", "许可"],
    "name": "食品经营许可证",
    "summary": "许可证信息",
    "provider": DEFINER,
    "format": "electronic-file",
    "items": [{"name": "premises", "title": "经营场所", "type": "C"}],
    "sharing": {"type": "unconditional"},
    "update_cycle": "real-time",
    "license_type": TYPE,
}


def published(**other: Any) -> ResourcePublished:  # noqa: ANN401  any JSON
    resource = Resource.model_validate({**RESOURCE_DATA, **other})
    return ResourcePublished(resource=resource, revision=1)


def granted(grant: str = GRANT, **other: Any) -> GrantOpened:  # noqa: ANN401  any JSON
    bounds = {"fields": FIELDS, "until": NOW + timedelta(days=300)} | {
        name: other.pop(name) for name in ("fields", "quota", "rate", "until") if name in other
    }
    terms = {
        "grant": grant,
        "resource": RESOURCE,
        "grantee": FOOD_CODE,
        "purpose": PURPOSE,
        "bounds": Bounds.model_validate(bounds),
        "license_type": TYPE,
    }
    return GrantOpened(terms=GrantTerms.model_validate({**terms, **other}))


def world() -> World:
    made = World()
    made.found()
    for source in (AGENCY, IDENTITY, EXCHANGE, CATALOG, FOOD, TAX, CITY, CITY_DESK):
        made.admit(source)
    return made


def database() -> AbstractContextManager[Connection]:
    """Empty tables, for laws that need many of them."""
    return in_memory(store.MODELS)


@dataclass
class Exchange:
    """The service's handler with its database, and a clock that is told what time it is."""

    connection: Connection
    world: World
    rules: Rules = field(default_factory=Rules)
    now: datetime = NOW
    count: int = 0
    keys: Keys = KEYS
    facts: list[Message] = field(default_factory=list)
    """What stands on ``license-exchange-events``."""

    @property
    def handler(self) -> LicenseExchangeHandler:
        return LicenseExchangeHandler(self.rules, self.keys, Addresses(BASE), OWN)

    def system(self, source: str) -> System:
        return self.world.directory.systems[source]

    def command(self, source: str, data: Message, **opened: object) -> Command[Message]:
        self.count += 1
        return Command(
            id=f"id-{self.count}",
            at=self.now,
            sender=self.system(source),
            case="case",
            actor=None,
            data=data,
            opened={name: _plain(opened.get(name)) for name in data.SEALED},
            entropy=sha256(f"entropy {self.count}".encode()).digest(),
        )

    def decide(self, *commands: Command[Message]) -> Sequence[Outcome]:
        return self.handler(self.connection, self.world.directory, commands)

    def ask(self, source: str, data: Message, **opened: object) -> Outcome:
        outcome = self.decide(self.command(source, data, **opened))[0]
        _check_records(outcome)
        self.facts += outcome.facts
        return outcome

    def trusted(self) -> IssuerKeys:
        """The keys that a verifier learns from the public facts."""
        keys: dict[str, list[str]] = defaultdict(list)
        for fact in self.facts:
            if isinstance(fact, messages.IssuerDelegated):
                keys[f"{BASE}/issuers/{fact.department}"].append(fact.key.x)
        return {issuer: key_set(*public) for issuer, public in keys.items()}

    def tell(self, *facts: Message) -> None:
        store.observe(self.connection, [Fact(fact, self.now, None) for fact in facts])

    def set_up(self) -> None:
        """A type, its issuer's key, its resource in the catalogue and a grant on it."""
        self.ask(CITY, messages.RegisterLicenseType(license_type=LICENSE_TYPE))
        self.delegate()
        self.tell(published(), granted())

    def delegate(self, source: str = CITY) -> None:
        opened = self.ask(source, messages.OpenIssuer())
        key = messages.IssuerKey.model_validate(fields(opened)["key"])
        self.ask(source, messages.DelegateIssuer(key=key))

    def issue(self, said: Mapping[str, Any] | None = None, **other: Any) -> Outcome:  # noqa: ANN401
        token = other.pop("assertion", None)
        data = messages.IssueLicense(
            type=other.pop("type", TYPE),
            content=SEALED,
            assertion=SEALED if token else None,
            **{n: other.pop(n) for n in ("revision",) if n in other},
        )
        return self.ask(
            other.pop("source", CITY), data, content=said or content(**other), assertion=token
        )

    def issued(self, said: Mapping[str, Any] | None = None, **other: Any) -> str:  # noqa: ANN401
        outcome = self.issue(said, **other)
        assert type_of(outcome) is messages.LicenseIssued, fields(outcome)
        return str(fields(outcome)["license"])

    def share(self, token: bytes | None, **other: Any) -> Outcome:  # noqa: ANN401  any field
        source = other.pop("source", FOOD)
        asked = {"type": TYPE, "fields": FIELDS, "purpose": PURPOSE, "grant": GRANT}
        data = messages.RequestLicenseFields(**{**asked, "assertion": SEALED, **other})
        return self.ask(source, data, assertion=token)

    def change(self, kind: type[Message], license_: str, source: str = CITY) -> Outcome:
        return self.ask(source, kind(license=license_, grounds="violation"))  # type: ignore[call-arg]

    def amend(self, license_: str, said: Mapping[str, Any], **other: Any) -> Outcome:  # noqa: ANN401
        source = other.pop("source", CITY)
        data = messages.AmendLicense(
            license=license_, grounds="correction", content=SEALED, **other
        )
        return self.ask(source, data, content=said)

    def present(self, token: bytes | None, **other: Any) -> Outcome:  # noqa: ANN401  any field
        source = other.pop("source", FOOD)
        asked = {"type": TYPE, "fields": FIELDS, "assertion": SEALED}
        return self.ask(source, messages.OpenPresentation(**{**asked, **other}), assertion=token)

    def verify(self, code: str | None, source: str = TAX) -> Outcome:
        data = messages.VerifyPresentation(purpose="inspection", code=SEALED)
        return self.ask(source, data, code=None if code is None else {"code": code})

    def tick(self) -> Outcome:
        return self.decide(self.command(EXCHANGE, messages.LicenseExchangeTick()))[0]


def _plain(value: object) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return json.dumps(value, ensure_ascii=False).encode()


def answer_of(outcome: Outcome) -> Answer:
    assert outcome.answer is not None
    return outcome.answer


def type_of(outcome: Outcome) -> type[Message]:
    return answer_of(outcome).type


def fields(outcome: Outcome) -> Mapping[str, Any]:
    return answer_of(outcome).fields


def reason(outcome: Outcome) -> object:
    return fields(outcome).get("reason")


def sealed(outcome: Outcome, name: str = "answer") -> Any:  # noqa: ANN401  any JSON
    attached = answer_of(outcome).attachments[name]
    assert isinstance(attached, Sealing)
    return json.loads(attached.plaintext)


def _check_records(outcome: Outcome) -> None:
    """Whatever is told keeps its contract."""
    answer = answer_of(outcome)
    command = {"source": CITY, "topic": "cn/x", "sequence": "0" * 20, "hash": "0" * 64}
    decided = {"command": command, "decision": 1, "asof": {}}
    told: list[tuple[Answer | Notice, dict[str, Any]]] = [(answer, decided)]
    told += [(notice, {}) for notice in outcome.notices]
    for record, around in told:
        attached = {name: {"sealed": SEALED.sealed} for name in record.attachments}
        data = json.loads(json.dumps({**around, **record.fields, **attached}, default=str))
        parse_data(record.type.TYPE, "inbox", data)
        assert set(record.attachments) == set(record.type.SEALED)


@pytest.fixture
def connection(scratch: Scratch) -> Iterator[Connection]:
    with scratch(store.MODELS) as opened:
        yield opened


@pytest.fixture
def exchange(connection: Connection) -> Exchange:
    """Ready to issue and to share."""
    made = Exchange(connection, world())
    made.set_up()
    return made
