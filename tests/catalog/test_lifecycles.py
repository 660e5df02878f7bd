"""Whole lives of resources, grants and calls, told to the real handler and its tables.

What must hold (design §9) is kept here a second time, from nothing but what was asked and what was
answered, and compared after every step.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import select
from tests.catalog.office import (
    AGENCY,
    CIVIL,
    CONDITIONAL,
    COUNTER_DESK,
    FOOD,
    NOW,
    TAX,
    Office,
    assertion,
    memory,
    participant,
    resource,
    reviewed,
)

from sanyuan.catalog.store.tables import CLAIMS, GRANTS, METERS
from sanyuan.common.assertions import store as assertions
from sanyuan.common.contracts import catalog as messages
from sanyuan.common.contracts.identity import AssertionRevoked
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command, Fact, Outcome

PROVIDERS = {"307001/000001": TAX, "307001/000002": CIVIL, "307001/000003": TAX}
CODES = list(PROVIDERS)
CALLERS = [FOOD, COUNTER_DESK, FOOD, CIVIL]
MOSTLY = st.sampled_from([True] * 7 + [False])
ELEMENTS = ["DE00001", "DE00002", None]
PLAIN = messages.Sharing(type="unconditional")


@dataclass
class Held:
    """A grant as its holder knows it."""

    resource: str
    grantee: str
    quota: int | None
    until: datetime
    admitted: int = 0
    is_open: bool = True


@dataclass
class Ledger:
    """What follows from the facts on `catalog-events` and from the answers, and nothing else."""

    in_force: dict[str, messages.Resource] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    grants: dict[str, Held] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    def take(self, outcome: Outcome) -> None:
        for fact in outcome.facts:
            match fact:
                case messages.ResourcePublished(resource=described):
                    assert described.code not in self.withdrawn
                    self.in_force[described.code] = described
                case messages.ResourceWithdrawn(resource=code):
                    del self.in_force[code]
                    self.withdrawn.add(code)
                case messages.GrantOpened(terms=terms):
                    assert terms.grant not in self.grants
                    assert terms.resource in self.in_force
                    limits = terms.bounds
                    self.grants[terms.grant] = Held(
                        terms.resource, terms.grantee, limits.quota, limits.until
                    )
                case messages.GrantRevoked(grant=grant):
                    assert self.grants[grant].is_open
                    self.grants[grant].is_open = False
                case _:
                    pass

    def admit(self, command: Command[Message], jti: str | None) -> None:
        """Whether a call that was admitted could be."""
        assert isinstance(command.data, messages.CallRequested)
        held = self.grants[command.data.grant]
        described = self.in_force[held.resource]
        assert held.is_open
        assert held.grantee == command.sender.participant
        assert command.at < held.until
        assert described.license_type is None
        assert described.serving_system == command.data.serving_system
        held.admitted += 1
        assert held.quota is None or held.admitted <= held.quota
        if described.needs_assertion:
            assert jti is not None
            assert jti not in self.revoked
            self.uses[jti] = self.uses.get(jti, 0) + 1
            assert self.uses[jti] <= 2


class Lives(RuleBasedStateMachine):
    """Everybody does what he likes; time goes on."""

    codes = Bundle("codes")
    waiting = Bundle("waiting")
    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.office = Office(self._stack.enter_context(memory()))
        self.ledger = Ledger()
        self.now = NOW
        self.asked = 0
        self.answered = 0

    def teardown(self) -> None:
        self._stack.close()

    def say(self, data: Message, source: str) -> Outcome:
        return self.decide(self.office.command(data, source, at=self.now))[0]

    def decide(self, *commands: Command[Message]) -> list[Outcome]:
        outcomes = self.office.decide(*commands)
        self.asked += sum(not isinstance(c.data, messages.CatalogTick) for c in commands)
        self.answered += sum(outcome.answer is not None for outcome in outcomes)
        for outcome in outcomes:
            self.ledger.take(outcome)
        return outcomes

    def someone(self, code: str, *, right: bool) -> str:
        """The provider of a resource, or somebody else."""
        return PROVIDERS[code] if right else FOOD

    def describe(
        self, code: str, provider: str, element: str | None, **fields: object
    ) -> messages.Resource:
        items = (
            messages.Item(name="status", title="状态", type="C", element=element),
            messages.Item(name="since", title="日期", type="D"),
        )
        serving: dict[str, object] = {"serving_system": provider, "items": items}
        return resource(code=code, provider=participant(provider), **serving, **fields)

    @initialize(target=codes)
    def begin(self) -> str:
        described = self.describe(CODES[0], TAX, ELEMENTS[0])
        self.say(messages.SubmitResource(resource=described), TAX)
        self.say(reviewed(1, CODES[0]), AGENCY)
        return CODES[0]

    @rule(days=st.sampled_from([0, 0, 1, 12]), seconds=st.integers(0, 3))
    def wait(self, days: int, seconds: int) -> None:
        self.now += timedelta(days=days, seconds=seconds)
        self.say(messages.CatalogTick(), TAX)

    @rule(
        target=waiting,
        code=st.sampled_from(CODES),
        right=MOSTLY,
        element=st.sampled_from(ELEMENTS),
        sharing=st.sampled_from([PLAIN, PLAIN, CONDITIONAL]),
        needs=st.booleans(),
    )
    def put_up(
        self,
        code: str,
        element: str | None,
        sharing: messages.Sharing,
        *,
        right: bool,
        needs: bool,
    ) -> tuple[str, int] | object:
        by = self.someone(code, right=right)
        described = self.describe(code, by, element, sharing=sharing, needs_assertion=needs)
        is_new = code not in self.ledger.in_force
        kind = messages.SubmitResource if is_new else messages.ReviseResource
        answer = self.say(kind(resource=described), by).answer
        assert answer is not None
        if answer.type is messages.ResourceSubmitted:
            return code, answer.fields["revision"]
        return multiple()

    @rule(target=codes, waits=consumes(waiting), publish=MOSTLY)
    def review(self, waits: tuple[str, int], *, publish: bool) -> str | object:
        code, revision = waits
        facts = self.say(reviewed(revision, code, publish=publish), AGENCY).facts
        return code if facts and publish else multiple()

    @rule(code=codes, right=st.sampled_from([False, False, True]))
    def withdraw(self, code: str, *, right: bool) -> None:
        by = self.someone(code, right=right)
        self.say(messages.WithdrawResource(resource=code, reason="merged"), by)

    @rule(
        target=grants,
        code=codes,
        by=st.sampled_from(CALLERS),
        quota=st.sampled_from([None, 1, 3]),
        rate=st.sampled_from([None, None, 2]),
        days=st.sampled_from([40, 1]),
    )
    def request(
        self, code: str, by: str, quota: int | None, rate: int | None, days: int
    ) -> tuple[str, str, str] | object:
        within = messages.Bounds(
            fields=("status",), quota=quota, rate=rate, until=self.now + timedelta(days=days)
        )
        data = messages.RequestGrant(
            resource=code, purpose="permit", legal_basis="§ 35", bounds=within
        )
        answer = self.say(data, by).answer
        assert answer is not None
        match answer.type:
            case messages.GrantIssued:
                terms = answer.fields["terms"]
                assert isinstance(terms, dict)
                return terms["grant"], code, by
            case messages.GrantPending:
                return answer.fields["request"], code, by
            case _:
                return multiple()

    @rule(held=grants, right=MOSTLY, allow=MOSTLY)
    def decide_grant(self, held: tuple[str, str, str], *, right: bool, allow: bool) -> None:
        grant, code, _ = held
        reason = None if allow else "too much"
        data = messages.DecideGrant(request=grant, allow=allow, reason=reason)
        self.say(data, self.someone(code, right=right))

    @rule(held=grants, by=st.sampled_from([CIVIL, AGENCY, FOOD, TAX]))
    def revoke(self, held: tuple[str, str, str], by: str) -> None:
        self.say(messages.RevokeGrant(grant=held[0], reason="over"), by)

    @rule(jti=st.sampled_from("01"))
    def revoke_assertion(self, jti: str) -> None:
        self.ledger.revoked.add(jti * 32)
        fact = Fact(AssertionRevoked(jti=jti * 32), self.now, None)
        assertions.observe(self.office.connection, [fact])

    @rule(
        held=grants,
        is_own=MOSTLY,
        right=MOSTLY,
        jti=st.sampled_from("3210"),
        size=st.integers(1, 4),
    )
    def call(
        self, held: tuple[str, str, str], jti: str, size: int, *, is_own: bool, right: bool
    ) -> None:
        grant, code, holder = held
        by, serving = holder if is_own else TAX, self.someone(code, right=right)
        end = int(self.now.timestamp()) + 600
        shown = assertion(by, jti=jti * 32, uses=2, iat=end - 600, exp=end)
        calls = [
            self.office.call(grant, by, serving_system=serving, at=self.now, assertion=shown)
            for _ in range(size)
        ]
        for command, outcome in zip(calls, self.decide(*calls), strict=True):
            assert outcome.answer is not None
            if outcome.answer.type is messages.CallAdmitted:
                assert outcome.answer.inbox == f"inbox-{serving.rpartition('/')[2]}"
                self.ledger.admit(command, jti * 32)

    @rule(held=grants)
    def call_and_revoke_in_one_batch(self, held: tuple[str, str, str]) -> None:
        """Nothing is admitted behind the revocation, in whichever batch that came."""
        grant, code, by = held
        calls = [
            self.office.call(grant, by, serving_system=PROVIDERS[code], at=self.now)
            for _ in range(2)
        ]
        revoking = messages.RevokeGrant(grant=grant, reason="over")
        last = self.office.command(revoking, AGENCY, at=self.now)
        before, _, after = self.decide(calls[0], last, calls[1])
        assert before.answer is not None
        if before.answer.type is messages.CallAdmitted:
            self.ledger.grants[grant].admitted += 1
        assert after.answer is not None
        assert after.answer.type is messages.CallRefused

    @invariant()
    def every_command_has_exactly_one_answer(self) -> None:
        assert self.asked == self.answered

    @invariant()
    def an_element_has_one_source(self) -> None:
        claims = {row.element: row.code for row in self.office.connection.execute(select(CLAIMS))}
        for code, described in self.ledger.in_force.items():
            for item in described.items:
                assert item.element is None or claims[item.element] == code

    @invariant()
    def what_is_metered_is_what_was_admitted(self) -> None:
        used = {row.id: row.used for row in self.office.connection.execute(select(METERS))}
        admitted = {name: held.admitted for name, held in self.ledger.grants.items()}
        assert used == {name: count for name, count in admitted.items() if count}

    @invariant()
    def no_grant_stands_on_what_is_gone(self) -> None:
        rows = self.office.connection.execute(select(GRANTS)).all()
        for row in rows:
            stands = row.phase == "open" and row.until > self.now.timestamp() * 1_000_000
            if row.resource in self.ledger.withdrawn:
                assert not stands
                assert row.phase != "pending"
            if stands:
                assert self.ledger.grants[row.id].is_open


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
