"""From command to record: what everybody is told, and what nobody is."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.common.conftest import AGENCY, FOOD, TAX
from tests.license_exchange.conftest import (
    BASE,
    CITY,
    CITY_DESK,
    COMPANY,
    DEFINER,
    FIELDS,
    GRANT,
    LICENSE_TYPE,
    NOW,
    PERSON,
    SEALED,
    TYPE,
    Exchange,
    answer_of,
    assertion,
    content,
    fields,
    for_person,
    of_company,
    reason,
    sealed,
    type_of,
    world,
)

from sanyuan.common.contracts import identity
from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.message import Attachment, Message
from sanyuan.common.database import table_of
from sanyuan.common.deciding import Outcome, Sealing
from sanyuan.common.sdjwt.credential import verify_credential
from sanyuan.license_exchange import store
from sanyuan.license_exchange.domain.rules import Rules
from sanyuan.license_exchange.handlers import UnhandledCommandError
from sanyuan.license_exchange.vault import VaultError

SAID = {
    "premises": "北京市西城区某街1号",
    "holder_name": "某某餐饮有限公司",
    "valid_until": "2031-10-31",
}
PRESENTING = {"purpose": messages.PRESENTATION_PURPOSE}


def header(sd_jwt: str) -> dict[str, Any]:
    part = sd_jwt.split(".", maxsplit=1)[0]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def told(outcome: Outcome) -> list[tuple[str, type[Message]]]:
    return [(notice.inbox, notice.type) for notice in outcome.notices]


def test_a_type_is_registered_and_published_once(connection: Connection) -> None:
    exchange = Exchange(connection, world())
    register = messages.RegisterLicenseType(license_type=LICENSE_TYPE)
    first = exchange.ask(CITY, register)
    assert type_of(first) is messages.LicenseTypeAccepted
    assert fields(first) == {"type": TYPE, "revision": 1}
    assert first.facts == (messages.LicenseTypeRegistered(license_type=LICENSE_TYPE, revision=1),)
    again = exchange.ask(CITY, register)
    assert fields(again) == fields(first)
    assert again.facts == ()
    assert reason(exchange.ask(TAX, register)) == "not-yours"


def test_an_issuer_key_signs_once_its_department_says_so(connection: Connection) -> None:
    exchange = Exchange(connection, world())
    exchange.ask(CITY, messages.RegisterLicenseType(license_type=LICENSE_TYPE))
    opened = exchange.ask(CITY, messages.OpenIssuer())
    assert reason(exchange.issue()) == "issuer-not-delegated"
    assert fields(exchange.ask(CITY_DESK, messages.OpenIssuer())) == fields(opened)
    key = messages.IssuerKey.model_validate(fields(opened)["key"])
    delegated = exchange.ask(CITY, messages.DelegateIssuer(key=key))
    assert type_of(delegated) is messages.IssuerDelegationAccepted
    assert delegated.facts == (messages.IssuerDelegated(department=DEFINER, key=key),)
    assert type_of(exchange.issue()) is messages.LicenseIssued
    assert reason(exchange.ask(CITY, messages.DelegateIssuer(key=key))) == "already-delegated"
    assert reason(exchange.ask(TAX, messages.DelegateIssuer(key=key))) == "unknown-key"


def test_a_new_key_signs_new_licences_and_the_old_one_still_verifies(exchange: Exchange) -> None:
    exchange.issued()
    exchange.delegate()
    exchange.issued(serial="2")
    shown = sealed(exchange.share(of_company()))["licenses"]
    assert len({header(each["sd_jwt"])["kid"] for each in shown}) == 2
    for each in shown:
        verify_credential(each["sd_jwt"], exchange.trusted(), at=NOW.timestamp())


def test_granted_fields_leave_sealed_plain_and_as_a_credential(exchange: Exchange) -> None:
    name = exchange.issued()
    outcome = exchange.share(of_company())
    assert type_of(outcome) is messages.LicenseFieldsShared
    assert fields(outcome) == {"type": TYPE, "grant": GRANT, "fields": FIELDS}
    [shown] = sealed(outcome)["licenses"]
    assert (shown["license"], shown["version"], shown["state"]) == (name, 1, "active")
    assert shown["fields"] == SAID
    attached = answer_of(outcome).attachments["answer"]
    assert isinstance(attached, Sealing)
    assert attached.recipient.source == FOOD

    credential = verify_credential(
        shown["sd_jwt"],
        exchange.trusted(),
        at=NOW.timestamp(),
        vct=f"{BASE}/license-types/{TYPE}",
    )
    assert set(credential.claims) == {"iss", "vct", "nbf", "exp", "status", *SAID}
    assert {name: credential.claims[name] for name in SAID} == SAID
    assert credential.issuer == f"{BASE}/issuers/{DEFINER}"


def test_the_same_licence_is_the_same_credential_each_time(exchange: Exchange) -> None:
    exchange.issued()
    shown = [sealed(exchange.share(of_company()))["licenses"][0]["sd_jwt"] for _ in range(2)]
    assert shown[0] == shown[1]


def test_nothing_personal_is_in_a_value(exchange: Exchange) -> None:
    """Design §9, invariant 3: not in an answer's fields, not in a notice, not in a fact."""
    outcomes = [
        exchange.issue(for_person(), assertion=assertion(azp=DEFINER)),
        exchange.issue(content(serial="SECRET1")),
        exchange.share(assertion()),
        exchange.share(of_company()),
        exchange.present(of_company(**PRESENTING)),
    ]
    name = str(fields(outcomes[1])["license"])
    outcomes.append(exchange.verify(sealed(outcomes[4], "code")["code"]))
    changed = content(serial="SECRET1", fields={"premises": "一个新的地方"})
    outcomes.append(exchange.amend(name, changed))
    outcomes.append(exchange.change(messages.RevokeLicense, name))
    for outcome in outcomes:
        records = [answer_of(outcome).fields, *(notice.fields for notice in outcome.notices)]
        written = json.dumps([dict(record) for record in records], ensure_ascii=False, default=str)
        written += "".join(fact.model_dump_json() for fact in outcome.facts)
        for secret in ("某某餐饮", "西城", "一个新的", "阿甲某", COMPANY, "SECRET1", PERSON):
            assert secret not in written


def test_nothing_personal_is_in_a_table(exchange: Exchange) -> None:
    exchange.issued(for_person(), assertion=assertion(azp=DEFINER))
    exchange.issued(content(serial="SECRET1"))
    exchange.present(of_company(**PRESENTING))
    cells = [
        cell.hex() if isinstance(cell, bytes) else str(cell)
        for model in store.MODELS
        for row in exchange.connection.execute(table_of(model).select())
        for cell in row
    ]
    assert len(cells) > 50
    for secret in ("某某餐饮", "西城", "阿甲某", "SECRET1"):
        assert not [cell for cell in cells if secret in cell or secret.encode().hex() in cell]


def test_whoever_relied_on_a_licence_is_told_what_became_of_it(exchange: Exchange) -> None:
    name = exchange.issued()
    exchange.issued(serial="2")
    exchange.share(of_company(), license=name)
    amended = exchange.amend(name, content(fields={"premises": "新址"}))
    assert type_of(amended) is messages.LicenseAmended
    assert told(amended) == [("inbox-food-permits", messages.LicenseChanged)]
    assert amended.notices[0].fields == {
        "license": name,
        "version": 2,
        "change": "amended",
        "grounds": "correction",
    }
    for kind, change in (
        (messages.SuspendLicense, "suspended"),
        (messages.ResumeLicense, "resumed"),
        (messages.RevokeLicense, "revoked"),
    ):
        outcome = exchange.change(kind, name)
        assert [notice.fields["change"] for notice in outcome.notices] == [change]
        assert [type(fact) for fact in outcome.facts] == [messages.StatusListRenewed]


def test_nobody_is_told_of_a_licence_that_nobody_was_given(exchange: Exchange) -> None:
    name = exchange.issued()
    assert exchange.change(messages.RevokeLicense, name).notices == []


def test_status_lists_are_renewed_by_number(exchange: Exchange) -> None:
    first, second = exchange.issued(), exchange.issued(serial="2")
    renewals = [
        fact.renewal
        for name in (first, second)
        for fact in exchange.change(messages.SuspendLicense, name).facts
        if isinstance(fact, messages.StatusListRenewed)
    ]
    assert renewals == [1, 2]


def test_a_persons_licence_takes_that_persons_assertion(exchange: Exchange) -> None:
    assert reason(exchange.issue(for_person())) == "assertion-missing"
    other = of_company(azp=DEFINER)
    assert reason(exchange.issue(for_person(), assertion=other)) == "assertion-not-for-you"
    mine = assertion(azp=DEFINER)
    assert type_of(exchange.issue(for_person(), assertion=mine)) is messages.LicenseIssued
    assert [
        each["fields"]["holder_name"] for each in sealed(exchange.share(assertion()))["licenses"]
    ] == ["阿甲某"]
    assert sealed(exchange.share(assertion(about="somebody else")))["licenses"] == []


def test_a_companys_licence_may_show_the_companys_assertion_and_no_other(
    exchange: Exchange,
) -> None:
    mine = of_company(azp=DEFINER)
    assert type_of(exchange.issue(content(), assertion=mine)) is messages.LicenseIssued
    other = of_company("11100000000013338W", azp=DEFINER)
    refused = exchange.issue(content(serial="2"), assertion=other)
    assert reason(refused) == "assertion-not-for-you"


BAD_ASSERTIONS: list[tuple[bytes | None, str]] = [
    (None, "assertion-invalid"),
    (b"no.token.here", "assertion-invalid"),
    (of_company(aud="catalog"), "assertion-not-for-you"),
    (of_company(azp=DEFINER), "assertion-not-for-you"),
    (of_company(purpose="something-else"), "assertion-not-for-you"),
    (of_company(exp=int(NOW.timestamp())), "assertion-expired"),
]


@pytest.mark.parametrize(("token", "expected"), BAD_ASSERTIONS)
def test_an_assertion_that_does_not_count_gives_one_clear_reason(
    exchange: Exchange, token: bytes | None, expected: str
) -> None:
    exchange.issued()
    refused = exchange.share(token)
    assert type_of(refused) is messages.SharingRefused
    assert reason(refused) == expected
    assert "used" not in fields(refused)
    assert exchange.connection.scalar(text("select used from license_grant")) == 0


def test_an_assertion_is_used_up_and_revoked(exchange: Exchange) -> None:
    exchange.issued()
    twice = of_company(uses=2)
    outcomes = [exchange.share(twice) for _ in range(3)]
    assert [type_of(each) for each in outcomes[:2]] == [messages.LicenseFieldsShared] * 2
    assert reason(outcomes[2]) == "assertion-used-up"
    jti = "c" * 32
    exchange.tell(identity.AssertionRevoked(jti=jti))
    assert reason(exchange.share(of_company(jti=jti))) == "assertion-revoked"


def test_a_one_time_code_shows_a_licence_once(exchange: Exchange) -> None:
    name = exchange.issued()
    opened = exchange.present(of_company(**PRESENTING))
    assert type_of(opened) is messages.PresentationOpened
    code = sealed(opened, "code")["code"]
    assert code not in json.dumps(dict(fields(opened)), default=str)
    shown = exchange.verify(code.lower().replace("-", " "))
    assert type_of(shown) is messages.PresentationVerified
    assert sealed(shown)["fields"] == SAID
    verify_credential(sealed(shown)["sd_jwt"], exchange.trusted(), at=NOW.timestamp())
    assert reason(exchange.verify(code)) == "code-used"
    revoked = exchange.change(messages.RevokeLicense, name)
    assert told(revoked) == [("inbox-tax", messages.LicenseChanged)]


def test_a_code_runs_out_and_is_then_forgotten(exchange: Exchange) -> None:
    exchange.issued()
    code = sealed(exchange.present(of_company(**PRESENTING)), "code")["code"]
    exchange.now += timedelta(seconds=300)
    assert reason(exchange.verify(code)) == "code-expired"
    exchange.now += timedelta(days=1)
    assert reason(exchange.verify(code)) == "unknown-code"
    assert exchange.connection.scalar(text("select count(*) from presentation")) == 0
    assert reason(exchange.verify(None)) == "code-missing"
    assert reason(exchange.verify("0000-0000-0000-0000")) == "unknown-code"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (messages.SuspendLicense, "license-suspended"),
        (messages.RevokeLicense, "license-revoked"),
    ],
)
def test_the_next_verifier_sees_what_became_of_a_licence(
    exchange: Exchange, kind: type[Message], expected: str
) -> None:
    name = exchange.issued()
    code = sealed(exchange.present(of_company(**PRESENTING)), "code")["code"]
    exchange.change(kind, name)
    assert reason(exchange.verify(code)) == expected
    assert reason(exchange.present(of_company(**PRESENTING))) == expected


def test_only_a_holder_who_wants_to_present_opens_a_code(exchange: Exchange) -> None:
    exchange.issued()
    assert reason(exchange.present(of_company())) == "assertion-not-for-you"
    stranger = of_company("11100000000013338W", **PRESENTING)
    assert reason(exchange.present(stranger)) == "unknown-license"
    exchange.issued(serial="2")
    assert reason(exchange.present(of_company(**PRESENTING))) == "several-licenses"


def test_a_dispute_goes_to_the_issuer_and_its_answer_back(exchange: Exchange) -> None:
    name = exchange.issued()
    statement = {"text": "面积不对"}
    asked = messages.RaiseDispute(license=name, fields=("area",), statement=SEALED)
    assert reason(exchange.ask(FOOD, asked, statement=statement)) == "unknown-license"
    exchange.share(of_company())
    assert reason(exchange.ask(FOOD, asked)) == "statement-missing"
    raised = exchange.ask(FOOD, asked, statement=statement)
    assert type_of(raised) is messages.DisputeAccepted
    dispute = fields(raised)["dispute"]
    [notice] = raised.notices
    assert (notice.inbox, notice.type) == ("inbox-city-market", messages.DisputeRaised)
    passed_on = notice.attachments["statement"]
    assert isinstance(passed_on, Sealing)
    assert json.loads(passed_on.plaintext) == statement
    assert passed_on.recipient.source == CITY
    again = exchange.ask(FOOD, asked, statement=statement)
    assert (reason(again), fields(again)["dispute"]) == ("already-raised", dispute)

    def answer(outcome: str, source: str = CITY_DESK) -> Outcome:
        word = messages.AnswerDispute.model_validate(
            {"dispute": dispute, "outcome": outcome, "statement": SEALED}
        )
        return exchange.ask(source, word, statement={"text": "已更正"})

    assert reason(answer("corrected", TAX)) == "unknown-dispute"
    assert reason(answer("corrected")) == "not-corrected"
    exchange.amend(name, content(fields={"premises": "北京市西城区某街1号", "area": 100}))
    answered = answer("corrected")
    assert type_of(answered) is messages.DisputeAnswerAccepted
    assert told(answered) == [("inbox-food-permits", messages.DisputeAnswered)]
    assert reason(answer("rejected")) == "already-answered"


def test_a_late_answer_is_told_to_both_sides_once(exchange: Exchange) -> None:
    exchange.rules = Rules(answer_days=1)
    name = exchange.issued()
    exchange.share(of_company())
    asked = messages.RaiseDispute(license=name, fields=("area",), statement=SEALED)
    exchange.ask(FOOD, asked, statement={"text": "?"})
    assert exchange.tick().notices == []
    exchange.now += timedelta(days=2)
    late = exchange.tick()
    assert late.answer is None
    assert told(late) == [
        ("inbox-city-market", messages.DisputeOverdue),
        ("inbox-food-permits", messages.DisputeOverdue),
    ]
    assert exchange.tick().notices == []


def erase(exchange: Exchange, source: str = AGENCY, **other: Any) -> Outcome:  # noqa: ANN401
    token = other.pop("assertion", None)
    data = messages.EraseHolder(
        legal_basis="个人信息保护法第四十七条",
        assertion=Attachment(sealed=SEALED.sealed) if token else None,
        **other,
    )
    return exchange.ask(source, data, assertion=token)


def test_an_erased_holder_is_gone_for_everybody(exchange: Exchange) -> None:
    name = exchange.issued(for_person(), assertion=assertion(azp=DEFINER))
    exchange.share(assertion())
    agency = AGENCY.split("/")[4]
    assert reason(erase(exchange, CITY, license=name)) == "not-permitted"
    assert reason(erase(exchange)) == "holder-missing"
    erased = erase(exchange, assertion=assertion(azp=agency))
    assert type_of(erased) is messages.HolderErased
    assert [notice.fields["change"] for notice in erased.notices] == ["erased"]
    assert sealed(exchange.share(assertion()))["licenses"] == []
    assert reason(exchange.change(messages.RevokeLicense, name)) == "illegal-transition"
    assert reason(erase(exchange, license=name)) == "unknown-holder"
    counts = "select count(*) from holder_key union all select count(content) from license_version"
    assert exchange.connection.execute(text(counts)).scalars().all() == [0, 0]
    assert exchange.connection.scalar(text("select holder from license")) == ""


def test_a_holder_whom_identity_has_forgotten_is_erased_by_a_licence(exchange: Exchange) -> None:
    name = exchange.issued(for_person(), assertion=assertion(azp=DEFINER))
    assert type_of(erase(exchange, license=name)) is messages.HolderErased
    assert sealed(exchange.share(assertion()))["licenses"] == []


def test_a_holder_can_be_issued_licences_again_after_erasure(exchange: Exchange) -> None:
    name = exchange.issued()
    erase(exchange, license=name)
    assert reason(exchange.issue()) == "exists"
    exchange.issued(serial="2")
    assert len(sealed(exchange.share(of_company()))["licenses"]) == 1


def test_what_expires_is_written_down_by_a_tick(exchange: Exchange) -> None:
    exchange.issued(valid_until="2026-11-23")
    exchange.now += timedelta(days=1)
    assert (
        sealed(exchange.share(of_company(exp=int(NOW.timestamp()) + 9 * 86400)))["licenses"] == []
    )
    exchange.tick()
    assert exchange.connection.scalar(text("select state from license")) == "expired"


def test_a_command_of_somebody_elses_is_a_fault_of_ours(exchange: Exchange) -> None:
    with pytest.raises(UnhandledCommandError):
        exchange.ask(FOOD, identity.RevokeAssertion(jti="0" * 32))


def test_no_commands_are_no_work(exchange: Exchange) -> None:
    assert exchange.decide() == []


def test_a_database_under_another_master_key_is_not_guessed_at(exchange: Exchange) -> None:
    exchange.issued()
    exchange.keys = replace(exchange.keys, master=bytes(32))
    with pytest.raises(VaultError):
        exchange.share(of_company())
