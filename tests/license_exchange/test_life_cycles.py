"""Whole lives of licences against a model of a few lines; invariants 1, 3 and 4 after each step.

The model knows nothing of tables, batches or ciphertexts: only what somebody may expect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.common.conftest import FOOD, TAX
from tests.license_exchange.conftest import (
    COMPANY,
    DEFINER,
    FIELDS,
    GRANT,
    NOW,
    PERSON,
    PURPOSE,
    Exchange,
    assertion,
    content,
    database,
    fields,
    for_person,
    granted,
    of_company,
    published,
    reason,
    sealed,
    type_of,
    world,
)

from sanyuan.common.contracts import identity
from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.catalog import GrantRevoked
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Outcome
from sanyuan.common.sdjwt.credential import verify_credential

DAY: Final = timedelta(days=1)
LAST_DAY: Final = "2026-11-26"
ENDS: Final = datetime(2026, 11, 26, 16, tzinfo=NOW.tzinfo)
"""Midnight after the last day, in China."""
SECRETS: Final = ("餐饮", "阿甲某", "某街", COMPANY, PERSON, "SERIAL")
Q: Final = "e" * 32
NEXT: Final[dict[tuple[str, type[Message]], str]] = {
    ("active", messages.SuspendLicense): "suspended",
    ("active", messages.RevokeLicense): "revoked",
    ("suspended", messages.ResumeLicense): "active",
    ("suspended", messages.RevokeLicense): "revoked",
}


@dataclass
class Licence:
    name: str
    holder: str
    ends: datetime | None
    place: str
    state: str = "active"
    version: int = 1
    relied: set[str] = field(default_factory=set)

    def at(self, now: datetime) -> str:
        is_over = self.ends is not None and self.ends <= now
        return "expired" if is_over and self.state in ("active", "suspended") else self.state


@dataclass
class Token:
    jwt: bytes
    holder: str
    jti: str
    uses: int
    ends: datetime
    purpose: str = PURPOSE
    is_revoked: bool = False

    def refusal(self, now: datetime, purpose: str) -> str | None:
        if self.purpose != purpose:
            return "assertion-not-for-you"
        if self.ends <= now:
            return "assertion-expired"
        if self.is_revoked:
            return "assertion-revoked"
        return None if self.uses else "assertion-used-up"


@dataclass
class Code:
    text: str
    licence: Licence
    ends: datetime
    is_used: bool = False


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.opened = database()
        self.exchange = Exchange(self.opened.__enter__(), world())
        self.exchange.set_up()
        self.exchange.tell(published(), granted(Q, quota=3))
        self.quota = 3
        self.ended: set[str] = set()
        self.licences: dict[str, Licence] = {}
        self.tokens = [self.token("company"), self.token("person"), self.token("company", uses=1)]
        self.presenting = self.token("company", purpose=messages.PRESENTATION_PURPOSE, uses=9)
        self.codes: list[Code] = []
        self.asked = self.answered = 0
        self.seen: list[Outcome] = []

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    def token(self, holder: str, uses: int = 6, purpose: str = PURPOSE) -> Token:
        self.serial = getattr(self, "serial", 0) + 1
        jti, ends = f"{self.serial:032x}", NOW + 5 * DAY
        claims: dict[str, Any] = {"jti": jti, "uses": uses, "purpose": purpose}
        claims["exp"] = int(ends.timestamp())
        make = of_company if holder == "company" else assertion
        return Token(make(**claims), holder, jti, uses, ends, purpose)

    def note(self, outcome: Outcome) -> Outcome:
        self.asked += 1
        self.answered += outcome.answer is not None
        self.seen.append(outcome)
        return outcome

    @property
    def now(self) -> datetime:
        return self.exchange.now

    @rule(holder=st.sampled_from(["company", "person"]), lasts=st.booleans())
    def issue(self, holder: str, *, lasts: bool) -> None:
        serial = f"SERIAL{len(self.licences)}"
        said = content if holder == "company" else for_person
        until = None if lasts else LAST_DAY
        token = None if holder == "company" else self.token("person").jti
        jwt = token and assertion(azp=DEFINER, jti=token, exp=int((NOW + 60 * DAY).timestamp()))
        outcome = self.note(
            self.exchange.issue(said(serial=serial, valid_until=until), assertion=jwt)
        )
        if not lasts and self.now >= ENDS:
            assert reason(outcome) == "already-expired"
            return
        name = str(fields(outcome)["license"])
        place = "北京市西城区某街1号"
        self.licences[serial] = Licence(name, holder, None if lasts else ENDS, place)

    @precondition(lambda self: self.licences)
    @rule(data=st.data(), kind=st.sampled_from([*{kind for _, kind in NEXT}]))
    def change(self, data: st.DataObject, kind: type[Message]) -> None:
        licence = self.licences[data.draw(st.sampled_from(sorted(self.licences)))]
        outcome = self.note(self.exchange.change(kind, licence.name))
        following = NEXT.get((licence.at(self.now), kind))
        if following is None:
            assert reason(outcome) == "illegal-transition"
            assert fields(outcome)["state"] == licence.at(self.now)
            return
        licence.state = following
        assert {notice.inbox for notice in outcome.notices} == licence.relied

    @precondition(lambda self: self.licences)
    @rule(data=st.data())
    def amend(self, data: st.DataObject) -> None:
        serial = data.draw(st.sampled_from(sorted(self.licences)))
        licence = self.licences[serial]
        said = content if licence.holder == "company" else for_person
        place = f"某街{licence.version + 1}号"
        until = None if licence.ends is None else LAST_DAY
        new = said(serial=serial, valid_until=until, fields={"premises": place})
        outcome = self.note(self.exchange.amend(licence.name, new))
        if licence.at(self.now) != "active":
            assert reason(outcome) == "illegal-transition"
            return
        licence.version, licence.place = licence.version + 1, place
        assert fields(outcome)["version"] == licence.version
        assert {notice.inbox for notice in outcome.notices} == licence.relied

    @rule(
        data=st.data(),
        grant=st.sampled_from([GRANT, Q, "0" * 32]),
        wanted=st.sampled_from([FIELDS, ("premises",), ("premises", "area")]),
    )
    def share(self, data: st.DataObject, grant: str, wanted: tuple[str, ...]) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        outcome = self.note(self.exchange.share(token.jwt, grant=grant, fields=wanted))
        expected = self.sharing_refusal(grant, wanted, token)
        if expected is not None:
            assert (type_of(outcome), reason(outcome)) == (messages.SharingRefused, expected)
            assert not outcome.answer or not outcome.answer.attachments
            return
        token.uses -= 1
        self.quota -= grant == Q
        alive = {
            licence.name: licence
            for licence in self.licences.values()
            if licence.holder == token.holder and licence.at(self.now) in ("active", "suspended")
        }
        answer = sealed(outcome)
        shown = {each["license"]: each for each in answer["licenses"]}
        assert {*shown, *answer["others"]} == set(alive)
        for name, each in shown.items():
            assert set(each["fields"]) <= set(wanted)
            assert (each["version"], each["state"]) == (alive[name].version, alive[name].state)
            assert each["fields"]["premises"] == alive[name].place
            self.check_credential(each)
            alive[name].relied.add("inbox-food-permits")

    def sharing_refusal(self, grant: str, wanted: tuple[str, ...], token: Token) -> str | None:
        if grant == "0" * 32:
            return "unknown-grant"
        if grant in self.ended:
            return "grant-revoked"
        if not set(wanted) <= set(FIELDS):
            return "field-not-granted"
        if (refusal := token.refusal(self.now, PURPOSE)) is not None:
            return refusal
        return "quota" if grant == Q and self.quota == 0 else None

    def check_credential(self, shown: dict[str, Any]) -> None:
        """Whoever gets it can check it, and finds nothing else in it."""
        at = self.now.timestamp()
        claims = verify_credential(shown["sd_jwt"], self.exchange.trusted(), at=at).claims
        validity = {"iss", "vct", "nbf", "exp", "status"}
        assert {n: v for n, v in claims.items() if n not in validity} == shown["fields"]

    @precondition(lambda self: self.licences)
    @rule(data=st.data())
    def present(self, data: st.DataObject) -> None:
        licence = self.licences[data.draw(st.sampled_from(sorted(self.licences)))]
        outcome = self.note(self.exchange.present(self.presenting.jwt, license=licence.name))
        refusal = self.presenting.refusal(self.now, messages.PRESENTATION_PURPOSE)
        state = licence.at(self.now)
        if refusal is not None or licence.holder != "company" or state != "active":
            expected = refusal or (
                "unknown-license" if licence.holder != "company" else f"license-{state}"
            )
            assert reason(outcome) == expected
            return
        self.presenting.uses -= 1
        ends = self.now + timedelta(seconds=300)
        self.codes.append(Code(sealed(outcome, "code")["code"], licence, ends))

    @precondition(lambda self: self.codes)
    @rule(data=st.data())
    def verify(self, data: st.DataObject) -> None:
        code = self.codes[data.draw(st.integers(0, len(self.codes) - 1))]
        outcome = self.note(self.exchange.verify(code.text))
        expected = self.code_refusal(code)
        if expected is not None:
            assert reason(outcome) == expected
            assert not outcome.answer or not outcome.answer.attachments
            return
        code.is_used = True
        code.licence.relied.add("inbox-tax")
        shown = sealed(outcome)
        assert set(shown["fields"]) <= set(FIELDS)
        assert shown["fields"]["premises"] == code.licence.place
        self.check_credential(shown)
        assert reason(self.note(self.exchange.verify(code.text))) == "code-used"

    def code_refusal(self, code: Code) -> str | None:
        if self.now >= code.ends + DAY:
            return "unknown-code"
        if code.is_used:
            return "code-used"
        if self.now >= code.ends:
            return "code-expired"
        state = code.licence.at(self.now)
        return None if state == "active" else f"license-{state}"

    @rule(hours=st.sampled_from([0, 1, 30]))
    def time_passes(self, hours: int) -> None:
        self.exchange.now += timedelta(hours=hours, seconds=1)

    @rule()
    def tick(self) -> None:
        assert self.exchange.tick().answer is None

    @precondition(lambda self: len(self.seen) > 8)
    @rule(grant=st.sampled_from([GRANT, Q]))
    def revoke_grant(self, grant: str) -> None:
        self.exchange.tell(GrantRevoked(grant=grant, resource="307001/000017", reason="over"))
        self.ended.add(grant)

    @precondition(lambda self: len(self.seen) > 4)
    @rule(data=st.data())
    def revoke_assertion(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        self.exchange.tell(identity.AssertionRevoked(jti=token.jti))
        token.is_revoked = True
        self.tokens.append(self.token(token.holder))

    @rule(source=st.sampled_from([FOOD, TAX]))
    def somebody_else_tries(self, source: str) -> None:
        """Not the grantee, not the issuer."""
        stolen = self.note(self.exchange.share(self.tokens[0].jwt, source=TAX))
        assert reason(stolen) == "not-yours"
        for licence in self.licences.values():
            outcome = self.exchange.change(messages.RevokeLicense, licence.name, source)
            assert reason(self.note(outcome)) == "unknown-license"

    @invariant()
    def every_command_got_exactly_one_answer(self) -> None:
        """Design §9, invariant 1."""
        assert self.asked == self.answered

    @invariant()
    def no_value_holds_anything_personal(self) -> None:
        """Design §9, invariant 3."""
        for outcome in self.seen:
            told = [outcome.answer, *outcome.notices]
            values = [dict(each.fields) for each in told if each is not None]
            written = json.dumps(values, ensure_ascii=False, default=str)
            written += "".join(fact.model_dump_json() for fact in outcome.facts)
            assert not any(secret in written for secret in SECRETS)
        self.seen = self.seen[-9:]

    @invariant()
    def nothing_was_used_beyond_its_bounds(self) -> None:
        """Design §9, invariant 4."""
        assert self.quota >= 0
        assert all(token.uses >= 0 for token in (*self.tokens, self.presenting))


Lives.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLives = Lives.TestCase
