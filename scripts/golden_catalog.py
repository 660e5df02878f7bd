"""The golden examples of the catalog: a resource, a grant and a call from begin to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from golden_examples import AGENCY, CATALOG, FOOD, TAX, Example, sealing

CODE: Final = "307001/000017"
GRANT: Final = "0b54e6bd7a014f2e8c8e8b6f0d6f3a51"
CALLER: Final = "11110000000012345X"
PROVIDER: Final = "91110000600037341L"
PURPOSE: Final = "food-business-licence"
LEGAL_BASIS: Final = "食品安全法第三十五条"
DEADLINE: Final = "2026-12-07T16:00:00Z"
CALL: Final = "call.requested.v1"

BOUNDS: Final = {
    "fields": ["status", "registered_on"],
    "quota": 10_000,
    "rate": 20,
    "until": "2027-11-23T00:00:00Z",
}
TERMS: Final = {
    "grant": GRANT,
    "resource": CODE,
    "grantee": CALLER,
    "purpose": PURPOSE,
    "bounds": BOUNDS,
    "serving_system": TAX,
    "answer_within": 5,
    "needs_assertion": True,
}
RESOURCE: Final = {
    "code": CODE,
    "classification": ["部门政务信息资源", "税务", "登记"],
    "name": "税务登记信息",
    "name_en": "Tax registrations",
    "summary": "纳税人的登记状态和登记日期",
    "summary_en": "Status and date of a taxpayer's registration",
    "provider": PROVIDER,
    "format": "service-interface",
    "items": [
        {"name": "status", "title": "登记状态", "type": "C", "length": 20, "element": "DE00017"},
        {"name": "registered_on", "title": "登记日期", "type": "D"},
        {"name": "note", "title": "备注", "type": "C", "length": 200, "required": False},
    ],
    "parameters": [{"name": "code", "title": "统一社会信用代码", "type": "C", "length": 18}],
    "sharing": {"type": "conditional", "conditions": "仅限行政许可审查", "mode": "platform"},
    "openness": "not-open",
    "update_cycle": "real-time",
    "related": ["307001/000003"],
    "serving_system": TAX,
    "answer_within": 5,
    "needs_assertion": True,
}


def commands() -> list[Example]:
    """What departments and the agency ask the catalog."""

    def asked(kind: str, source: str, data: dict[str, Any]) -> Example:
        return Example(f"catalog.{kind}.v1", source, "catalog-commands", data)

    reviewed = [
        {"resource": CODE, "revision": 1, "publish": True},
        {"resource": "307001/000018", "revision": 1, "publish": False, "reason": "条件不明确"},
    ]
    wanted = {"resource": CODE, "purpose": PURPOSE, "legal_basis": LEGAL_BASIS, "bounds": BOUNDS}
    return [
        asked("submit-resource", TAX, {"resource": RESOURCE}),
        asked("review-resource", AGENCY, {"reviewed": reviewed}),
        asked("revise-resource", TAX, {"resource": RESOURCE | {"answer_within": 3}}),
        asked("request-grant", FOOD, wanted),
        asked("decide-grant", TAX, {"request": GRANT, "allow": True, "bounds": BOUNDS}),
        Example(
            CALL,
            FOOD,
            "calls",
            {"grant": GRANT, "serving_system": TAX},
            {
                "parameters": ({"code": "91110000600037341L"}, TAX),
                "assertion": ("header.payload.signature", CATALOG),
            },
            actor="official-07",
        ),
        asked("revoke-grant", TAX, {"grant": GRANT, "reason": "许可审查已经结束"}),
        asked("withdraw-resource", TAX, {"resource": CODE, "reason": "并入统一登记系统"}),
        Example("catalog.tick.v1", CATALOG, "catalog-commands", {}),
    ]


def decisions(ids: Mapping[str, str]) -> list[Example]:
    """What the catalog decides: an admitted call in the provider's inbox, else in the asker's."""
    inboxes = {TAX: "inbox-tax-register", FOOD: "inbox-food-permits", AGENCY: "inbox-agency"}

    def answer(kind: str, cause: str, to: str, data: dict[str, Any]) -> Example:
        asked = f"catalog.{cause}.v1"
        return Example(f"catalog.{kind}.v1", CATALOG, inboxes[to], data, cause=asked)

    outcomes = [
        {"resource": CODE, "revision": 1, "result": "published"},
        {
            "resource": "307001/000018",
            "revision": 1,
            "result": "refused",
            "reason": "unknown-resource",
        },
    ]
    claimed = {"reason": "element-claimed", "source_resource": "307001/000003"}
    pending = {"request": GRANT, "decide_by": DEADLINE}
    admitted = {
        "grant": GRANT,
        "resource": CODE,
        "purpose": PURPOSE,
        "fields": BOUNDS["fields"],
        "caller": FOOD,
        "reply_to": inboxes[FOOD],
        "caller_key": sealing(FOOD).key_id,
        "answer_by": "2026-11-23T02:17:52.123456Z",
        "call_id": ids[CALL],
        "level": "three-factor",
    }
    return [
        answer("resource-submitted", "submit-resource", TAX, {"resource": CODE, "revision": 1}),
        answer("resources-reviewed", "review-resource", AGENCY, {"outcomes": outcomes}),
        answer("resource-withdrawal-accepted", "withdraw-resource", TAX, {"resource": CODE}),
        answer("resource-refused", "revise-resource", TAX, claimed),
        answer("grant-issued", "request-grant", FOOD, {"terms": TERMS}),
        answer("grant-pending", "request-grant", FOOD, pending),
        answer("grant-refused", "request-grant", FOOD, {"reason": "unknown-field"}),
        answer("grant-decision-accepted", "decide-grant", TAX, {"request": GRANT, "grant": GRANT}),
        answer("grant-revocation-accepted", "revoke-grant", TAX, {"grant": GRANT}),
        answer("command-refused", "request-grant", FOOD, {"reason": "unknown-type"}),
        Example(
            "call.admitted.v1",
            CATALOG,
            inboxes[TAX],
            admitted,
            cause=CALL,
            forwarded={"parameters": CALL},
        ),
        Example("call.refused.v1", CATALOG, inboxes[FOOD], {"reason": "quota"}, cause=CALL),
    ]


def answers(refs: Mapping[str, Mapping[str, Any]]) -> list[Example]:
    """What the provider's system sends straight to the caller."""
    call = dict(refs[CALL])
    found = {"status": "正常", "registered_on": "2019-05-07"}
    return [
        Example(
            "call.answered.v1",
            TAX,
            "inbox-food-permits",
            {"call": call, "fields": BOUNDS["fields"], "found": True},
            {"answer": (found, FOOD)},
            cause=CALL,
        ),
        Example(
            "call.failed.v1",
            TAX,
            "inbox-food-permits",
            {"call": call, "reason": "unavailable", "detail": "the database is being restored"},
            cause=CALL,
        ),
    ]


def facts() -> list[Example]:
    """Notices, and what everyone may know."""
    request, tick = "catalog.request-grant.v1", "catalog.tick.v1"
    asked = {
        "request": GRANT,
        "resource": CODE,
        "grantee": CALLER,
        "purpose": PURPOSE,
        "legal_basis": LEGAL_BASIS,
        "bounds": BOUNDS,
        "decide_by": DEADLINE,
    }
    decided = {"request": GRANT, "allow": True, "terms": TERMS}
    overdue = {"request": GRANT, "resource": CODE, "decide_by": DEADLINE}
    rejected = {"resource": "307001/000018", "revision": 1, "reason": "条件不明确"}

    def told(kind: str, inbox: str, data: dict[str, Any], cause: str) -> Example:
        return Example(f"catalog.{kind}.v1", CATALOG, inbox, data, cause=cause)

    def public(kind: str, data: dict[str, Any], cause: str) -> Example:
        return told(kind, "catalog-events", data, f"catalog.{cause}.v1")

    return [
        told("grant-requested", "inbox-tax-register", asked, request),
        told("grant-decided", "inbox-food-permits", decided, "catalog.decide-grant.v1"),
        told("grant-overdue", "inbox-food-permits", overdue, tick),
        public(
            "resource-published",
            {"resource": RESOURCE, "revision": 1, "supersedes": 0},
            "review-resource",
        ),
        public("resource-rejected", rejected, "review-resource"),
        public(
            "resource-withdrawn",
            {"resource": CODE, "reason": "并入统一登记系统"},
            "withdraw-resource",
        ),
        public("grant-opened", {"terms": TERMS}, "decide-grant"),
        public(
            "grant-revoked",
            {"grant": GRANT, "resource": CODE, "reason": "许可审查已经结束"},
            "revoke-grant",
        ),
    ]
