"""Bad input, rule by rule (design §3): each gets one clear reason, and work goes on as before.

Every test has a system of its own. What it sends is written byte by byte (wire.py) to the real
broker, with identity and audit as processes; afterwards the same system and one in another
partition ask something good, and get exactly one decision each.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from tests.e2e.kill_installation import DEPARTMENTS, Installation, installation, provisioned
from tests.e2e.wire import TOPIC, Author, Found, Raw, RawName, Wire, asked

from sanyuan.client.agency import load_request, open_agency
from sanyuan.client.follow import Follower
from sanyuan.client.joining import join, request_path, system_path
from sanyuan.client.verify.source import open_source
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import MAX_VALUE_BYTES
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.notes import SigningKey
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES, PublicSealingKey, reference
from sanyuan.common.sources import Source

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]

SYSTEMS: Final = [f"sender-{number}" for number in range(1, 51)]
STRANGER: Final = "stranger"
VERIFIED: Final = "identity.person-verified.v1"
REFUSED: Final = "identity.verification-refused.v1"
COMMAND_REFUSED: Final = "identity.command-refused.v1"


@dataclass
class Ground:
    """What all tests of this module share."""

    made: Installation
    directory: Directory
    person: bytes
    """A subject whom the register knows."""
    names: Iterator[str]
    neighbours: list[Author]
    """Two systems in different partitions, of which every test has one."""
    rejected: list[tuple[int, int, str]] = field(default_factory=list)
    """(partition, offset, reason) of everything that a test had refused."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    systems = dict.fromkeys(SYSTEMS, DEPARTMENTS[0])
    folder = tmp_path_factory.mktemp("bad-input")
    with installation(folder, systems, unregistered=[STRANGER]) as made:
        with contextlib.closing(
            sqlite3.connect(made.var / "registers" / "population.db")
        ) as register:
            name, number = register.execute("SELECT name, number FROM person LIMIT 1").fetchone()
        person = orjson.dumps({"name": name, "number": number})
        authors = [Author.of(made.system(name)) for name in SYSTEMS]
        first = authors[0]
        other = next(each for each in authors if each.partition != first.partition)
        names = [name for name in SYSTEMS if name not in {first.system.name, other.system.name}]
        yield Ground(made, directory_of(made), person, iter(names), [first, other])


def directory_of(made: Installation) -> Directory:
    async def read() -> Directory:
        async with open_agency(system_path(made.var, "agency")) as office:
            return await office.directory()

    return asyncio.run(read())


@dataclass
class Stage:
    """One test: a sender, a neighbour in another partition, and what may be observed."""

    ground: Ground
    wire: Wire
    author: Author
    neighbour: Author

    @property
    def identity(self) -> PublicSealingKey:
        return self.ground.directory.service("identity").sealing

    def good(self, author: Author | None = None) -> Raw:
        """The next question of an author, with nothing wrong about it."""
        author = author or self.author
        return author.question(author.seal(self.ground.person, self.identity))

    async def send(self, *records: Raw, partition: int | None = None) -> int:
        """Send as one batch, to the author's partition unless told otherwise."""
        return await self.wire.send(
            self.author.partition if partition is None else partition, *records
        )

    async def decided(self, author: Author, sequence: int) -> Found:
        """The decision of an author's command."""
        (found,) = await self.wire.find([decides(author, sequence)])
        return found

    async def is_rejected(
        self, reason: str, *records: Raw, partition: int | None = None, parse: bool = True
    ) -> None:
        """Send `records` as one batch; each is a dead letter of this reason, counted once."""
        at = self.author.partition if partition is None else partition
        first = await self.send(*records, partition=at)
        values = [record.value if parse else None for record in records]
        await self.is_dead(at, first, values, reason)
        self.ground.rejected += [(at, first + n, reason) for n in range(len(records))]

    async def is_dead(
        self, partition: int, first: int, values: Sequence[bytes | None], reason: str
    ) -> None:
        left = list(values)
        while left:
            (letter,) = await self.wire.find([is_letter(partition, first)])
            data = letter.data
            count = data["count"]
            assert data["reason"] == reason
            assert (data["service"], data["topic"]) == ("identity", TOPIC)
            assert (data["first_offset"], data["last_offset"]) == (first, first + count - 1)
            assert data["digest"] == digest_of(left[:count])
            left, first = left[count:], first + count

    async def goes_on(self) -> None:
        """The next good records of the sender and of a neighbour are decided, each once."""
        for author in (self.author, self.neighbour):
            await self.wire.send(author.partition, self.good(author))
        found = await self.wire.find(
            [decides(author, author.sequence) for author in (self.author, self.neighbour)]
        )
        assert [each.type for each in found] == [VERIFIED, VERIFIED]
        for each, author in zip(found, (self.author, self.neighbour), strict=True):
            assert each.data["command"]["hash"] == author.previous
        rest = await self.wire.read(300)
        assert [each.type for each in rest] == []


def decides(author: Author, sequence: int) -> Callable[[Found], bool]:
    def matches(found: Found) -> bool:
        command = found.data.get("command", {})
        return (
            command.get("source") == author.source and int(command.get("sequence", 0)) == sequence
        )

    return matches


def is_letter(partition: int, offset: int) -> Callable[[Found], bool]:
    def matches(found: Found) -> bool:
        return found.topic == "dead-letters" and (
            found.data["partition"] == partition and found.data["first_offset"] == offset
        )

    return matches


def digest_of(values: Sequence[bytes | None]) -> str:
    digests = [hashlib.sha256(value or b"").digest() for value in values]
    return hashlib.sha256(b"".join(digests)).hexdigest()


@pytest_asyncio.fixture
async def stage(ground: Ground) -> AsyncIterator[Stage]:
    author = Author.of(ground.made.system(next(ground.names)))
    neighbour = next(each for each in ground.neighbours if each.partition != author.partition)
    inboxes = [f"inbox-{each.system.name}" for each in (author, neighbour)]
    async with Wire.open(ground.made.kafka.admin, ["dead-letters", *inboxes]) as wire:
        yield Stage(ground, wire, author, neighbour)


def without(record: Raw, name: str) -> Raw:
    return replace(record, headers=tuple(each for each in record.headers if each[0] != name))


def having(record: Raw, *headers: tuple[str, bytes | None]) -> Raw:
    return replace(record, headers=(*record.headers, *headers))


# What cannot be read.


async def test_a_value_that_is_no_json_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", stage.author.sign(b"hello"))
    await stage.goes_on()


async def test_json_that_is_no_envelope_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", stage.author.sign(b"[]"))
    await stage.is_rejected("unreadable", stage.author.sign(b'{"specversion":"1.0"}'))
    await stage.goes_on()


async def test_data_that_is_no_object_makes_no_envelope(stage: Stage) -> None:
    await stage.is_rejected("unreadable", stage.author.draft(data=["text"]))
    await stage.goes_on()


async def test_a_value_that_is_not_utf8_or_has_a_newline_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", stage.author.sign(b'{"a":"\xff"}'))
    good = stage.author.draft().value or b""
    await stage.is_rejected("unreadable", stage.author.sign(good.replace(b",", b",\n", 1)))
    await stage.goes_on()


async def test_a_null_value_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", replace(stage.author.draft(), value=None))
    await stage.goes_on()


async def test_many_bad_records_are_one_letter_a_batch_with_count_and_digest(stage: Stage) -> None:
    records = [stage.author.sign(f"bad {number}".encode()) for number in range(20)]
    await stage.is_rejected("unreadable", *records)
    await stage.goes_on()


async def test_a_header_name_that_is_not_utf8_is_unreadable_and_stops_nobody(stage: Stage) -> None:
    bad = having(stage.author.draft(), (RawName(b"\xff\xfe"), b"x"))
    await stage.is_rejected("unreadable", bad, parse=False)
    await stage.goes_on()


async def test_good_records_before_an_unreadable_header_name_are_decided(stage: Stage) -> None:
    first, second = stage.good(), stage.good()
    bad = having(stage.author.draft(), (RawName(b"\xff"), b"x"))
    offset = await stage.send(first, second, bad)
    await stage.is_dead(stage.author.partition, offset + 2, [None], "unreadable")
    stage.ground.rejected.append((stage.author.partition, offset + 2, "unreadable"))
    await stage.goes_on()


async def test_a_hundred_unreadable_header_names_cost_their_own_sender_only(stage: Stage) -> None:
    for _ in range(20):
        bad = having(stage.author.draft(), (RawName(b"\xff"), b"x"))
        await stage.send(*[bad] * 5)
    await stage.wire.send(stage.neighbour.partition, stage.good(stage.neighbour))
    found = await stage.decided(stage.neighbour, stage.neighbour.sequence)
    assert found.type == VERIFIED
    await stage.goes_on()


async def test_a_signature_header_that_is_not_utf8_is_unreadable(stage: Stage) -> None:
    bad = without(stage.author.draft(), "signature")
    await stage.is_rejected("unreadable", having(bad, ("signature", b"\xff\xfe")))
    await stage.goes_on()


async def test_a_header_without_a_value_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", having(stage.author.draft(), ("x", None)))
    await stage.goes_on()


async def test_two_headers_of_one_name_are_unreadable(stage: Stage) -> None:
    record = stage.author.draft()
    await stage.is_rejected("unreadable", having(record, *record.headers))
    await stage.goes_on()


async def test_a_record_without_a_signature_is_unreadable(stage: Stage) -> None:
    await stage.is_rejected("unreadable", without(stage.author.draft(), "signature"))
    await stage.goes_on()


async def test_a_bad_traceparent_or_a_foreign_header_is_ignored(stage: Stage) -> None:
    await stage.send(having(stage.good(), ("traceparent", b"\xff\xfe"), ("x", b"\xff")))
    found = await stage.decided(stage.author, 1)
    assert found.type == VERIFIED
    await stage.goes_on()


# What is too large.


async def test_a_value_of_61_kib_is_too_large(stage: Stage) -> None:
    value = sized(stage.author, 61 * 1024)
    await stage.is_rejected("too-large", stage.author.sign(value))
    await stage.goes_on()


async def test_a_value_of_60_kib_is_decided(stage: Stage) -> None:
    padding = MAX_VALUE_BYTES - len(sized(stage.author, 0))
    await stage.send(stage.author.next(data={"padding": "x" * padding}))
    found = await stage.decided(stage.author, 1)
    assert (found.type, found.data["reason"]) == (COMMAND_REFUSED, "malformed")
    await stage.goes_on()


async def test_attachments_of_more_than_512_kib_are_too_large(stage: Stage) -> None:
    box = bytes(MAX_ATTACHMENT_BYTES + 1)
    record = stage.author.draft({"subject": box}, data=asked(reference(box)))
    await stage.is_rejected("too-large", record)
    await stage.goes_on()


def sized(author: Author, size: int) -> bytes:
    """The author's next envelope with data that makes it so large at least."""
    return orjson.dumps(author.fields(data={"padding": "x" * size}))


# What is not where, or by whom, it says.


async def test_a_kafka_key_of_someone_else_is_a_wrong_key(stage: Stage) -> None:
    record = replace(stage.author.draft(), key=stage.neighbour.source.encode())
    await stage.is_rejected("wrong-key", record)
    await stage.is_rejected("wrong-key", replace(record, key=None))
    await stage.goes_on()


async def test_a_signature_by_someone_else_is_a_wrong_key(stage: Stage) -> None:
    value = orjson.dumps(stage.author.fields())
    signed = stage.neighbour.sign(value)
    await stage.is_rejected("wrong-key", replace(signed, key=stage.author.source.encode()))
    await stage.goes_on()


async def test_a_signature_over_another_value_is_a_bad_signature(stage: Stage) -> None:
    one, other = stage.author.draft(), stage.author.draft()
    await stage.is_rejected("bad-signature", replace(one, headers=other.headers))
    await stage.goes_on()


async def test_a_key_that_nobody_registered_is_unknown_and_its_place_stays_open(
    stage: Stage,
) -> None:
    other = SigningKey.generate(stage.author.key.name)
    forger = replace(stage.author, key=other, sent=[])
    await stage.is_rejected("unknown-key", forger.draft())
    await stage.goes_on()
    assert stage.author.sequence == 1


async def test_a_system_that_nobody_registered_is_an_unknown_key(stage: Stage) -> None:
    stranger = Author.of(stage.ground.made.system(STRANGER))
    await stage.is_rejected("unknown-key", stranger.draft(), partition=stranger.partition)
    await stage.goes_on()


async def test_a_system_is_known_as_soon_as_its_registration_is_on_the_topic(stage: Stage) -> None:
    made = stage.ground.made
    join(made.var, Source("cn", "department", DEPARTMENTS[0], "newcomer"))
    newcomer = Author.of(made.system("newcomer"))
    await stage.is_rejected("unknown-key", newcomer.draft(), partition=newcomer.partition)
    # Audit reads at its own pace; once registered, the key would be known to it.
    await are_in_the_log(stage.ground, stage.ground.rejected[-1:])
    async with open_agency(system_path(made.var, "agency")) as office:
        await office.admit([load_request(request_path(made.var, "newcomer"))])
    # The same place again, corrected; its inbox is not there yet, the decision waits for it.
    record = stage.good(newcomer)
    offset = await stage.send(record, partition=newcomer.partition)
    await provisioned(made)
    async with Wire.open(made.kafka.admin, [], ["inbox-newcomer"]) as wire:
        (found,) = await wire.find([decides(newcomer, 1)])
    assert (found.type, offset >= 0) == (VERIFIED, True)
    await stage.goes_on()


async def test_a_wrong_partition_is_refused(stage: Stage) -> None:
    wrong = (stage.author.partition + 1) % 12
    await stage.is_rejected("wrong-partition", stage.author.draft(), partition=wrong)
    await stage.goes_on()


async def test_what_was_signed_for_another_topic_or_domain_is_refused(stage: Stage) -> None:
    await stage.is_rejected("wrong-topic", stage.author.draft(topic="cn/catalog-commands"))
    await stage.is_rejected("wrong-topic", stage.author.draft(topic="se/identity-commands"))
    await stage.goes_on()


# What is not the next place of its stream.


async def test_a_replayed_record_is_skipped_silently(stage: Stage) -> None:
    records = [stage.good() for _ in range(3)]
    await stage.send(*records)
    await stage.decided(stage.author, 3)
    await stage.send(*records, records[0])
    await stage.goes_on()


async def test_reordered_records_are_decided_in_order_once_they_come_in_order(
    stage: Stage,
) -> None:
    first, second, third = (stage.good() for _ in range(3))
    await stage.send(third, second)
    assert await stage.wire.read(500) == []
    await stage.send(second, first)
    await stage.send(second, third)
    found = await stage.wire.find([decides(stage.author, number) for number in (1, 2, 3)])
    assert [each.data["decision"] for each in found] == sorted(
        each.data["decision"] for each in found
    )
    await stage.goes_on()


async def test_another_value_at_a_taken_place_is_forked(stage: Stage) -> None:
    author = stage.author
    fork = author.draft(id=str(uuid4()))
    await stage.send(stage.good(), stage.good())
    await stage.decided(author, 2)
    await stage.is_rejected("forked", fork)
    await stage.goes_on()


async def test_a_record_that_does_not_continue_the_chain_leaves_its_place_open(
    stage: Stage,
) -> None:
    await stage.send(stage.good())
    await stage.decided(stage.author, 1)
    await stage.is_rejected("chain", stage.author.draft(previous="0" * 64))
    await stage.goes_on()
    assert stage.author.sequence == 2


async def test_one_batch_with_everything_in_it_is_sorted_out_record_by_record(
    stage: Stage,
) -> None:
    author = stage.author
    first = stage.good()
    wrong = author.draft(previous="1" * 64)
    second, ahead = stage.good(), author.draft(sequence="00000000000000000009")
    offset = await stage.send(author.sign(b"?"), first, wrong, first, second, ahead)
    at = author.partition
    await stage.is_dead(at, offset, [b"?"], "unreadable")
    await stage.wire.find([decides(author, 1), decides(author, 2)])
    stage.ground.rejected += [(at, offset, "unreadable"), (at, offset + 2, "chain")]
    await stage.goes_on()


# What is authentic gets a decision, whatever it says.


async def test_an_unknown_type_is_refused(stage: Stage) -> None:
    await stage.send(stage.author.next(type="identity.divine-person.v1"))
    found = await stage.decided(stage.author, 1)
    assert (found.type, found.data["reason"]) == (COMMAND_REFUSED, "unknown-type")
    await stage.goes_on()


@pytest.mark.parametrize("data", [{}, {"purpose": 1}, asked({"sealed": "md5:0"})])
async def test_malformed_data_is_refused(stage: Stage, data: object) -> None:
    await stage.send(stage.author.next(data=data))
    found = await stage.decided(stage.author, 1)
    assert (found.type, found.data["reason"]) == (COMMAND_REFUSED, "malformed")
    await stage.goes_on()


async def test_a_revoked_key_is_refused_and_takes_its_place(stage: Stage) -> None:
    author = stage.author
    await stage.send(stage.good())
    await stage.decided(author, 1)
    fresh = SigningKey.generate(author.key.name)
    async with open_agency(system_path(stage.ground.made.var, "agency")) as office:
        await office.add_key(author.source, str(fresh.verifier))
        await office.revoke_key(author.source, str(author.key.verifier))
    await stage.send(stage.good())
    found = await stage.decided(author, 2)
    assert (found.type, found.data["reason"]) == (COMMAND_REFUSED, "key-revoked")
    author.key = fresh
    await stage.goes_on()
    assert author.sequence == 3


# Sealed attachments.


async def test_a_cut_attachment_is_refused(stage: Stage) -> None:
    box = stage.author.seal(stage.ground.person, stage.identity)
    await stage.send(stage.author.next({"subject": box[:-1]}, data=asked(reference(box))))
    await stage.send(stage.author.question(box[:-1]))
    await stage.send(stage.author.question(box[:20]))
    await is_refused(stage, 1, 2, 3)


async def test_a_missing_attachment_is_refused(stage: Stage) -> None:
    box = stage.author.seal(stage.ground.person, stage.identity)
    await stage.send(stage.author.next(data=asked(reference(box))))
    await is_refused(stage, 1)


async def test_an_attachment_of_another_systems_record_is_refused(stage: Stage) -> None:
    await stage.send(
        stage.author.question(stage.neighbour.seal(stage.ground.person, stage.identity))
    )
    await is_refused(stage, 1)


async def test_an_attachment_for_another_recipient_is_refused(stage: Stage) -> None:
    catalog = stage.ground.directory.service("catalog").sealing
    await stage.send(stage.author.question(stage.author.seal(stage.ground.person, catalog)))
    await is_refused(stage, 1)


async def test_an_attachment_that_holds_something_else_is_refused(stage: Stage) -> None:
    await stage.send(stage.author.question(stage.author.seal(b"\x00\xff", stage.identity)))
    await stage.send(stage.author.question(stage.author.seal(b"[1,2]", stage.identity)))
    await is_refused(stage, 1, 2)


async def is_refused(stage: Stage, *sequences: int) -> None:
    found = await stage.wire.find([decides(stage.author, number) for number in sequences])
    assert {(each.type, each.data["reason"]) for each in found} == {(REFUSED, "malformed")}
    await stage.goes_on()


# Afterwards.


async def test_the_log_says_the_same_of_every_refused_record(ground: Ground) -> None:
    """Runs last: audit has counted every refused record once, for the same reason."""

    digests = await are_in_the_log(ground, ground.rejected)
    doubled = [
        each for each in ground.rejected if sum(names(digest, *each) for digest in digests) > 1
    ]
    assert doubled == []
    report = ground.made.verify()
    assert report.exit_code in {0, 10}, report.findings


async def are_in_the_log(
    ground: Ground, rejected: Sequence[tuple[int, int, str]]
) -> list[dict[str, Any]]:
    """Wait until digest leaves name each of these; return all digest leaves."""
    for _ in range(120):
        digests = await digests_of(ground)
        missing = [each for each in rejected if not any(names(digest, *each) for digest in digests)]
        if not missing:
            return digests
        await asyncio.sleep(0.5)  # as often as a checkpoint is due
    pytest.fail(f"(partition, offset, reason) not in the log: {missing}")


def names(digest: dict[str, Any], partition: int, offset: int, reason: str) -> bool:
    return (digest["topic"], digest["partition"], digest["reason"]) == (
        TOPIC,
        partition,
        reason,
    ) and digest["first_offset"] <= offset <= digest["last_offset"]


async def digests_of(ground: Ground) -> list[dict[str, Any]]:
    """The digest leaves of the log as of now."""
    key = load_log_key(ground.made.var / LOG_KEY_FILE).verifier
    found = []
    log = ground.made.var / "audit" / "log"
    size = int((log / "checkpoint").read_text("utf-8").split("\n")[1])
    with open_source(str(log)) as source:
        following = Follower(source, ground.made.system("agency").agency, key)
        async with asyncio.timeout(60):
            async for logged in following.records():
                found.append(logged.leaf.envelope)
                if logged.index + 1 >= size:
                    break
    return [dict(envelope.data) for envelope in found if envelope.type == "log.digest.v1"]
