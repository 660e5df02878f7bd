"""The cycle without a broker: one decision a command, the same in any split into batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.batches import decide
from tests.common.conftest import (
    AGENCY,
    FOOD,
    IDENTITY,
    MODELS,
    TAX,
    World,
    change,
    envelope_of,
    seed,
    signing,
    system_file,
)

from sanyuan.common.contracts import identity as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.database import Database, read_counter, write_counter
from sanyuan.common.deciding import Answer, Command, Outcome, Sealing
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import hash_value
from sanyuan.common.ids import format_time, time_of
from sanyuan.common.notes import SigningKey
from sanyuan.common.outbox import Outbox, Row
from sanyuan.common.record import RawRecord
from sanyuan.common.sealing import SealingError
from sanyuan.common.service.deciding import Decider, Domain

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = "identity-commands"


def counting(
    connection: Connection, directory: Directory, commands: Sequence[Command[Message]]
) -> list[Outcome]:
    """A tiny service with state: every third command of a sender is accepted, and public."""
    return [_answer(connection, directory, command) for command in commands]


def _answer(connection: Connection, directory: Directory, command: Command[Message]) -> Outcome:
    name = f"count of {command.sender.name}"
    count = read_counter(connection, name) + 1
    write_counter(connection, name, count)
    if isinstance(command.data, messages.VerifyPerson):
        opened = command.opened["subject"]
        if opened is None:
            return Outcome(Answer(messages.VerificationRefused, {"reason": "malformed"}))
        sealing = Sealing(opened, directory.systems[command.sender.source])
        return Outcome(
            Answer(messages.PersonVerified, {"level": "two-factor"}, {"assertion": sealing})
        )
    assert isinstance(command.data, messages.RevokeAssertion)
    if count % 3:
        return Outcome(Answer(messages.RevocationRefused, {"reason": "unknown-assertion"}))
    jti = command.data.jti
    fact = messages.AssertionRevoked(jti=jti)
    return Outcome(Answer(messages.AssertionRevocationAccepted, {"jti": jti}), [fact])


@dataclass
class Service:
    """A service's decider on its own database; `handle` is one batch."""

    decider: Decider
    database: Database

    def handle(self, raws: Sequence[RawRecord], directory: Directory) -> list[Row]:
        return decide(self.decider, self.database, directory, raws)


@contextmanager
def service(folder: Path | str) -> Iterator[Service]:
    system = system_file(IDENTITY)
    database = Database.open(f"sqlite:///{folder}/identity.db", MODELS)
    domain = Domain(
        name="identity",
        commands=(COMMANDS,),
        events="identity-events",
        refused=messages.IdentityCommandRefused,
        handler=counting,
    )
    decider = Decider(domain, system, Outbox())
    try:
        yield Service(decider, database)
    finally:
        database.close()


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def small_world() -> World:
    world = World()
    world.found()
    for source in (AGENCY, IDENTITY, FOOD, TAX):
        world.admit(source)
    return world


def told(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """What the world is told, without what is random: ids, keys of one moment, ciphertexts."""
    return [
        (row.topic, row.sequence, e.type, e.time, e.causationid, e.correlationid, plain(e.data))
        for row in rows
        if row.topic != "dead-letters"
        for e in [envelope_of(row)]
    ]


def plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "assertion"}


def verify_person(world: World, source: str, *, opens: bool = True) -> RawRecord:
    recipient = world.directory.systems[IDENTITY].sealing
    topic = "cn/identity-commands" if opens else "cn/calls"
    sealed = recipient.seal(b"{}", source=source, topic=topic, name="subject")
    data = {"purpose": "p", "legal_basis": "b", "audience": "catalog"}
    return world.send(
        source, kind="identity.verify-person.v1", data=data, sealed={"subject": sealed}
    )


def produce(world: World, kind: str, source: str, sent: list[RawRecord]) -> RawRecord:
    if kind == "again" and sent:
        return world.again(sent[len(sent) // 2])
    if kind in {"person", "not for us"}:
        return verify_person(world, source, opens=kind == "person")
    other: dict[str, dict[str, Any]] = {
        "unknown": {"kind": "identity.unheard-of.v1"},
        "malformed": {"data": {"jti": "short"}},
    }
    raw = world.send(source, **other.get(kind, {}))
    if kind == "forged":
        return change(raw, value=(raw.value or b"").replace(b'"case"', b'"cafe"'))
    return raw


KINDS = ["good", "good", "again", "unknown", "malformed", "person", "not for us", "forged"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([FOOD, TAX])), max_size=14),
    st.lists(st.integers(0, 14), max_size=5),
)
def test_deciding_a_batch_whole_equals_deciding_it_in_any_split(
    mixture: list[tuple[str, str]], cuts: list[int]
) -> None:
    world = small_world()
    raws: list[RawRecord] = []
    for kind, source in mixture:
        raws.append(produce(world, kind, source, raws))
    edges = [0, *sorted(cuts), len(raws)]
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        with service(one) as whole:
            expected = told(whole.handle(raws, world.directory))
        with service(other) as split:
            rows = [
                split.handle(raws[start:end], world.directory)
                for start, end in itertools.pairwise(edges)
            ]
            assert told(list(itertools.chain(*rows))) == expected


def test_every_command_gets_exactly_one_decision_that_names_it(
    identity: Service, world: World
) -> None:
    raws = [world.send(FOOD), world.send(TAX), verify_person(world, FOOD)]
    rows = identity.handle(raws, world.directory)
    commands = [envelope_of(row).data["command"] for row in rows]
    assert commands == [
        {
            "source": (raw.key or b"").decode(),
            "topic": "cn/identity-commands",
            "sequence": f"{number:020d}",
            "hash": hash_value(raw.value or b""),
        }
        for raw, number in zip(raws, (1, 1, 2), strict=True)
    ]
    assert [row.topic for row in rows] == ["inbox-food-permits", "inbox-tax", "inbox-food-permits"]


def test_decisions_are_counted_and_say_what_they_knew(identity: Service, world: World) -> None:
    rows = identity.handle([world.send(FOOD), world.send(TAX)], world.directory)
    rows += identity.handle([world.send(TAX)], world.directory)
    assert [envelope_of(row).data["decision"] for row in rows] == [1, 2, 3]
    assert all(
        envelope_of(row).data["asof"] == {"participants": world.directory.sequence} for row in rows
    )


def test_every_decision_is_what_its_contract_says(identity: Service, world: World) -> None:
    raws = [produce(world, kind, FOOD, []) for kind in KINDS for _ in range(3)]
    for row in identity.handle(raws, world.directory):
        CONTRACTS[envelope_of(row).type].model_validate(envelope_of(row).data)


def test_a_decision_carries_case_cause_and_trace_of_its_command(
    identity: Service, world: World
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    raw = world.send(FOOD, correlationid="case-7")
    raw = change(raw, headers=[*raw.headers, ("traceparent", trace.encode())])
    (row,) = identity.handle([raw], world.directory)
    assert envelope_of(row).correlationid == "case-7"
    assert dict(row.headers)["traceparent"] == trace.encode()


def test_at_is_the_append_time_and_never_goes_back(identity: Service, world: World) -> None:
    times = [1_800_000_000_500, 1_800_000_000_100, 1_800_000_000_900]
    raws = [change(world.send(FOOD), timestamp_ms=time) for time in times]
    rows = identity.handle(raws, world.directory)
    rows += identity.handle([change(world.send(FOOD), timestamp_ms=times[0])], world.directory)
    expected = [format_time(time_of(at)) for at in (times[0], times[0], times[2], times[2])]
    assert [envelope_of(r).time for r in rows if r.topic != "identity-events"] == expected


def test_unknown_types_and_malformed_data_are_refused_never_silent(
    identity: Service, world: World
) -> None:
    raws = [produce(world, kind, FOOD, []) for kind in ("unknown", "malformed")]
    rows = identity.handle(raws, world.directory)
    assert {envelope_of(row).type for row in rows} == {"identity.command-refused.v1"}
    assert [envelope_of(row).data["reason"] for row in rows] == ["unknown-type", "malformed"]


def test_a_record_under_a_revoked_key_takes_its_place_and_is_refused(
    identity: Service, world: World
) -> None:
    key = str(signing(FOOD).verifier)
    world.say("participant.key-revoked.v1", source=FOOD, signing_key=key)
    (row,) = identity.handle([world.send(FOOD)], world.directory)
    assert envelope_of(row).data["reason"] == "key-revoked"
    assert identity.handle([world.send(FOOD)], world.directory)


def test_an_attachment_for_another_place_is_seen_as_one_that_does_not_open(
    identity: Service, world: World
) -> None:
    (row,) = identity.handle([verify_person(world, FOOD, opens=False)], world.directory)
    assert envelope_of(row).data["reason"] == "malformed"


def test_an_assertion_is_sealed_to_its_sender_alone(identity: Service, world: World) -> None:
    (row,) = identity.handle([verify_person(world, FOOD)], world.directory)
    sealed = dict(row.headers)["sealed-assertion"]
    place = {"source": IDENTITY, "topic": "cn/inbox-food-permits", "name": "assertion"}
    assert system_file(FOOD).sealing.open(sealed, **place) == b"{}"
    with pytest.raises(SealingError):
        system_file(TAX).sealing.open(sealed, **place)


def test_facts_stand_before_the_decision_that_they_belong_to(
    identity: Service, world: World
) -> None:
    rows = identity.handle([world.send(FOOD) for _ in range(3)], world.directory)
    inbox = "inbox-food-permits"
    assert [row.topic for row in rows] == [inbox, inbox, "identity-events", inbox]


def test_rejected_records_are_one_dead_letter_a_partition_and_reason(
    identity: Service, world: World
) -> None:
    raws = [produce(world, "forged", FOOD, []) for _ in range(3)]
    raws += [change(world.send(TAX), value=None), world.send(TAX)]
    rows = identity.handle(raws, world.directory)
    letters = [envelope_of(row).data for row in rows if row.topic == "dead-letters"]
    found = {(letter["reason"], letter["count"]) for letter in letters}
    assert len(letters) == 2
    assert found == {("unreadable", 1), ("bad-signature", 3)}


def test_the_next_good_record_is_handled_as_if_nothing_had_been(
    identity: Service, world: World
) -> None:
    good = world.send(FOOD)
    bad = [
        change(world.again(good), value=b"\xff"),
        change(world.again(good), headers=[("signature", b"\xff")]),
        change(world.again(good), key=TAX.encode()),
        world.again(world.send(FOOD, key=signing(TAX))),
    ]
    world.heads[FOOD, COMMANDS] = 1, hash_value(good.value or b"")
    rows = identity.handle([*bad, good, *bad, world.send(FOOD)], world.directory)
    decided = [row for row in rows if row.topic == "inbox-food-permits"]
    assert [envelope_of(row).data["command"]["sequence"][-1] for row in decided] == ["1", "2"]


def test_a_key_registered_in_time_is_never_unknown(identity: Service, world: World) -> None:
    second = SigningKey.from_seed(signing(FOOD).name, seed("second"))
    world.say("participant.key-added.v1", source=FOOD, signing_key=str(second.verifier))
    raws = [world.send(FOOD), world.send(FOOD, key=second), world.send(FOOD)]
    rows = identity.handle(raws, world.directory)
    assert {row.topic for row in rows} == {"inbox-food-permits", "identity-events"}
