"""The golden examples of license-exchange: a type, a licence and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from golden_examples import AGENCY, EXCHANGE, FOOD, TAX, Example

DEFINER: Final = "91110000600037341L"
"""The tax department: who defines the type, and issues."""
TYPE: Final = f"{DEFINER}032"
LICENSE: Final = "ac7803b848df4f32ec75c59b5497a39c"
GRANT: Final = "0b54e6bd7a014f2e8c8e8b6f0d6f3a51"
DISPUTE: Final = "7be7bf8d4fbaf3fc7ef1c1c64bf8b0a1"
PURPOSE: Final = "food-business-licence"
FIELDS: Final = ["premises", "holder_name"]
DEADLINE: Final = "2026-12-07T16:00:00Z"
UNTIL: Final = "2026-11-23T02:22:00.123456Z"
KEY: Final = {
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
"""The key of RFC 8037, A.1 and A.3."""
ASSERTION: Final = "header.payload.signature"
LICENSE_TYPE: Final = {
    "code": TYPE,
    "name": "食品经营许可证",
    "name_en": "Food business licence",
    "holders": ["person", "organisation"],
    "fields": [
        {"name": "premises", "title": "经营场所", "type": "C", "length": 200},
        {"name": "area", "title": "面积", "type": "N", "required": False},
    ],
    "issuers": [DEFINER],
}
CONTENT: Final = {
    "serial": "2430599",
    "number": "JY11101080012345",
    "holder": {"kind": "person", "name": "阿甲某"},
    "valid_from": "2026-11-23",
    "valid_until": "2031-11-22",
    "jurisdiction": "110102",
    "fields": {"premises": "某市某区某街1号", "area": 120},
}
SHOWN: Final = {
    "license": LICENSE,
    "type": TYPE,
    "version": 1,
    "state": "active",
    "fields": {"premises": "某市某区某街1号", "holder_name": "阿甲某"},
    "sd_jwt": "header.payload.signature~disclosure~disclosure~",
}
INBOXES: Final = {TAX: "inbox-tax-register", FOOD: "inbox-food-permits", AGENCY: "inbox-agency"}


def commands() -> list[Example]:
    """What departments and the agency ask license-exchange."""

    def asked(
        kind: str,
        source: str,
        data: dict[str, Any],
        sealed: Mapping[str, object] | None = None,
        actor: str | None = None,
    ) -> Example:
        attached: dict[str, tuple[object, str]]
        attached = {name: (text, EXCHANGE) for name, text in (sealed or {}).items()}
        kind = f"license-exchange.{kind}.v1"
        return Example(kind, source, "license-exchange-commands", data, attached, actor=actor)

    changed = {"license": LICENSE, "grounds": "holder-request"}
    wanted = {"type": TYPE, "fields": FIELDS}
    issued = {"type": TYPE, "revision": 1}
    person = {"assertion": ASSERTION}
    statement = {"statement": {"text": "面积与现场不符"}}
    return [
        asked("register-license-type", TAX, {"license_type": LICENSE_TYPE}),
        asked("open-issuer", TAX, {}),
        asked("delegate-issuer", TAX, {"key": KEY}),
        asked("issue-license", TAX, issued, {"content": CONTENT, **person}, "official-12"),
        asked(
            "request-license-fields",
            FOOD,
            wanted | {"purpose": PURPOSE, "grant": GRANT},
            person,
            "official-07",
        ),
        asked("open-presentation", FOOD, wanted, person),
        asked(
            "verify-presentation",
            TAX,
            {"purpose": "inspection"},
            {"code": {"code": "7KQ2-M0XA-9RTD-3ZHC"}},
        ),
        asked("raise-dispute", FOOD, {"license": LICENSE, "fields": ["area"]}, statement),
        asked("amend-license", TAX, changed | {"grounds": "correction"}, {"content": CONTENT}),
        asked("answer-dispute", TAX, {"dispute": DISPUTE, "outcome": "corrected"}, statement),
        asked("suspend-license", TAX, changed),
        asked("resume-license", TAX, changed),
        asked("revoke-license", TAX, changed),
        asked("erase-holder", AGENCY, {"legal_basis": "个人信息保护法第四十七条"}, person),
        Example("license-exchange.tick.v1", EXCHANGE, "license-exchange-commands", {}),
    ]


def decisions() -> list[Example]:
    """What license-exchange decides."""

    def answer(
        kind: str,
        cause: str,
        to: str,
        data: dict[str, Any],
        sealed: Mapping[str, object] | None = None,
    ) -> Example:
        attached: dict[str, tuple[object, str]]
        attached = {name: (text, to) for name, text in (sealed or {}).items()}
        return Example(
            f"license-exchange.{kind}.v1",
            EXCHANGE,
            INBOXES[to],
            data,
            attached,
            f"license-exchange.{cause}.v1",
        )

    first, second = {"license": LICENSE, "version": 1}, {"license": LICENSE, "version": 2}
    shared = {"type": TYPE, "grant": GRANT, "fields": FIELDS}
    illegal = {"reason": "illegal-transition", "state": "revoked"}
    ungranted = {"reason": "field-not-granted", "fields": ["area"]}
    return [
        answer(
            "license-type-accepted", "register-license-type", TAX, {"type": TYPE, "revision": 1}
        ),
        answer(
            "license-type-refused",
            "register-license-type",
            TAX,
            {"reason": "incompatible", "field": "area"},
        ),
        answer("issuer-opened", "open-issuer", TAX, {"key": KEY}),
        answer("issuer-delegation-accepted", "delegate-issuer", TAX, {"key": KEY}),
        answer("issuer-refused", "delegate-issuer", TAX, {"reason": "unknown-key"}),
        answer("license-issued", "issue-license", TAX, first),
        answer("license-amended", "amend-license", TAX, second),
        answer("license-suspended", "suspend-license", TAX, second),
        answer("license-resumed", "resume-license", TAX, second),
        answer("license-revoked", "revoke-license", TAX, second),
        answer("license-refused", "revoke-license", TAX, illegal),
        answer("holder-erased", "erase-holder", AGENCY, {}),
        answer("erasure-refused", "erase-holder", AGENCY, {"reason": "unknown-holder"}),
        answer(
            "license-fields-shared",
            "request-license-fields",
            FOOD,
            shared,
            {"answer": {"licenses": [SHOWN], "others": []}},
        ),
        answer("sharing-refused", "request-license-fields", FOOD, ungranted),
        answer(
            "presentation-opened",
            "open-presentation",
            FOOD,
            {"expires_at": UNTIL},
            {"code": {"code": "7KQ2-M0XA-9RTD-3ZHC"}},
        ),
        answer(
            "presentation-verified",
            "verify-presentation",
            TAX,
            {"purpose": "inspection"},
            {"answer": SHOWN},
        ),
        answer("presentation-refused", "verify-presentation", TAX, {"reason": "code-used"}),
        answer(
            "dispute-accepted",
            "raise-dispute",
            FOOD,
            {"dispute": DISPUTE, "answer_by": DEADLINE},
        ),
        answer("dispute-answer-accepted", "answer-dispute", TAX, {"dispute": DISPUTE}),
        answer("dispute-refused", "answer-dispute", TAX, {"reason": "not-corrected"}),
        answer("command-refused", "issue-license", TAX, {"reason": "unknown-type"}),
    ]


def facts() -> list[Example]:
    """Notices, and what everyone may know."""

    def told(
        kind: str,
        inbox: str,
        data: dict[str, Any],
        cause: str,
        sealed: dict[str, tuple[object, str]] | None = None,
    ) -> Example:
        return Example(
            f"license-exchange.{kind}.v1",
            EXCHANGE,
            inbox,
            data,
            sealed or {},
            f"license-exchange.{cause}.v1",
        )

    def public(kind: str, data: dict[str, Any], cause: str) -> Example:
        return told(kind, "license-exchange-events", data, cause)

    statement = {"text": "面积与现场不符"}
    changed = {
        "license": LICENSE,
        "version": 2,
        "change": "amended",
        "grounds": "correction",
    }
    raised = {
        "dispute": DISPUTE,
        "license": LICENSE,
        "fields": ["area"],
        "raised_by": "11110000000012345X",
        "answer_by": DEADLINE,
    }
    answered = {"dispute": DISPUTE, "license": LICENSE, "outcome": "corrected"}
    overdue = {"dispute": DISPUTE, "license": LICENSE, "answer_by": DEADLINE}
    return [
        public(
            "license-type-registered",
            {"license_type": LICENSE_TYPE, "revision": 1},
            "register-license-type",
        ),
        public("issuer-delegated", {"department": DEFINER, "key": KEY}, "delegate-issuer"),
        public(
            "status-list-renewed",
            {"list": 1, "issuer": DEFINER, "renewal": 1},
            "amend-license",
        ),
        told("license-changed", INBOXES[FOOD], changed, "amend-license"),
        told(
            "dispute-raised",
            INBOXES[TAX],
            raised,
            "raise-dispute",
            {"statement": (statement, TAX)},
        ),
        told(
            "dispute-answered",
            INBOXES[FOOD],
            answered,
            "answer-dispute",
            {"statement": (statement, FOOD)},
        ),
        told("dispute-overdue", INBOXES[FOOD], overdue, "tick"),
    ]
