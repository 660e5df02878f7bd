"""A small domain in memory: keys from seeds, a real directory, records as a broker brings them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlmodel import SQLModel

from sanyuan.common import outbox, positions
from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory, evolve
from sanyuan.common.envelope import ZERO_HASH, Envelope, decode, encode, format_sequence, hash_value
from sanyuan.common.notes import SigningKey
from sanyuan.common.partition import partition_of
from sanyuan.common.record import RawRecord, Record, read
from sanyuan.common.sealing import SUITE_NAME, reference
from sanyuan.common.sources import inbox_of, key_name, parse_source
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import topic_named

AGENCY = "//cn/agency/11100000000013338W/agency"
FOOD = "//cn/departments/11110000000012345X/food-permits"
TAX = "//cn/departments/91110000600037341L/tax"
IDENTITY = "//cn/services/identity"
AUDIT = "//cn/services/audit"
ORIGIN = "cn/log/2026"
CASE = "case"


def seed(of: str) -> bytes:
    return sha256(of.encode()).digest()


def signing(source: str) -> SigningKey:
    return SigningKey.from_seed(key_name(source), seed(f"signing {source}"))


def system_file(source: str) -> SystemFile:
    parsed = parse_source(source)
    return SystemFile(
        source=source,
        inbox=None if parsed.role == "service" else inbox_of(parsed.name),
        group=f"{parsed.name}.",
        signing_key=b64encode(signing(source).seed).decode(),
        sealing_key=b64encode(seed(f"sealing {source}")).decode(),
        agency_key=str(signing(AGENCY).verifier),
    )


@dataclass
class World:
    """A founded domain; `send` continues a source's stream as an honest producer would."""

    directory: Directory = field(default_factory=lambda: Directory(signing(AGENCY).verifier))
    heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    history: list[RawRecord] = field(default_factory=list)
    """What is on `participants`."""
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    clock_ms: int = 1_800_000_000_000

    def found(self) -> None:
        self.say(
            "domain.founded.v1",
            domain="cn",
            agency_key=str(signing(AGENCY).verifier),
            log_origin=ORIGIN,
            log_key=str(SigningKey.from_seed(ORIGIN, seed("log")).verifier),
        )

    def admit(self, source: str) -> None:
        parsed = parse_source(source)
        if parsed.participant and parsed.participant not in self.directory.participants:
            self.say(
                "participant.registered.v1",
                participant=parsed.participant,
                role=parsed.role,
                name="a participant",
            )
        self.say("participant.system-registered.v1", **registration(source))

    def say(self, kind: str, **data: Any) -> None:  # noqa: ANN401  any JSON
        """The agency writes on `participants`, and everybody has read it."""
        raw = self.send(AGENCY, "participants", kind, data)
        self.history.append(raw)
        envelope = readable(raw).envelope
        message = parse_data(kind, "participants", data)
        self.directory = evolve(self.directory, envelope, message)  # type: ignore[arg-type]  # by topic

    def send(
        self,
        source: str,
        topic: str = "identity-commands",
        kind: str = "identity.revoke-assertion.v1",
        data: Mapping[str, Any] | None = None,
        sealed: Mapping[str, bytes] | None = None,
        *,
        key: SigningKey | None = None,
        **fields: Any,  # noqa: ANN401  any JSON
    ) -> RawRecord:
        """The next record of a stream; `fields` replace those of its envelope.

        An attachment that `data` names already is named as there.
        """
        last, head = self.heads.get((source, topic), (0, ZERO_HASH))
        serial = sum(self.offsets.values())
        value = encode(
            {
                "specversion": "1.0",
                "id": f"01900000-0000-7000-8000-{serial:012x}",
                "source": source,
                "type": kind,
                "time": "2026-11-23T02:17:00.123456Z",
                "topic": f"cn/{topic}",
                "sequence": format_sequence(last + 1),
                "previous": head,
                "correlationid": CASE,
                "data": {
                    **{name: reference(text) for name, text in (sealed or {}).items()},
                    **({"jti": "0" * 32} if data is None else data),
                },
            }
            | fields
        )
        self.heads[source, topic] = last + 1, hash_value(value)
        headers = [("signature", (key or signing(source)).sign(value + b"\n").encode())]
        headers += [(f"sealed-{name}", text) for name, text in (sealed or {}).items()]
        return self.deliver(topic, source.encode(), value, headers)

    def deliver(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, Any]],
    ) -> RawRecord:
        """What a broker makes of it."""
        partition = partition_of(key or b"", partitions(topic))
        offset = self.offsets.get((topic, partition), 0)
        self.offsets[topic, partition] = offset + 1
        self.clock_ms += 1
        return RawRecord(topic, partition, offset, self.clock_ms, key, value, headers)

    def again(self, raw: RawRecord) -> RawRecord:
        """The same record once more, at a later offset."""
        offset = self.offsets.get((raw.topic, raw.partition), 0)
        self.offsets[raw.topic, raw.partition] = offset + 1
        self.clock_ms += 1
        return change(raw, offset=offset, timestamp_ms=self.clock_ms)


def change(raw: RawRecord, **fields: Any) -> RawRecord:  # noqa: ANN401  any field's type
    """The same delivery with other fields."""
    names = ("topic", "partition", "offset", "timestamp_ms", "key", "value", "headers")
    return RawRecord(**{name: getattr(raw, name) for name in names} | fields)


def registration(source: str, **other: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    parsed = parse_source(source)
    return {
        "source": source,
        "role": parsed.role,
        "signing_key": str(signing(source).verifier),
        "sealing_key": system_file(source).sealing.public.to_base64(),
        "suite": SUITE_NAME,
        "inbox": None if parsed.role == "service" else inbox_of(parsed.name),
    } | other


def partitions(topic: str) -> int:
    row = topic_named(topic)
    return row.partitions if row else 1


def readable(raw: RawRecord) -> Record:
    found = read(raw, domain="cn", partitions=partitions(raw.topic))
    assert isinstance(found, Record), found
    return found


def envelope_of(row: outbox.Row) -> Envelope:
    return decode(row.value)


@pytest.fixture
def world() -> World:
    """Agency, identity, audit and two departments are registered."""
    made = World()
    made.found()
    for source in (AGENCY, IDENTITY, AUDIT, FOOD, TAX):
        made.admit(source)
    return made


MODELS: list[type[SQLModel]] = [*outbox.MODELS, *positions.MODELS]


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = Database.open(address, MODELS)
    yield opened
    opened.close()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """One transaction of the database's engine, rolled back at the end."""
    with database._engine.connect() as opened:
        yield opened
