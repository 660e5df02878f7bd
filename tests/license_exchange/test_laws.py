"""Laws over whole life cycles: any split of a batch is the batch, through the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.common.conftest import AGENCY, FOOD, TAX
from tests.license_exchange.conftest import (
    CITY,
    DEFINER,
    EXCHANGE,
    FIELDS,
    GRANT,
    KEYS,
    NOW,
    PURPOSE,
    SEALED,
    TYPE,
    Exchange,
    assertion,
    content,
    for_person,
    granted,
    of_company,
    published,
    world,
)
from tests.stores import in_memory

from sanyuan.common.contracts import license_exchange as messages
from sanyuan.common.contracts.message import Message
from sanyuan.common.deciding import Command, Outcome, Sealing
from sanyuan.license_exchange import store
from sanyuan.license_exchange.domain.rules import Rules
from sanyuan.license_exchange.domain.secrets import fresh_code, fresh_dispute, handle_of

WORLD: Final = world()
DAY: Final = timedelta(days=1)
SERIALS: Final = ("1", "2", "3")
HANDLES: Final = [handle_of(KEYS.blind_index, TYPE, DEFINER, serial) for serial in SERIALS]
LONG: Final = int(NOW.timestamp()) + 80 * 86400
TOKENS: Final = {
    "company": of_company(exp=LONG, uses=3),
    "other": of_company("11100000000013338W", exp=LONG, uses=3),
    "person": assertion(exp=LONG, uses=3),
    "presenting": of_company(exp=LONG, purpose=messages.PRESENTATION_PURPOSE),
    "city": assertion(exp=LONG, azp=DEFINER, uses=2),
    "short": of_company(exp=int(NOW.timestamp()) + 86400),
    "nobody's": b"no.token.here",
}
RULES: Final = Rules(answer_days=1, code_seconds=90_000, burst_seconds=1, list_size=4)
Asked = tuple[str, Message, dict[str, Any]]


def _attached(token: str | None) -> Any:  # noqa: ANN401  an attachment, or none
    return SEALED if token else None


def issue(serial: str, said: dict[str, Any], token: str | None, revision: int | None) -> Asked:
    data = messages.IssueLicense(
        type=TYPE, revision=revision, content=SEALED, assertion=_attached(token)
    )
    return CITY, data, {"content": {**said, "serial": serial}, "assertion": TOKENS.get(token or "")}


def amend(handle: str, serial: str, place: str) -> Asked:
    data = messages.AmendLicense(license=handle, grounds="correction", content=SEALED)
    return CITY, data, {"content": content(serial=serial, fields={"premises": place})}


def change(kind: type[Message], handle: str, source: str) -> Asked:
    return source, kind(license=handle, grounds="violation"), {}  # type: ignore[call-arg]


def share(grant: str, names: tuple[str, ...], token: str) -> Asked:
    data = messages.RequestLicenseFields(
        type=TYPE, fields=names, purpose=PURPOSE, grant=grant, assertion=SEALED
    )
    return FOOD, data, {"assertion": TOKENS[token]}


def present(token: str, handle: str | None) -> Asked:
    data = messages.OpenPresentation(type=TYPE, fields=FIELDS, license=handle, assertion=SEALED)
    return FOOD, data, {"assertion": TOKENS[token]}


def redeem(number: int) -> Asked:
    code = fresh_code(entropy(number))
    return (
        TAX,
        messages.VerifyPresentation(purpose="inspection", code=SEALED),
        {"code": {"code": code}},
    )


def dispute(handle: str, source: str) -> Asked:
    data = messages.RaiseDispute(license=handle, fields=("area",), statement=SEALED)
    return source, data, {"statement": {"text": "?"}}


def settle(number: int, outcome: str) -> Asked:
    data = messages.AnswerDispute.model_validate(
        {"dispute": fresh_dispute(entropy(number)), "outcome": outcome, "statement": SEALED}
    )
    return CITY, data, {"statement": {"text": "!"}}


def erase(handle: str) -> Asked:
    return AGENCY, messages.EraseHolder(legal_basis="x", license=handle), {}


def tick() -> Asked:
    return EXCHANGE, messages.LicenseExchangeTick(), {}


def entropy(number: int) -> bytes:
    return sha256(f"entropy {number}".encode()).digest()


SAID = [
    content(),
    content(valid_until="2026-11-24"),
    for_person(),
    content(holder={"kind": "organisation", "name": "乙", "code": "11100000000013338W"}),
]
KINDS = [
    messages.SuspendLicense,
    messages.ResumeLicense,
    messages.ResumeLicense,
    messages.RevokeLicense,
]
SHOWN = ["company", "company", "company", "person", *sorted(TOKENS)]
NUMBERS = st.integers(1, 9)
_HANDLES = st.sampled_from(HANDLES)
ISSUES = st.builds(
    issue,
    st.sampled_from(SERIALS),
    st.sampled_from(SAID),
    st.sampled_from([None, None, "city", "company"]),
    st.sampled_from([None, 1, 2]),
)
AMENDS = st.one_of(
    [
        st.builds(amend, st.just(h), st.just(s), st.sampled_from("甲乙"))
        for h, s in zip(HANDLES, SERIALS, strict=True)
    ]
)
CHANGES = st.builds(change, st.sampled_from(KINDS), _HANDLES, st.sampled_from([CITY, CITY, TAX]))
SHARES = st.builds(
    share,
    st.sampled_from([GRANT, "e" * 32, "f" * 32]),
    st.sampled_from([FIELDS, FIELDS, ("area",)]),
    st.sampled_from(SHOWN),
)
PRESENTS = st.builds(
    present, st.sampled_from(["presenting", "company"]), st.sampled_from([None, *HANDLES])
)
DISPUTES = st.builds(dispute, _HANDLES, st.sampled_from([FOOD, FOOD, TAX]))
SETTLES = st.builds(settle, NUMBERS, st.sampled_from(["corrected", "rejected"]))
COMMANDS: Final = st.one_of(
    ISSUES,
    AMENDS,
    CHANGES,
    SHARES,
    SHARES,
    PRESENTS,
    st.builds(redeem, NUMBERS),
    DISPUTES,
    SETTLES,
    st.builds(erase, _HANDLES) | st.builds(tick),
)
STEPS = st.lists(st.tuples(COMMANDS, st.sampled_from([0, 0, 0, 0, 0, 1])), min_size=4, max_size=16)


def prepared(connection: Connection) -> Exchange:
    exchange = Exchange(connection, WORLD, RULES)
    exchange.set_up()
    exchange.tell(published(), granted("e" * 32, quota=2, rate=1))
    exchange.issued(serial="1")
    exchange.issued(for_person(serial="2"), assertion=TOKENS["city"])
    exchange.share(TOKENS["company"])
    exchange.count = 0
    return exchange


@contextmanager
def copied() -> Iterator[Exchange]:
    """What `prepared` makes, in memory, as a copy: making it takes longer than a law does."""
    with in_memory(()) as connection:
        driver_of(connection).executescript(_prepared())
        yield Exchange(connection, WORLD, RULES)


@cache
def _prepared() -> str:
    with in_memory(store.MODELS) as connection:
        prepared(connection)
        connection.commit()
        return "\n".join(driver_of(connection).iterdump())


def driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def commands(exchange: Exchange, steps: Sequence[tuple[Asked, int]]) -> list[Command[Message]]:
    made = []
    for (source, data, opened), days in steps:
        exchange.now += days * DAY
        made.append(exchange.command(source, data, **opened))
    return made


def seen(outcome: Outcome) -> object:
    """What the world sees of an outcome, attachments in the clear."""

    def open_all(attachments: Any) -> dict[str, object]:  # noqa: ANN401  what records attach
        return {
            name: (each.plaintext, each.recipient.source)
            for name, each in attachments.items()
            if isinstance(each, Sealing)
        }

    answer = outcome.answer
    return (
        answer and (answer.type, dict(answer.fields), open_all(answer.attachments)),
        list(outcome.facts),
        [(n.inbox, n.type, dict(n.fields), open_all(n.attachments)) for n in outcome.notices],
    )


def dump(connection: Connection, now: datetime) -> list[str]:
    """Every row that still means something; when the others go depends on when batches come."""
    store.forget_expired(connection, int(now.timestamp()) * 1_000_000)
    return sorted(driver_of(connection).iterdump())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.data())
def test_deciding_a_batch_whole_is_deciding_it_in_any_split(
    steps: list[tuple[Asked, int]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(steps)))
    with copied() as whole, copied() as split:
        asked = commands(whole, steps)
        together = whole.decide(*asked)
        apart = [*split.decide(*asked[:at]), *split.decide(*asked[at:])]
        assert [seen(each) for each in together] == [seen(each) for each in apart]
        assert dump(whole.connection, whole.now) == dump(split.connection, whole.now)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_deciding_a_batch_whole_is_deciding_one_by_one(steps: list[tuple[Asked, int]]) -> None:
    with copied() as whole, copied() as single:
        asked = commands(whole, steps)
        apart = [outcome for each in asked for outcome in single.decide(each)]
        assert [seen(each) for each in whole.decide(*asked)] == [seen(each) for each in apart]
        assert dump(whole.connection, whole.now) == dump(single.connection, whole.now)
