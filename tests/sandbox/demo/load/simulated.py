"""The other side of a load process without a broker: services and providers that tell the truth.

What was accepted and what was handed out outlive a process, as outbox and inbox do: an answer comes
again until the next one was asked for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from sanyuan.client.calls import Answered, CallResult, Failed, Refused
from sanyuan.client.faces.catalog import Call as SharedCall
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import Bounds, GrantTerms
from sanyuan.common.contracts.message import CommandRef, Message
from sanyuan.common.contracts.registry import parse_data
from sanyuan.common.envelope import ZERO_HASH, Envelope, format_sequence
from sanyuan.common.ids import format_time
from sanyuan.sandbox.demo.load.grants import UNGRANTED_FIELD, Wanted
from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.schedule import TOPICS
from sanyuan.sandbox.demo.load.subjects import Subject, Subjects
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS
from sanyuan.sandbox.synthetic.providers.known import knows

KIND_OF_TYPE: dict[str, Kind] = {
    "identity.verify-person.v1": "verification",
    "identity.verify-organisation.v1": "verification",
    "license-exchange.request-license-fields.v1": "license-exchange",
}


def subjects() -> Subjects:
    """Two thousand people and as many organisations."""
    people = [Subject(f"P{number:04}", f"person {number}") for number in range(2_000)]
    organisations = [Subject(f"O{number:04}", f"organisation {number}") for number in range(2_000)]
    return Subjects(people, organisations)


def terms(number: int, wanted: Wanted) -> GrantTerms:
    """The grant that the catalog has given."""
    return GrantTerms(
        grant=f"{number:032x}",
        resource=wanted.resource,
        grantee=DEPARTMENTS[wanted.caller].code,
        purpose=wanted.purpose,
        bounds=Bounds(fields=wanted.fields, until=datetime(2099, 1, 1, tzinfo=UTC)),
        serving_system=f"//cn/departments/{DEPARTMENTS[wanted.provider].code}/system",
    )


@dataclass
class Nation:
    """Everything that outlives a process."""

    everybody: Subjects
    heads: dict[Kind, dict[int, int]] = field(default_factory=lambda: {k: {} for k in KINDS})
    results: dict[int, deque[CallResult]] = field(default_factory=lambda: defaultdict(deque))
    records: dict[int, deque[Decision]] = field(default_factory=lambda: defaultdict(deque))
    assertions: dict[str, Subject] = field(default_factory=dict)
    spoil: Callable[[CallResult], CallResult] = lambda result: result

    def __post_init__(self) -> None:
        self.people = {each.key: each for each in self.everybody.people}
        self.organisations = {each.key: each for each in self.everybody.organisations}
        ranked = (self.everybody.people, self.everybody.organisations)
        self.ranks = {each.key: rank for rows in ranked for rank, each in enumerate(rows)}

    def place(self, kind: Kind, department: int) -> CommandRef:
        """The next place of a stream."""
        head = self.heads[kind].get(department, 0) + 1
        self.heads[kind][department] = head
        organ = DEPARTMENTS[department]
        return CommandRef(
            source=f"//cn/departments/{organ.code}/{organ.systems[0].name}",
            topic=f"cn/{TOPICS[kind]}",
            sequence=format_sequence(head),
            hash=ZERO_HASH,
        )

    def call(self, department: int, call: SharedCall) -> None:
        """Admit or refuse, and have the provider answer."""
        ref, record = self.place("shared-call", department), self.record("call.failed.v1", {})
        result: CallResult
        if call.terms.grantee != DEPARTMENTS[department].code:
            result = Refused(ref, "case", record, "not-yours", None)
        else:
            ((_, key),) = call.parameters.items()
            rows = self.people if key in self.people else self.organisations
            found = knows(call.terms.resource, self.ranks[key], len(rows))
            said = dict.fromkeys(call.terms.bounds.fields, "said")
            names = {"person_name": rows[key].name, "organisation_name": rows[key].name}
            said |= {name: value for name, value in names.items() if name in said}
            said[call.terms.bounds.fields[0]] = key
            result = Answered(ref, "case", record, said if found else {}, found)
        self.results[department].append(self.spoil(result))

    def decide(
        self, department: int, kind: str, data: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> None:
        """Decide a command of identity or license-exchange."""
        ref = self.place(KIND_OF_TYPE[kind], department)
        if kind == "license-exchange.request-license-fields.v1":
            decided, more, opened = self._share(data, sealed["assertion"].decode())
        else:
            decided, more, opened = self._verify(sealed["subject"], f"{department} {ref.sequence}")
        body = {"command": ref.model_dump(), "decision": 1, "asof": {}, **more}
        self.records[department].append(self.record(decided, body, opened))

    def _verify(
        self, subject: Mapping[str, str], assertion: str
    ) -> tuple[str, dict[str, Any], dict[str, bytes]]:
        known = self.people.get(subject.get("number", "")) or self.organisations.get(
            subject.get("code", "")
        )
        what = "organisation" if "code" in subject else "person"
        if known is None or known.name != subject["name"]:
            return f"identity.{what}-not-verified.v1", {}, {}
        self.assertions[assertion] = known
        level = "name-and-code" if what == "organisation" else "two-factor"
        body = {"assertion": {"sealed": f"sha256:{ZERO_HASH}"}, "level": level}
        return f"identity.{what}-verified.v1", body, {"assertion": assertion.encode()}

    def _share(
        self, data: Mapping[str, Any], assertion: str
    ) -> tuple[str, dict[str, Any], dict[str, bytes]]:
        holder = self.assertions.pop(assertion, None)
        refused = "license-exchange.sharing-refused.v1"
        if UNGRANTED_FIELD in data["fields"]:
            return refused, {"reason": "field-not-granted"}, {}
        if holder is None:
            return refused, {"reason": "assertion-used-up"}, {}
        fields = {"holder_code": holder.key, "holder_name": holder.name}
        answer = {"licenses": [{"state": "active", "fields": fields}], "others": []}
        body = {
            "type": data["type"],
            "grant": data["grant"],
            "fields": data["fields"],
            "answer": {"sealed": f"sha256:{ZERO_HASH}"},
        }
        opened = {"answer": orjson.dumps(answer)}
        return "license-exchange.license-fields-shared.v1", body, opened

    def record(
        self, kind: str, data: Mapping[str, Any], opened: Mapping[str, bytes] | None = None
    ) -> Decision:
        """A record of an inbox, as the SDK reads it."""
        envelope = Envelope(
            specversion="1.0",
            id="0190a5f0-0000-7000-8000-000000000000",
            source="//cn/services/identity",
            type=kind,
            time=format_time(datetime.now(UTC)),
            topic="cn/inbox-x",
            sequence=format_sequence(1),
            previous=ZERO_HASH,
            correlationid="case",
            data=dict(data),
        )
        message = parse_data(kind, "inbox", dict(data)) if data else None
        return Decision("inbox-x", 0, envelope, message, opened or {})


class System:
    """What a load process uses of a connected system; `Nation` is behind it."""

    def __init__(self, nation: Nation, department: int, silent: Sequence[Kind] = ()) -> None:
        self._nation = nation
        self._department = department
        self._silent = silent

    async def request_calls(self, calls: Sequence[SharedCall]) -> None:
        await asyncio.sleep(0)
        for call in calls:
            self._nation.call(self._department, call)

    async def send(
        self, command: type[Message], data: Mapping[str, Any], sealed: Mapping[str, Any]
    ) -> None:
        await asyncio.sleep(0)
        self._nation.decide(self._department, command.TYPE, data, sealed)

    async def answers(self) -> AsyncIterator[CallResult]:
        async for each in _handed_out(self._nation.results[self._department]):
            yield each

    async def decisions(self) -> AsyncIterator[Decision]:
        async for each in _handed_out(self._nation.records[self._department]):
            yield each


async def _handed_out(tray: deque[Any]) -> AsyncIterator[Any]:
    """Each comes again until the next one was asked for."""
    while True:
        await asyncio.sleep(0 if tray else 0.005)
        if tray:
            yield tray[0]
            tray.popleft()


def failed(result: CallResult) -> CallResult:
    """A provider that cannot answer."""
    return Failed(result.call, "case", result.record, "unavailable", None)  # type: ignore[union-attr]  # never NoAnswer here
