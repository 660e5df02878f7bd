"""Bad input and faults of the exchange, as far as several processes have a part in them.

Here against the real broker with all four services. Each case of each rule is shown where it costs
nothing to show them all:

==========================================  ===================================================
what is wrong                               every case of it
==========================================  ===================================================
a licence field outside the grant           license_exchange/store/test_facts
an assertion expired, used up, revoked,     common/assertions, catalog/decide/test_metering,
of someone else                             license_exchange/test_handlers
a grant revoked during a flood of calls     catalog/decide/test_metering, catalog/test_service
a quota at its last unit from two systems   catalog/decide/test_metering, catalog/test_handlers
a provider that is silent, slow, answers    client/calls/test_judging, client/connector/test_calls,
twice, someone else's call, other fields    client/connector/test_serving
a caller that dies between call and answer  client/connector/test_calls
a licence type changed under an issue       license_exchange/decide/test_licenses
an illegal transition of each kind          catalog/decide, license_exchange/domain/test_lifecycle,
                                            catalog/test_lifecycles, license_exchange/test_life_…
Chinese and Latin, every normal form        license_exchange/domain/test_texts, test_contents,
                                            catalog/search/test_words, identity/domain
==========================================  ===================================================

After every test a neighbour is served at once; the last one reads the verified log: every command
has one decision.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from tests.e2e.exchange_ground import (
    FIELDS,
    LICENSED,
    MOMENT,
    MORTAL,
    ODD,
    SECOND,
    TYPE,
    UNGRANTED,
    WAIT,
    Ground,
    content,
    exchange_ground,
    jti_of,
    license_type,
)
from tests.e2e.kill_installation import PURPOSE
from tests.e2e.test_exchange import CALLER, REGISTER, look_up
from tests.e2e.wire import Author, Found, Raw, Wire

from sanyuan.client.calls import Answered, NoAnswer, Refused
from sanyuan.client.calls.judging import LATE, NOT_OPEN
from sanyuan.client.faces.catalog import Call
from sanyuan.client.faces.licenses import Declined, LicensesShared
from sanyuan.client.follow import Follower
from sanyuan.client.inbox import Decision
from sanyuan.client.joining import system_path
from sanyuan.client.searching import search_catalogue
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.client.verify.source import open_source
from sanyuan.common.contracts.catalog import CallAdmitted, ResourcesReviewed, Reviewed
from sanyuan.common.contracts.license_exchange import LicenseIssued
from sanyuan.common.logkeys import LOG_KEY_FILE, load_log_key
from sanyuan.common.outbox import Row
from sanyuan.common.sealing import reference
from sanyuan.sandbox import services
from sanyuan.sandbox.faults.tally import Found as Counted

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]

MANY: Final = 50
NORMAL_FORMS: Final = ("NFC", "NFD", "NFKC", "NFKD")
SPELT: Final = "Crème brûlée ﬁne ㈱ガラス 餐饮№８"
"""Differs in every normal form (Unicode Standard Annex 15)."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with exchange_ground(tmp_path_factory.mktemp("exchange-faults")) as ground:
        yield ground


async def test_from_a_revocation_on_nothing_is_admitted_also_in_a_flood(ground: Ground) -> None:
    code, admitted, enough = "306003/000001", list[int](), asyncio.Event()

    def answer(parameters: Mapping[str, Any], call: CallAdmitted) -> Mapping[str, Any] | None:
        admitted.append(call.decision)
        if len(admitted) == MANY:
            enough.set()
        return look_up(parameters, call)

    async with ground.desk(CALLER, SECOND, serves={code: answer}) as desk:
        await desk.publish(code)
        terms = await desk.granted(desk.others[0], code)
        revoked, sent = asyncio.Event(), 0

        async def flood(caller: ConnectedSystem) -> None:
            nonlocal sent
            while not revoked.is_set():
                rows = await caller.request_calls([Call(terms, {"code": "91"})] * 10)
                sent += len(rows)
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            for caller in desk.others:
                tasks.create_task(flood(caller))
            await enough.wait()
            ended = await desk.provider.revoke_grant(terms.grant, reason="用途不符")
            await desk.neighbour_is_served()
            revoked.set()
        boundary = decision_of(ended)
        late = [await caller.call_resource(terms, {"code": "91"}) for caller in desk.others]
        results = await all_results(desk.others, sent)
        refused = [result for result in (*late, *results) if isinstance(result, Refused)]
        assert Counter(type(result) for result in results)[Answered] == len(admitted)
        assert len(admitted) + len(refused) == sent + len(late)
        assert max(admitted) < boundary < min(decision_of(each.record) for each in refused)
        assert {result.reason for result in refused} == {"grant-revoked"}


async def all_results(callers: list[ConnectedSystem], count: int) -> list[Any]:
    """The next `count` ends of calls of several systems."""
    found = list[Any]()

    async def collect(caller: ConnectedSystem) -> None:
        async for result in caller.answers():
            found.append(result)
            if len(found) >= count:
                done.set()

    done = asyncio.Event()
    tasks = [asyncio.create_task(collect(caller)) for caller in callers]
    await done.wait()
    for task in tasks:
        task.cancel()
    return found


def decision_of(record: Decision) -> int:
    return int(record.envelope.data["decision"])


async def test_the_last_units_of_a_quota_go_to_as_many_calls_of_two_systems(
    ground: Ground,
) -> None:
    code, quota = "306003/000002", 7
    async with ground.desk(CALLER, SECOND, serves={code: look_up}) as desk:
        await desk.publish(code)
        terms = await desk.granted(desk.others[0], code, quota=quota)
        both = [
            caller.request_calls([Call(terms, {"code": "91"})] * quota) for caller in desk.others
        ]
        await asyncio.gather(*both)
        results = await all_results(desk.others, 2 * quota)
        assert sum(isinstance(result, Answered) for result in results) == quota
        refused = [result.reason for result in results if isinstance(result, Refused)]
        assert refused == ["quota"] * quota


async def test_a_slow_provider_holds_up_nobody_and_its_answer_counts(ground: Ground) -> None:
    code, others_are_served = "306003/000003", asyncio.Event()

    async def answer(parameters: Mapping[str, Any], call: CallAdmitted) -> Mapping[str, Any] | None:
        await others_are_served.wait()
        return look_up(parameters, call)

    async with ground.desk(CALLER, serves={code: answer}) as desk:
        await desk.publish(code, answer_within=60)
        terms = await desk.granted(desk.others[0], code)
        waiting = asyncio.create_task(desk.others[0].call_resource(terms, {"code": "91"}))
        for _ in range(3):
            await desk.neighbour_is_served()
        assert not waiting.done()
        others_are_served.set()
        result = await waiting
        assert isinstance(result, Answered)
        assert result.fields == REGISTER["91"]


async def test_a_provider_that_answers_wrongly_twice_others_or_not_at_all_ends_each_call_once(
    ground: Ground,
) -> None:
    code, silent = "306003/000004", "306003/000005"
    made = ground.made
    author = Author.of(made.system(ODD))

    def answered(call: Found, fields: Mapping[str, Any]) -> Raw:
        """An answer of the odd provider, into the caller's inbox."""
        topic = "cn/inbox-" + CALLER
        caller = ground.directory.systems[made.system(CALLER).source]
        box = caller.sealing.seal(
            orjson.dumps(fields), source=author.source, topic=topic, name="answer"
        )
        return author.next(
            {"answer": box},
            topic=topic,
            type="call.answered.v1",
            correlationid=call.envelope["correlationid"],
            causationid=call.data["call_id"],
            data={"call": call.data["command"], "fields": [*fields], "answer": reference(box)},
        )

    async with (
        ground.desk(CALLER, SECOND) as desk,
        Wire.open(made.kafka.admin, [f"inbox-{ODD}"]) as wire,
    ):
        caller, second = desk.others
        for each, seconds in ((code, 60), (silent, 1)):
            await desk.publish(each, serving_system=author.source, answer_within=seconds)
        terms, no_answer = await desk.granted(caller, code), await desk.granted(caller, silent)
        rows = await caller.request_calls([Call(terms, {"code": "91"})] * 2)
        rows += await second.request_calls([Call(terms, {"code": "91"})])
        rows += await caller.request_calls([Call(no_answer, {"code": "91"})])
        one, two, elses, unanswered = await wire.find([admits(row) for row in rows], WAIT)
        await desk.neighbour_is_served()

        right, wrong = REGISTER["91"], {**REGISTER["91"], "note": "not granted"}
        said = [(one, wrong), (one, right), (one, right), (elses, right), (two, right)]
        records = [answered(call, fields) for call, fields in said]
        await wire.send(0, *records, topic=f"inbox-{CALLER}")
        results = caller.answers()
        ended = {each.call.sequence: each for each in [await anext(results) for _ in range(3)]}
        for call in (one, two):
            result = ended[call.data["command"]["sequence"]]
            assert isinstance(result, Answered)
            assert result.fields == right
        assert isinstance(ended[unanswered.data["command"]["sequence"]], NoAnswer)
        await wire.send(0, answered(unanswered, right), topic=f"inbox-{CALLER}")
        shown = caller.decisions()
        assert [(await anext(shown)).unexpected for _ in range(4)] == [
            "it gives other fields than the grant allows",
            NOT_OPEN,
            "the answer to somebody else's call",
            LATE,
        ]


def admits(row: Row) -> Any:  # noqa: ANN401  a predicate
    def matches(found: Found) -> bool:
        command = found.data.get("command")
        return (
            found.type == "call.admitted.v1" and command is not None and command["hash"] == row.hash
        )

    return matches


ASKS: Final = """
import asyncio, sys
from sanyuan.client.faces.catalog import Call
from sanyuan.client.system import connect

async def main(file, code, participant):
    async with connect(file) as me:
        catalogue = await me.catalogue()
        (terms,) = [each for each in catalogue.grants_of(participant) if each.resource == code]
        await me.request_calls([Call(terms, {"code": "91"})])
        print("asked", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_caller_that_is_killed_between_call_and_answer_gets_it_once(
    ground: Ground,
) -> None:
    code, killed = "306003/000006", asyncio.Event()

    async def answer(parameters: Mapping[str, Any], call: CallAdmitted) -> Mapping[str, Any] | None:
        await killed.wait()
        return look_up(parameters, call)

    async with ground.desk(serves={code: answer}) as desk:
        await desk.publish(code, answer_within=60)
        path = system_path(ground.made.var, MORTAL)
        async with connect(path) as caller:
            terms = await desk.granted(caller, code)
            participant = caller.participant
        arguments = [sys.executable, "-c", ASKS, str(path), code, participant]
        dying = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  killed below
        with dying:
            assert dying.stdout is not None
            assert await asyncio.to_thread(dying.stdout.readline) == "asked\n"
            dying.kill()
        killed.set()
        async with connect(path) as caller:
            results = caller.answers()
            first = await anext(results)
            await caller.request_calls([Call(terms, {"code": "nobody"})])
            second = await anext(results)
        assert isinstance(first, Answered)
        assert isinstance(second, Answered)
        assert (first.fields, second.found) == (REGISTER["91"], False)


async def test_an_assertion_that_does_not_count_opens_no_licence_and_admits_no_call(
    ground: Ground,
) -> None:
    code = "306003/000007"
    company = next(ground.companies)
    async with ground.desk(CALLER) as desk:
        (caller,) = desk.others
        issued = await desk.provider.issue_license(TYPE, content(company, "A1"))
        assert issued.reason is None, issued
        grants = {
            purpose: (await desk.granted(caller, LICENSED, fields=FIELDS, purpose=purpose)).grant
            for purpose in (PURPOSE, MOMENT)
        }

        async def request(
            assertion: bytes, purpose: str = PURPOSE, fields: tuple[str, ...] = FIELDS
        ) -> LicensesShared | Declined:
            return await caller.request_license_fields(
                TYPE, fields=fields, purpose=purpose, grant=grants[purpose], assertion=assertion
            )

        momentary = await desk.assertion(caller, company, MOMENT)
        good = await desk.assertion(caller, company)
        outside = await request(good, fields=(*FIELDS, UNGRANTED))
        shared = await request(good)
        assert isinstance(shared, LicensesShared), shared
        assert shared.licenses[0].fields["representative"] == company.representative
        used_up = await request(good)
        someone_elses = await request(await desk.assertion(desk.neighbour, company))
        revoked = await desk.assertion(caller, company)
        assert (await caller.revoke_assertion(jti_of(revoked))).reason is None
        said = [outside, used_up, someone_elses, await request(revoked)]
        await asyncio.sleep(1)
        said.append(await request(momentary, MOMENT))
        assert [each.reason for each in said if isinstance(each, Declined)] == [
            "field-not-granted",
            "assertion-used-up",
            "assertion-not-for-you",
            "assertion-revoked",
            "assertion-expired",
        ]

        await desk.publish(code, needs_assertion=True)
        terms = await desk.granted(caller, code)
        shown = await desk.assertion(caller, company, audience="catalog")
        assert (await caller.revoke_assertion(jti_of(shown))).reason is None
        result = await caller.call_resource(terms, {"code": "91"}, assertion=shown)
        assert isinstance(result, Refused)
        assert result.reason == "assertion-revoked"


async def test_a_type_that_changes_under_a_running_issue_is_told_to_whoever_comes_after(
    ground: Ground,
) -> None:
    company = next(ground.companies)
    async with ground.desk() as desk:
        issuing = [
            desk.provider.issue_license(TYPE, content(company, f"B{number}"), revision=1)
            for number in range(6)
        ]
        changing = desk.provider.register_license_type(license_type("seats"))
        *before, changed, last = await asyncio.gather(*issuing[:3], changing, *issuing[3:4])
        after = [last, *await asyncio.gather(*issuing[4:])]
        assert changed.reason is None, changed
        boundary = decision_of(changed)
        for decision in (*before, *after):
            told = (decision.reason, getattr(decision.message, "revision", None))
            expected = None if decision_of(decision) < boundary else "type-changed"
            assert told[0] == expected
            assert expected is None or told[1] == 2
        assert [each.reason for each in after[1:]] == ["type-changed"] * 2
        anew = content(company, "B7", seats="40")
        assert (await desk.provider.issue_license(TYPE, anew, revision=2)).reason is None


async def test_an_illegal_transition_of_each_kind_says_so_and_changes_nothing(
    ground: Ground,
) -> None:
    code, company = "306003/000008", next(ground.companies)
    async with ground.desk(CALLER) as desk:
        provider, (caller,) = desk.provider, desk.others
        issued = await provider.issue_license(TYPE, content(company, "C1"))
        assert isinstance(issued.message, LicenseIssued), issued
        name, why = issued.message.license, "food-safety"
        for does, legal in (
            (provider.resume_license, False),
            (provider.suspend_license, True),
            (provider.suspend_license, False),
            (provider.resume_license, True),
            (provider.revoke_license, True),
            (provider.revoke_license, False),
            (provider.resume_license, False),
        ):
            decision = await does(name, grounds=why)
            assert decision.reason == (None if legal else "illegal-transition"), decision
        amended = await provider.amend_license(name, content(company, "C1"), grounds=why)
        assert amended.reason == "illegal-transition"
        assert getattr(amended.message, "state", None) == "revoked"

        await desk.publish(code)
        async with connect(system_path(ground.made.var, "agency")) as office:
            again = await office.review_resources(
                [Reviewed(resource=code, revision=1, publish=True)]
            )
        assert isinstance(again.message, ResourcesReviewed)
        assert [each.reason for each in again.message.outcomes] == ["illegal-transition"]
        terms = await desk.granted(caller, code)
        word = await provider.decide_grant(terms.grant, allow=True)
        ends = [await caller.revoke_grant(terms.grant, reason="不再需要") for _ in range(2)]
        taken = [await provider.withdraw_resource(code, reason="停用") for _ in range(2)]
        assert [each.reason for each in (word, *ends, *taken)] == [
            "already-decided",
            None,
            "already-ended",
            None,
            "illegal-transition",
        ]


async def test_every_normal_form_of_chinese_and_latin_text_means_the_same(ground: Ground) -> None:
    code, company = "306003/000009", next(ground.companies)
    spellings = [unicodedata.normalize(form, SPELT) for form in NORMAL_FORMS]
    assert len(set(spellings)) == len(NORMAL_FORMS)
    serials = [unicodedata.normalize(form, "ＪＹ１１") for form in NORMAL_FORMS]
    async with ground.desk(CALLER) as desk:
        said = [
            await desk.provider.issue_license(TYPE, content(company, serial, scope=text))
            for serial, text in zip(serials, spellings, strict=True)
        ]
        assert [each.reason for each in said] == [None, *["exists"] * 3]
        (first, *_) = said
        assert isinstance(first.message, LicenseIssued)
        for serial, text in zip(serials, spellings, strict=True):
            same = await desk.provider.amend_license(
                first.message.license, content(company, serial, scope=text), grounds="correction"
            )
            assert same.reason == "unchanged"
        await desk.publish(code, name=spellings[1])
        url = services.urls(ground.made.ports)["catalog"]
        for text in spellings:
            page = await asyncio.to_thread(search_catalogue, url, {"q": text})
            assert [each.code for each in page.resources] == [code], text
        wide = "".join(chr(ord(letter) + 0xFEE0) for letter in company.holder_code)
        for number in (company.holder_code, wide, wide.lower()):
            verified = await desk.others[0].verify_organisation(
                name=company.holder_name, code=number, purpose=PURPOSE, legal_basis="食品安全法"
            )
            assert verified.type == "identity.organisation-verified.v1", number


async def test_afterwards_every_command_ever_sent_has_one_decision_in_the_verified_log(
    ground: Ground,
) -> None:
    made, counted = ground.made, Counted()
    sent = Counter(sent_commands(made.var))
    agency, key = made.system("agency").agency, load_log_key(made.var / LOG_KEY_FILE).verifier
    with open_source(str(made.var / "audit" / "log")) as source:
        async with asyncio.timeout(WAIT):
            async for logged in Follower(source, agency, key).records():
                counted.take(logged)
                if len(counted.decided) >= len(sent):
                    break
    assert counted.decided == sent
    assert counted.misnumbered == 0
    assert made.verify().findings == ()


def sent_commands(var: Path) -> Iterator[tuple[str, str, int]]:
    """What the systems have made durable, as their outboxes say."""
    query = """SELECT source, topic, sequence FROM outbox_head
        WHERE topic = 'calls' OR topic LIKE '%-commands'"""
    for database in var.glob("state/*/client.db"):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as outbox:
            for source, topic, last in outbox.execute(query):
                yield from ((source, f"cn/{topic}", number) for number in range(1, last + 1))
