"""The catalog's handler with its tables in memory, and commands as the runtime hands them over."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, create_engine
from sqlmodel import SQLModel

from sanyuan.catalog import search, store
from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.handlers import CatalogHandler
from sanyuan.common.contracts import catalog as messages
from sanyuan.common.contracts.message import Attachment, Message
from sanyuan.common.database import COUNTER, table_of
from sanyuan.common.deciding import Answer, Command, Forwarded, Outcome
from sanyuan.common.directory import Directory, Participant, System
from sanyuan.common.notes import SigningKey, parse_signature
from sanyuan.common.sealing import SUITE_NAME, SealingKey, digest, reference
from sanyuan.common.sources import inbox_of, key_name, parse_source

NOW: Final = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
TAX: Final = "//cn/departments/91110000600037341L/tax"
ARCHIVE: Final = "//cn/departments/91110000600037341L/archive"
FOOD: Final = "//cn/departments/11110000000012345X/food"
COUNTER_DESK: Final = "//cn/departments/11110000000012345X/counter"
CIVIL: Final = "//cn/departments/11100000000013338W/civil"
AGENCY: Final = "//cn/agency/11220000013544541J/agency"
IDENTITY: Final = "//cn/services/identity"
CATALOG: Final = "//cn/services/catalog"
SEALING: Final = {s: SealingKey.generate() for s in (TAX, ARCHIVE, FOOD, CATALOG)}
SIGNING: Final = SigningKey.from_seed(key_name(IDENTITY), sha256(b"identity").digest())
PARAMETERS: Final = b"sealed by the caller to whoever serves"
CODE: Final = "307001/000017"
UNTIL: Final = NOW + timedelta(days=30)
MODELS: Final[tuple[type[SQLModel], ...]] = (*store.MODELS, *search.MODELS)


def participant(source: str) -> str:
    return parse_source(source).participant or ""


def system(source: str) -> System:
    parsed = parse_source(source)
    sealing = SEALING.get(source) or SealingKey.generate()
    key = SIGNING.verifier if source == IDENTITY else None
    return System(
        source=source,
        name=parsed.name,
        role=parsed.role,
        participant=parsed.participant,
        inbox=None if parsed.role == "service" else inbox_of(parsed.name),
        node=parsed.name,
        operated_by=None,
        sealing_key=sealing.public.to_base64(),
        suite=SUITE_NAME,
        keys={} if key is None else {key.key_id: key},
    )


SYSTEMS: Final = {
    source: system(source)
    for source in (TAX, ARCHIVE, FOOD, COUNTER_DESK, CIVIL, AGENCY, IDENTITY, CATALOG)
}
DIRECTORY: Final = Directory(
    pinned=SigningKey.from_seed(key_name(AGENCY), bytes(32)).verifier,
    systems=SYSTEMS,
    participants={
        participant(TAX): Participant(participant(TAX), "department", "税务局", "Tax bureau")
    },
)


@contextmanager
def memory() -> Iterator[Connection]:
    """The catalog's tables, empty."""
    engine = create_engine("sqlite://")
    tables = [COUNTER, *(table_of(model) for model in MODELS)]
    SQLModel.metadata.create_all(engine, tables=tables)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@dataclass
class Office:
    """Decides batches one after the other."""

    connection: Connection
    directory: Directory = DIRECTORY
    handler: CatalogHandler = field(
        default_factory=lambda: CatalogHandler(Rules(burst_seconds=1), "cn")
    )
    serial: int = 0

    def command(
        self,
        data: Message,
        source: str,
        *,
        at: datetime = NOW,
        opened: Mapping[str, bytes | None] | None = None,
        sealed: Mapping[str, bytes | None] | None = None,
    ) -> Command[Message]:
        self.serial += 1
        return Command(
            id=f"01900000-0000-7000-8000-{self.serial:012x}",
            at=at,
            sender=self.directory.systems[source],
            case="case",
            actor=None,
            data=data,
            opened=opened or {},
            entropy=sha256(str(self.serial).encode()).digest(),
            sealed=sealed or {},
        )

    def call(
        self,
        grant: str,
        source: str = FOOD,
        *,
        serving_system: str = TAX,
        at: datetime = NOW,
        parameters: bytes | None = PARAMETERS,
        assertion: bytes | None = None,
    ) -> Command[Message]:
        named = Attachment(sealed=digest(PARAMETERS))
        data = messages.CallRequested(
            grant=grant,
            serving_system=serving_system,
            parameters=named,
            assertion=None if assertion is None else Attachment(sealed=digest(assertion)),
        )
        return self.command(
            data,
            source,
            at=at,
            opened={"parameters": None, "assertion": assertion},
            sealed={"parameters": parameters, "assertion": assertion},
        )

    def decide(self, *commands: Command[Message]) -> list[Outcome]:
        outcomes = list(self.handler(self.connection, self.directory, commands))
        for command, outcome in zip(commands, outcomes, strict=True):
            check(command, outcome)
        return outcomes

    def say(self, data: Message, source: str, *, at: datetime = NOW) -> Outcome:
        (outcome,) = self.decide(self.command(data, source, at=at))
        return outcome

    def publish(self, described: messages.Resource | None = None, by: str = TAX) -> None:
        described = described or resource()
        self.say(messages.SubmitResource(resource=described), by)
        self.say(reviewed(code=described.code), AGENCY)

    def grant(self, source: str = FOOD, **limits: Any) -> str:  # noqa: ANN401  of Bounds
        """The id of a grant, or of a request that is pending."""
        answer = answer_of(self.say(asked(**limits), source))
        if answer.type is messages.GrantPending:
            return str(answer.fields["request"])
        assert answer.type is messages.GrantIssued, answer
        return str(answer.fields["terms"]["grant"])  # type: ignore[index]  # JSON


def resource(**fields: Any) -> messages.Resource:  # noqa: ANN401  any field
    """A resource that the tax department serves."""
    defaults: dict[str, Any] = {
        "code": CODE,
        "classification": ("部门", "税务", "登记"),
        "name": "税务登记信息",
        "summary": "纳税人的登记状态",
        "provider": participant(TAX),
        "format": "service-interface",
        "items": (
            messages.Item(name="status", title="登记状态", type="C", element="DE00017"),
            messages.Item(name="since", title="登记日期", type="D"),
        ),
        "sharing": messages.Sharing(type="unconditional"),
        "update_cycle": "real-time",
        "serving_system": TAX,
        "answer_within": 5,
    }
    return messages.Resource(**{**defaults, **fields})


CONDITIONAL: Final = messages.Sharing(type="conditional", conditions="for permits only")


def reviewed(
    revision: int = 1, code: str = CODE, *, publish: bool = True
) -> messages.ReviewResource:
    reason = None if publish else "unclear"
    word = messages.Reviewed(resource=code, revision=revision, publish=publish, reason=reason)
    return messages.ReviewResource(reviewed=(word,))


def asked(**limits: Any) -> messages.RequestGrant:  # noqa: ANN401  of Bounds
    within: dict[str, Any] = {"fields": ("status",), "until": UNTIL} | limits
    return messages.RequestGrant(
        resource=CODE, purpose="permit", legal_basis="§ 35", bounds=messages.Bounds(**within)
    )


def answer_of(outcome: Outcome) -> Answer:
    assert outcome.answer is not None
    return outcome.answer


def reasons(outcomes: Sequence[Outcome]) -> list[object]:
    return [answer_of(outcome).fields.get("reason") for outcome in outcomes]


def check(command: Command[Message], outcome: Outcome) -> None:
    """Everything that is told keeps its contract; a command has one answer, a tick none."""
    is_tick = isinstance(command.data, messages.CatalogTick)
    assert (outcome.answer is None) == is_tick
    for fact in outcome.facts:
        assert fact.TOPICS == messages.EVENTS
        json.dumps(fact.model_dump(mode="json", by_alias=True, exclude_none=True))
    for notice in outcome.notices:
        notice.type.model_validate(json.loads(json.dumps(notice.fields)))
    if outcome.answer is not None:
        reference_of = {"source": command.sender.source, "topic": "cn/t", "hash": "0" * 64}
        decided = {
            "command": {**reference_of, "sequence": "0" * 20},
            "decision": 1,
            "asof": {},
            **json.loads(json.dumps(outcome.answer.fields)),
        }
        for name, each in outcome.answer.attachments.items():
            assert isinstance(each, Forwarded)
            origin = {"source": each.source, "topic": each.topic, "attachment": each.name}
            decided[name] = reference(each.ciphertext) | {"from": origin}
        outcome.answer.type.model_validate(decided)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def assertion(source: str = FOOD, **other: Any) -> bytes:  # noqa: ANN401  any claim
    """A JWT by identity for the catalog, as the design says it."""
    seconds = int(NOW.timestamp())
    claims = {
        "iss": IDENTITY,
        "aud": "catalog",
        "azp": participant(source),
        "sub": "pseudonym",
        "holder": "",
        "jti": "0123456789abcdef" * 2,
        "iat": seconds,
        "exp": seconds + 600,
        "purpose": "permit",
        "case": "case",
        "uses": 1,
        "level": "three-factor",
    } | other
    header = {"alg": "Ed25519", "kid": SIGNING.key_id.hex(), "typ": "JWT"}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    _, _, signature = parse_signature(SIGNING.sign(signed.encode()))
    return f"{signed}.{_encode(signature)}".encode()
