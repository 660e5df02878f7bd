"""Issuing and changing licences: each thing that cannot be has one clear reason."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.common.conftest import TAX
from tests.license_exchange.conftest import (
    CITY,
    CITY_DESK,
    COMPANY,
    DEFINER,
    LICENSE_TYPE,
    TYPE,
    Exchange,
    assertion,
    content,
    fields,
    for_person,
    of_company,
    reason,
    sealed,
    type_of,
)

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.deciding import Outcome
from sanyuan.common.license_identifiers import MAX_VERSION
from sanyuan.license_exchange.decide import licenses

Doing = Callable[[Exchange, str], Outcome]


def amend(exchange: Exchange, name: str) -> Outcome:
    return exchange.amend(name, content(fields={"premises": "新址"}))


def suspend(exchange: Exchange, name: str) -> Outcome:
    return exchange.change(messages.SuspendLicense, name)


def resume(exchange: Exchange, name: str) -> Outcome:
    return exchange.change(messages.ResumeLicense, name)


def revoke(exchange: Exchange, name: str) -> Outcome:
    return exchange.change(messages.RevokeLicense, name)


def expire(exchange: Exchange, name: str) -> None:
    assert name
    exchange.now += timedelta(days=3650)


Before = Callable[[Exchange, str], object]
EVERYTHING: tuple[Doing, ...] = (amend, suspend, resume, revoke)
OVER: list[tuple[tuple[Before, ...], str]] = [
    ((revoke,), "revoked"),
    ((suspend, revoke), "revoked"),
    ((expire,), "expired"),
    ((suspend, expire), "expired"),
]
ILLEGAL: list[tuple[tuple[Before, ...], Doing, str]] = [
    ((), resume, "active"),
    ((suspend,), suspend, "suspended"),
    ((suspend,), amend, "suspended"),
    *[(before, doing, state) for before, state in OVER for doing in EVERYTHING],
]


@pytest.mark.parametrize(
    ("before", "doing", "state"),
    ILLEGAL,
    ids=[
        f"{'-'.join(each.__name__ for each in before) or 'issued'}-{doing.__name__}"
        for before, doing, _ in ILLEGAL
    ],
)
def test_an_illegal_transition_names_the_state(
    exchange: Exchange, before: tuple[Before, ...], doing: Doing, state: str
) -> None:
    name = exchange.issued()
    for each in before:
        each(exchange, name)
    refused = doing(exchange, name)
    assert type_of(refused) is messages.LicenseRefused
    assert (reason(refused), fields(refused)["state"]) == ("illegal-transition", state)
    assert refused.facts == ()
    assert list(refused.notices) == []


def test_a_type_that_changes_under_a_running_issue_is_told(exchange: Exchange) -> None:
    more = [*LICENSE_TYPE.fields, messages.LicenseType.model_validate(_with("seats")).fields[0]]
    revised = LICENSE_TYPE.model_copy(update={"fields": tuple(more)})
    assert type_of(exchange.issue(revision=1)) is messages.LicenseIssued
    accepted = exchange.ask(CITY, messages.RegisterLicenseType(license_type=revised))
    assert fields(accepted)["revision"] == 2
    late = exchange.issue(serial="2", revision=1)
    assert (reason(late), fields(late)["revision"]) == ("type-changed", 2)
    unaware = exchange.issue(serial="2")
    assert reason(unaware) == "content-malformed"
    assert fields(unaware)["detail"] == "content.fields.seats is missing"
    aware = exchange.issue(serial="2", revision=2, fields={"premises": "某街1号", "seats": "12"})
    assert type_of(aware) is messages.LicenseIssued
    old, new = sorted(
        sealed(exchange.share(of_company()))["licenses"], key=lambda each: len(str(each["fields"]))
    )
    assert old["version"] == new["version"] == 1


def _with(name: str) -> dict[str, Any]:
    field = {"name": name, "title": "座位", "type": "C"}
    return {**LICENSE_TYPE.model_dump(), "fields": [field]}


def test_a_type_that_takes_a_field_away_is_incompatible(exchange: Exchange) -> None:
    fewer = LICENSE_TYPE.model_copy(update={"fields": LICENSE_TYPE.fields[1:]})
    refused = exchange.ask(CITY, messages.RegisterLicenseType(license_type=fewer))
    assert (reason(refused), fields(refused)["field"]) == ("incompatible", "premises")
    assert type_of(exchange.issue()) is messages.LicenseIssued


def test_nobody_issues_what_is_not_theirs_to_issue(exchange: Exchange) -> None:
    assert reason(exchange.issue(type=f"{DEFINER}999")) == "unknown-type"
    assert reason(exchange.issue(source=TAX)) == "issuer-not-delegated"
    own = LICENSE_TYPE.model_copy(update={"issuers": (DEFINER,)})
    exchange.ask(CITY, messages.RegisterLicenseType(license_type=own))
    exchange.delegate(TAX)
    assert reason(exchange.issue(source=TAX)) == "not-an-issuer"


def test_a_serial_number_is_given_once_in_whatever_spelling(exchange: Exchange) -> None:
    name = exchange.issued(serial="AB12")
    for spelling in ("ab12", "ＡＢ１２", " AB 12 "):
        again = exchange.issue(serial=spelling)
        assert (reason(again), fields(again)["license"]) == ("exists", name)


def test_any_system_of_the_issuer_goes_on_and_nobody_else(exchange: Exchange) -> None:
    name = exchange.issued()
    assert reason(exchange.change(messages.RevokeLicense, name, TAX)) == "unknown-license"
    assert reason(exchange.amend(name, content(), source=TAX)) == "unknown-license"
    assert reason(exchange.change(messages.RevokeLicense, "0" * 32)) == "unknown-license"
    revoked = exchange.change(messages.RevokeLicense, name, CITY_DESK)
    assert type_of(revoked) is messages.LicenseRevoked


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (content(), "unchanged"),
        (content(serial="7"), "other-serial"),
        (
            content(holder={"kind": "organisation", "name": "乙", "code": "11100000000013338W"}),
            "other-holder",
        ),
        (for_person(), "other-holder"),
        (content(valid_until="2026-11-22"), "already-expired"),
        (content(fields={}), "content-malformed"),
        ([], "content-malformed"),
        (None, "content-missing"),
    ],
)
def test_a_version_is_of_the_same_licence_and_says_something_else(
    exchange: Exchange,
    said: Any,  # noqa: ANN401  any JSON
    expected: str,
) -> None:
    name = exchange.issued()
    assert reason(exchange.amend(name, said)) == expected
    assert exchange.connection.scalar(text("select count(*) from license_version")) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_another_normal_form_is_no_change(exchange: Exchange, form: Any) -> None:  # noqa: ANN401
    holder = {"kind": "organisation", "name": "Café（北京）Ａ１", "code": COMPANY}
    said = content(holder=holder, fields={"premises": "한국어 Ångström ﬁ ①号"})
    name = exchange.issued(said)
    other = json.loads(unicodedata.normalize(form, json.dumps(said, ensure_ascii=False)))
    assert reason(exchange.amend(name, other)) == "unchanged"


def test_a_corrected_name_of_the_holder_is_another_version(exchange: Exchange) -> None:
    name = exchange.issued(for_person(), assertion=assertion(azp=DEFINER))
    renamed = for_person(holder={"kind": "person", "name": "阿乙某"})
    assert fields(exchange.amend(name, renamed))["version"] == 2
    [shown] = sealed(exchange.share(assertion()))["licenses"]
    assert (shown["version"], shown["fields"]["holder_name"]) == (2, "阿乙某")


def test_a_licence_has_at_most_999_versions(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_VERSION == 999
    monkeypatch.setattr(licenses, "MAX_VERSION", 2)
    name = exchange.issued()
    assert type_of(amend(exchange, name)) is messages.LicenseAmended
    assert reason(exchange.amend(name, content())) == "too-many-versions"


def test_what_has_ended_already_is_not_issued(exchange: Exchange) -> None:
    assert reason(exchange.issue(valid_until="2026-11-22")) == "already-expired"
    assert type_of(exchange.issue(valid_until="2026-11-23")) is messages.LicenseIssued


def test_a_refused_issue_takes_no_use_of_the_assertion(exchange: Exchange) -> None:
    once = assertion(azp=DEFINER, uses=1)
    assert reason(exchange.issue(for_person(fields={}), assertion=once)) == "content-malformed"
    assert type_of(exchange.issue(for_person(), assertion=once)) is messages.LicenseIssued
    again = exchange.issue(for_person(serial="2"), assertion=once)
    assert reason(again) == "assertion-used-up"


def test_many_licences_of_one_holder_are_named_and_asked_for_one_by_one(
    exchange: Exchange,
) -> None:
    names = {exchange.issued(serial=f"N{number}") for number in range(10)}
    answer = sealed(exchange.share(of_company()))
    shown = {each["license"] for each in answer["licenses"]}
    assert len(shown) == 8
    assert shown | set(answer["others"]) == names
    other = answer["others"][0]
    [one] = sealed(exchange.share(of_company(), license=other))["licenses"]
    assert one["license"] == other
    assert TYPE in one["type"]
