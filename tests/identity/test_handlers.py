import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

import pytest
from sqlalchemy import Connection
from tests.stores import Scratch

from sanyuan.common.contracts import identity as messages
from sanyuan.common.contracts.message import Attachment, Message
from sanyuan.common.database import table_of
from sanyuan.common.deciding import Answer, Command, Outcome, Sealing
from sanyuan.common.directory import Directory, System
from sanyuan.common.notes import SigningKey
from sanyuan.common.sealing import SUITE_NAME, SealingKey
from sanyuan.common.sources import parse_source
from sanyuan.identity.assertions import Issuer
from sanyuan.identity.domain.locks import LockRules
from sanyuan.identity.domain.pseudonyms import Keys
from sanyuan.identity.domain.rules import Rules
from sanyuan.identity.domain.subjects import RegisteredOrganisation, RegisteredPerson
from sanyuan.identity.handlers import IdentityHandler, UnhandledCommandError
from sanyuan.identity.store import MODELS

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
NAME, NUMBER, MOBILE = "阿甲某", "11010519491231002X", "13800138000"
CODE = "91350100M0001TGQXM"
SEALED = Attachment(sealed="sha256:" + "0" * 64)
FOOD = "//cn/departments/91110000600037341L/food"
TAX = "//cn/departments/11100000000013338W/tax"
AGENCY = "//cn/agency/11220000013544541J/agency"
COUNTER = count(1)


@dataclass(frozen=True)
class People:
    entries: Mapping[str, RegisteredPerson]

    def find(self, numbers: Collection[str]) -> Mapping[str, RegisteredPerson]:
        return {number: self.entries[number] for number in numbers if number in self.entries}


@dataclass(frozen=True)
class Organisations:
    entries: Mapping[str, RegisteredOrganisation]

    def find(self, codes: Collection[str]) -> Mapping[str, RegisteredOrganisation]:
        return {code: self.entries[code] for code in codes if code in self.entries}


def system(source: str) -> System:
    parsed = parse_source(source)
    return System(
        source=source,
        name=parsed.name,
        role=parsed.role,
        participant=parsed.participant,
        inbox=f"inbox-{parsed.name}",
        node=parsed.name,
        operated_by=None,
        sealing_key=SealingKey.generate().public.to_base64(),
        suite=SUITE_NAME,
        keys={},
    )


SYSTEMS = {s: system(s) for s in (FOOD, TAX, AGENCY, "//cn/services/license-exchange")}
KEY = SigningKey.generate("cn/services/identity")
DIRECTORY = Directory(
    pinned=KEY.verifier,
    systems=SYSTEMS,
    permissions={("91110000600037341L", "identity"): frozenset({"food-business-licence"})},
)
HANDLER = IdentityHandler(
    People({NUMBER: RegisteredPerson(NAME, MOBILE)}),
    Organisations({CODE: RegisteredOrganisation("丙行", NAME, NUMBER)}),
    Rules(locks=LockRules(max_failures=2)),
    Keys(bytes(32), bytes([1] * 32)),
    Issuer.of(KEY),
)


@pytest.fixture
def connection(scratch: Scratch) -> Iterator[Connection]:
    with scratch(MODELS) as opened:
        yield opened


def command(
    data: Message, subject: object = None, *, source: str = FOOD, at: datetime = NOW
) -> Command[Message]:
    number = next(COUNTER)
    opened = {"subject": None if subject is None else json.dumps(subject).encode()}
    entropy = sha256(str(number).encode()).digest()
    return Command("id", at, SYSTEMS[source], "case", None, data, opened, entropy)


def person(
    subject: object, *, source: str = FOOD, purpose: str | None = "food-business-licence"
) -> Command[Message]:
    data = messages.VerifyPerson(
        purpose=purpose, legal_basis="§ 1", audience="license-exchange", subject=SEALED
    )
    return command(data, subject, source=source)


def organisation(subject: object) -> Command[Message]:
    data = messages.VerifyOrganisation(
        purpose="food-business-licence",
        legal_basis="§ 1",
        audience="license-exchange",
        subject=SEALED,
    )
    return command(data, subject)


def handle(connection: Connection, *commands: Command[Message]) -> list[Outcome]:
    return list(HANDLER(connection, DIRECTORY, commands))


def answer_of(outcome: Outcome) -> Answer:
    assert outcome.answer is not None
    return outcome.answer


def assertion_of(outcome: Outcome) -> Sealing:
    sealing = answer_of(outcome).attachments["assertion"]
    assert isinstance(sealing, Sealing)
    return sealing


def reasons(outcomes: list[Outcome]) -> list[object]:
    return [answer_of(outcome).fields.get("reason") for outcome in outcomes]


def claims(outcome: Outcome) -> dict[str, object]:
    jwt = assertion_of(outcome).plaintext.split(b".")[1]
    decoded: dict[str, object] = json.loads(urlsafe_b64decode(jwt + b"=="))
    return decoded


RIGHT = {"name": NAME, "number": NUMBER}
WRONG = {"name": "阿乙", "number": NUMBER}
UNKNOWN = {"name": NAME, "number": "440524188001010014"}


def test_a_verified_person_is_told_by_an_assertion_for_the_sender(connection: Connection) -> None:
    (outcome,) = handle(connection, person({**RIGHT, "mobile": MOBILE}))
    assert answer_of(outcome).type is messages.PersonVerified
    assert answer_of(outcome).fields == {"level": "three-factor"}
    assert assertion_of(outcome).recipient == SYSTEMS[FOOD]
    assert claims(outcome)["aud"] == "license-exchange"
    assert claims(outcome)["case"] == "case"


def test_an_organisation_is_told_with_its_level_and_whether_it_is_questionable(
    connection: Connection,
) -> None:
    subject = {"name": "丙行", "code": CODE, "representative": RIGHT}
    known, unknown = handle(
        connection, organisation(subject), organisation({**subject, "name": "丁"})
    )
    assert answer_of(known).type is messages.OrganisationVerified
    assert answer_of(known).fields == {"level": "with-representative", "questionable": True}
    assert claims(known)["sub"] == CODE
    assert answer_of(unknown).type is messages.OrganisationNotVerified


def test_mismatch_and_unknown_cannot_be_told_apart(connection: Connection) -> None:
    mismatch, unknown = handle(connection, person(WRONG), person(UNKNOWN))
    assert mismatch == unknown
    assert answer_of(mismatch).type is messages.PersonNotVerified


def test_each_refusal_names_its_reason_and_no_person(connection: Connection) -> None:
    outcomes = handle(
        connection,
        person(RIGHT, purpose=None),
        person(RIGHT, purpose="census"),
        person(RIGHT, source=TAX),
        person({"name": NAME, "number": NUMBER[:-1] + "1"}),
        person(None),
        person(WRONG),
        person(WRONG),
        person(RIGHT),
    )
    assert reasons(outcomes) == [
        "no-purpose",
        "not-permitted",
        "not-permitted",
        "malformed",
        "malformed",
        None,
        None,
        "locked",
    ]
    told = str([answer_of(outcome).fields for outcome in outcomes])
    assert NAME not in told
    assert NUMBER[:-1] not in told


def test_an_audience_without_a_registration_is_refused_and_not_waited_for(
    connection: Connection,
) -> None:
    asked = person(RIGHT)
    assert isinstance(asked.data, messages.VerifyPerson)
    data = asked.data.model_copy(update={"audience": "catalog"})
    assert reasons(handle(connection, replace(asked, data=data))) == ["not-permitted"]


def test_a_revocation_is_a_public_fact_before_it_is_accepted(connection: Connection) -> None:
    (verified,) = handle(connection, person(RIGHT))
    jti = str(claims(verified)["jti"])
    revoke = messages.RevokeAssertion(jti=jti)
    foreign, accepted, again = handle(
        connection, command(revoke, source=TAX), command(revoke), command(revoke)
    )
    assert reasons([foreign, again]) == ["unknown-assertion"] * 2
    assert answer_of(accepted).fields == {"jti": jti}
    assert accepted.facts == (messages.AssertionRevoked(jti=jti),)


def test_the_agency_erases_a_person(connection: Connection) -> None:
    erase = messages.ErasePerson(legal_basis="§ 47", subject=SEALED)
    before, erased, after = handle(
        connection, person(RIGHT), command(erase, {"number": NUMBER}, source=AGENCY), person(RIGHT)
    )
    assert answer_of(erased).type is messages.PersonErased
    assert claims(before)["sub"] != claims(after)["sub"]
    refused = handle(
        connection,
        command(erase, {"number": NUMBER}),
        command(erase, {"number": "1"}, source=AGENCY),
        command(erase, {"number": "440524188001010014"}, source=AGENCY),
    )
    assert reasons(refused) == ["not-permitted", "malformed", "unknown-subject"]


def test_state_outlives_the_batch(connection: Connection) -> None:
    first = [handle(connection, person(WRONG))[0] for _ in range(2)]
    assert reasons(first) == [None, None]
    assert reasons(handle(connection, person(RIGHT))) == ["locked"]


def test_a_child_born_today_in_china_has_a_number(connection: Connection) -> None:
    newborn = {"name": "阿丁", "number": "110101202611241237"}
    late = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)
    asked = person(newborn)
    (known,) = handle(connection, replace(asked, at=late))
    (future,) = handle(connection, replace(asked, at=late - timedelta(hours=1)))
    assert answer_of(known).type is messages.PersonNotVerified
    assert reasons([future]) == ["malformed"]


def test_no_row_holds_a_number_a_name_or_a_mobile(connection: Connection) -> None:
    handle(connection, person({**RIGHT, "mobile": MOBILE}), person(WRONG))
    rows = str([connection.execute(table_of(m).select()).all() for m in MODELS])
    for secret in (NAME, "阿乙", NUMBER, MOBILE):
        assert secret not in rows


def test_an_empty_batch_does_nothing(connection: Connection) -> None:
    assert handle(connection) == []


def test_a_command_of_another_service_is_our_fault(connection: Connection) -> None:
    with pytest.raises(UnhandledCommandError):
        handle(connection, command(messages.AssertionRevoked(jti="0" * 32)))
