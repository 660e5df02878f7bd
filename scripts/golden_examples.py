"""The golden examples: one message of each type, and whose keys they are made with."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sanyuan.common.notes import SigningKey
from sanyuan.common.sealing import SUITE_NAME, SealingKey
from sanyuan.common.sources import key_name

AGENCY: Final = "//cn/agency/11100000000013338W/agency"
FOOD: Final = "//cn/departments/11110000000012345X/food-permits"
TAX: Final = "//cn/departments/91110000600037341L/tax-register"
IDENTITY: Final = "//cn/services/identity"
CATALOG: Final = "//cn/services/catalog"
EXCHANGE: Final = "//cn/services/license-exchange"
AUDIT: Final = "//cn/services/audit"
SUPERVISOR: Final = "//cn/supervisors/11100000MB1600001J/inspection"
SOURCES: Final = (AGENCY, IDENTITY, AUDIT, FOOD, TAX, CATALOG, EXCHANGE, SUPERVISOR)
ORIGIN: Final = "cn/log/2026"
JTI: Final = "5f4dcc3b5aa765d61d8327deb882cf99"
NUMBER: Final = "11010519491231002X"
"""The sample of GB 11643 itself."""


def seed(of: str) -> bytes:
    """32 bytes that anyone can compute: these keys are examples."""
    return hashlib.sha256(of.encode()).digest()


def signing(source: str) -> SigningKey:
    """The key of a source, or of the log."""
    return SigningKey.from_seed(key_name(source), seed(f"signing {source}"))


def sealing(source: str) -> SealingKey:
    """The key that opens what is sealed to a source."""
    return SealingKey.from_base64(b64encode(seed(f"sealing {source}")).decode())


@dataclass(frozen=True)
class Example:
    """One message; ``cause`` is the type of the record that it answers.

    ``sealed``: attachment → plaintext and whose key; ``forwarded``: attachment → the type of the
    example that it comes from.
    """

    type: str
    source: str
    topic: str
    data: dict[str, Any]
    sealed: dict[str, tuple[object, str]] = field(default_factory=dict)
    cause: str | None = None
    actor: str | None = None
    forwarded: dict[str, str] = field(default_factory=dict)


def registered(source: str) -> dict[str, Any]:
    """The data of a system's registration."""
    name = source.rsplit("/", 1)[1]
    service = "/services/" in source
    return {
        "source": source,
        "role": "service" if service else "department",
        "signing_key": str(signing(source).verifier),
        "sealing_key": sealing(source).public.to_base64(),
        "suite": SUITE_NAME,
        "inbox": None if service else f"inbox-{name}",
        "node": name,
    }


def participants() -> list[Example]:
    """What the agency writes; the keys added and revoked are a second pair of the department."""
    second = str(SigningKey.from_seed(key_name(FOOD), seed("second")).verifier)
    founded = {
        "domain": "cn",
        "agency_key": str(signing(AGENCY).verifier),
        "log_origin": ORIGIN,
        "log_key": str(SigningKey.from_seed(ORIGIN, seed("log")).verifier),
    }
    return [
        Example(kind, AGENCY, "participants", data)
        for kind, data in (
            ("domain.founded.v1", founded),
            (
                "participant.registered.v1",
                {
                    "participant": "11110000000012345X",
                    "role": "department",
                    "name": "市场监督管理局",
                    "name_en": "Market supervision",
                },
            ),
            ("participant.system-registered.v1", registered(FOOD)),
            ("participant.key-added.v1", {"source": FOOD, "signing_key": second}),
            (
                "participant.key-revoked.v1",
                {"source": FOOD, "signing_key": second, "reason": "replaced"},
            ),
            (
                "participant.system-superseded.v1",
                {
                    "source": FOOD,
                    "successor": f"{FOOD}~2",
                    "heads": [["cn/identity-commands", 3, seed("head").hex()]],
                },
            ),
            (
                "participant.permitted.v1",
                {
                    "participant": "11110000000012345X",
                    "service": "identity",
                    "purposes": ["food-business-licence"],
                },
            ),
            (
                "participant.delegated.v1",
                {
                    "operator": "91110000600037341L",
                    "onbehalfof": "11110000000012345X",
                    "matter": "food-business-licence",
                },
            ),
        )
    ]


def verifying(kind: str, subject: dict[str, Any]) -> Example:
    """A question to identity."""
    data = {
        "purpose": "food-business-licence",
        "legal_basis": "食品安全法第三十五条",
        "audience": "license-exchange",
    }
    return Example(
        kind, FOOD, "identity-commands", data, {"subject": (subject, IDENTITY)}, actor="official-07"
    )


PERSON: Final = "identity.verify-person.v1"
ORGANISATION: Final = "identity.verify-organisation.v1"


def commands() -> list[Example]:
    """What a department asks identity."""
    person = {"name": "阿甲某", "number": NUMBER, "mobile": "13800138000"}
    organisation = {
        "name": "丙行",
        "code": "91110000600037341L",
        "representative": {"name": "阿甲某", "number": NUMBER},
    }
    return [
        verifying(PERSON, person),
        verifying(ORGANISATION, organisation),
        Example("identity.revoke-assertion.v1", FOOD, "identity-commands", {"jti": JTI}),
        Example(
            "identity.erase-person.v1",
            FOOD,
            "identity-commands",
            {"legal_basis": "个人信息保护法第四十七条"},
            {"subject": ({"number": NUMBER}, IDENTITY)},
        ),
    ]


def decisions() -> list[Example]:
    """What identity answers, into the department's inbox."""

    def answer(kind: str, cause: str, data: dict[str, Any], *, assertion: bool = False) -> Example:
        sealed: dict[str, tuple[object, str]] = (
            {"assertion": ("header.payload.signature", FOOD)} if assertion else {}
        )
        return Example(f"identity.{kind}.v1", IDENTITY, "inbox-food-permits", data, sealed, cause)

    revoke, erase = "identity.revoke-assertion.v1", "identity.erase-person.v1"
    return [
        answer("person-verified", PERSON, {"level": "three-factor"}, assertion=True),
        answer("person-not-verified", PERSON, {}),
        answer(
            "organisation-verified",
            ORGANISATION,
            {"level": "with-representative", "questionable": False},
            assertion=True,
        ),
        answer("organisation-not-verified", ORGANISATION, {}),
        answer("verification-refused", PERSON, {"reason": "locked"}),
        answer("assertion-revocation-accepted", revoke, {"jti": JTI}),
        answer("revocation-refused", revoke, {"reason": "unknown-assertion"}),
        answer("person-erased", erase, {}),
        answer("erasure-refused", erase, {"reason": "not-permitted"}),
        answer(
            "command-refused",
            PERSON,
            {"reason": "malformed", "detail": "Field required (data.legal_basis)"},
        ),
        Example(
            "identity.assertion-revoked.v1", IDENTITY, "identity-events", {"jti": JTI}, cause=revoke
        ),
    ]


def rejected() -> dict[str, Any]:
    """What a dead letter and a digest leaf have in common."""
    return {
        "topic": "identity-commands",
        "partition": 3,
        "reason": "bad-signature",
        "first_offset": 41,
        "last_offset": 44,
        "count": 2,
        "digest": seed("two raw values").hex(),
    }


def records_of_the_log(refs: Mapping[str, Mapping[str, Any]]) -> list[Example]:
    """Leaves of audit's own, and identity's dead letter."""
    ref = refs[PERSON]
    row = [ref["source"], ref["topic"], 1, int(ref["sequence"]), ref["hash"]]
    place = {"source": FOOD, "topic": "cn/identity-commands", "expected": 5}
    seal = {
        "part": 1,
        "parts": 1,
        "previous_seal": None,
        "positions": {"identity-commands": {"3": 42}},
        "rows": [row],
    }
    equivocation = {
        "source": FOOD,
        "topic": "cn/identity-commands",
        "sequence": 1,
        "first": ref["hash"],
        "second": seed("another value").hex(),
        "signature": signing(FOOD).sign(b"another value\n"),
    }
    withhold = {
        "log": ORIGIN,
        "index": 7,
        "entry": seed("a leaf").hex(),
        "record": {key: ref[key] for key in ("source", "topic", "sequence", "hash")},
        "ground": "a citizen number stands in a value",
    }
    refused = {"order": 52, "reason": "already-withheld"}
    checkpoint = f"{ORIGIN}\n60\n{b64encode(seed('a root')).decode()}\n"
    signature = SigningKey.from_seed(ORIGIN, seed("signing log")).sign(checkpoint.encode())
    carried = {
        "part": 1,
        "parts": 1,
        "log": ORIGIN,
        "checkpoint": f"{checkpoint}\n{signature}\n",
        "positions": {"identity-commands": {"3": 42}},
        "gaps": [[FOOD, "cn/identity-commands", 5, 7]],
        "heads": [[ref["source"], ref["topic"], int(ref["sequence"]), ref["hash"]]],
    }
    letter = {"service": "identity", **rejected(), "detail": "the signature does not match"}
    return [
        Example("service.records-rejected.v1", IDENTITY, "dead-letters", letter),
        Example("log.sealed.v1", AUDIT, "log", seal),
        Example("log.gap.v1", AUDIT, "log", {**place, "seen": 7}),
        Example("log.gap-closed.v1", AUDIT, "log", {**place, "gap": 30}),
        Example("log.equivocation.v1", AUDIT, "log", equivocation),
        Example("log.digest.v1", AUDIT, "log", rejected()),
        Example("audit.withhold-entry.v1", SUPERVISOR, "audit-commands", withhold),
        Example("log.withheld.v1", AUDIT, "log", {"order": 51, "index": 7}),
        Example("log.withholding-refused.v1", AUDIT, "log", refused),
        Example("log.closed.v1", AUDIT, "log", {"next": "cn/log/2027"}),
        Example("log.carried-over.v1", AUDIT, "log", carried),
    ]
