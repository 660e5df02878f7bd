"""Verifying a presentation: RFC 9901 §7, SD-JWT VC, RFC 8725; every MUST with what breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.sdjwt.conftest import (
    AT,
    CLAIMS,
    ISSUER,
    KEY,
    KEYS,
    LIST,
    OTHER,
    STATUS,
    VCT,
    digest,
    disclose,
    encode,
    present,
    sign,
)

from sanyuan.common.sdjwt.credential import Credential, StatusReference, verify_credential
from sanyuan.common.sdjwt.errors import (
    ClaimError,
    DisclosureError,
    MalformedTokenError,
    SdJwtError,
    UntrustedTokenError,
)
from sanyuan.common.sdjwt.issuing import issue
from sanyuan.common.sdjwt.keys import key_set

NAME = disclose("salt", "name", "阿甲某")
SD = {"_sd": [digest(NAME)], "_sd_alg": "sha-256"}


def verify(presentation: str, **policy: Any) -> Credential:  # noqa: ANN401  any policy
    return verify_credential(presentation, KEYS, **{"at": AT, **policy})


def test_a_presentation_says_what_was_disclosed_and_no_more() -> None:
    shown = verify(present(SD, NAME), vct=VCT)
    assert shown == Credential(
        ISSUER, VCT, KEY.kid, {**CLAIMS, "name": "阿甲某"}, StatusReference(LIST, 3)
    )
    assert "name" not in verify(present(SD)).claims
    assert "阿甲某" not in repr(shown)


def test_what_we_issue_verifies() -> None:
    issued = issue(CLAIMS, {"a": 1, "b": "二"}, seed=bytes(32), key=KEY, absent=["c"])
    assert verify(issued.present({"a", "b"})).claims == {**CLAIMS, "a": 1, "b": "二"}
    assert verify(issued.present({"b"})).claims == {**CLAIMS, "b": "二"}
    assert verify(issued.present(())).claims == CLAIMS


FORMS = [
    ("no tilde at the end", present(SD, NAME).removesuffix("~")),
    ("no tilde at all", sign(CLAIMS)),
    ("a key-binding JWT", present(SD, NAME) + sign({"nonce": "1"}, typ="kb+jwt")),
    ("an empty disclosure", present(SD, NAME) + "~"),
    ("nothing", ""),
    ("a tilde", "~"),
    ("two parts", "a.b~"),
    ("four parts", sign(CLAIMS) + ".a~"),
    ("padded", sign(CLAIMS) + "=~"),
    ("not ASCII", "é~"),
    ("no signature", sign(CLAIMS).rpartition(".")[0] + ".~"),
    ("endless", "a" * 2_000_000),
]


@pytest.mark.parametrize("presentation", [row[1] for row in FORMS], ids=[row[0] for row in FORMS])
def test_what_is_not_in_the_form_of_an_sd_jwt_is_rejected(presentation: str) -> None:
    """RFC 9901 §4: the last part is empty; §7.2: a holder's SD-JWT+KB where none is expected."""
    with pytest.raises(MalformedTokenError):
        verify(presentation)


HEADERS: list[dict[str, Any]] = [
    {"alg": "none"},
    {"alg": "EdDSA"},
    {"alg": "HS256"},
    {"alg": None},
    {"typ": None},
    {"typ": "JWT"},
    {"typ": "vc+sd-jwt"},
    {"typ": "DC+SD-JWT"},
    {"typ": "statuslist+jwt"},
    {"kid": "unknown"},
    {"kid": 1},
    {"crit": ["exp"]},
    {"crit": []},
]


@pytest.mark.parametrize("header", HEADERS)
def test_algorithm_type_and_key_are_ours_to_choose(header: dict[str, Any]) -> None:
    """RFC 9901 §7.1 step 2.1, RFC 8725 §3.1 and §3.11: whatever the token says of itself."""
    head = {"alg": "Ed25519", "typ": "dc+sd-jwt", "kid": KEY.kid} | header
    head = {name: value for name, value in head.items() if value is not None}
    _, payload, signature = sign(CLAIMS).split(".")
    with pytest.raises(UntrustedTokenError):
        verify(f"{encode(json.dumps(head).encode())}.{payload}.{signature}~")


def test_an_unsigned_token_is_rejected() -> None:
    """RFC 9901 §4.1 and §9.1."""
    head = encode(b'{"alg":"none","typ":"dc+sd-jwt"}')
    payload = encode(json.dumps(CLAIMS).encode())
    with pytest.raises(SdJwtError):
        verify(f"{head}.{payload}.~")
    with pytest.raises(UntrustedTokenError):
        verify(f"{head}.{payload}.AAAA~")


def test_the_key_belongs_to_the_issuer() -> None:
    """RFC 9901 §7.1 step 2.3: a good signature by somebody else's key, or of somebody else."""
    with pytest.raises(UntrustedTokenError):
        verify(sign(CLAIMS, OTHER) + "~")
    with pytest.raises(UntrustedTokenError):
        verify(sign(CLAIMS, OTHER, kid=KEY.kid) + "~")
    other = ISSUER + "2"
    with pytest.raises(UntrustedTokenError):
        verify(sign({**CLAIMS, "iss": other}) + "~")
    both = {**KEYS, other: key_set(OTHER.x)}
    with pytest.raises(UntrustedTokenError):
        verify_credential(sign({**CLAIMS, "iss": other}) + "~", both, at=AT)
    with pytest.raises(UntrustedTokenError):
        verify_credential(sign(CLAIMS, OTHER) + "~", both, at=AT)


def test_a_token_without_key_name_is_checked_under_the_only_key() -> None:
    assert verify(sign(CLAIMS, kid=None) + "~").kid == KEY.kid
    with pytest.raises(UntrustedTokenError):
        verify_credential(sign(CLAIMS, kid=None) + "~", {ISSUER: key_set(KEY.x, OTHER.x)}, at=AT)


def test_a_changed_disclosure_is_rejected() -> None:
    """RFC 9901 §9.2."""
    with pytest.raises(DisclosureError):
        verify(present(SD, disclose("salt", "name", "somebody else")))


PRESENTATION = present(SD, NAME)


@given(st.integers(0, len(PRESENTATION) - 1), st.sampled_from("AQgw-_=.~+/ \n"))
def test_no_character_of_a_presentation_can_change(place: int, character: str) -> None:
    changed = PRESENTATION[:place] + character + PRESENTATION[place + 1 :]
    if changed != PRESENTATION:
        with pytest.raises(SdJwtError):
            verify(changed)


@pytest.mark.parametrize("name", ["iss", "vct", "status"])
def test_claims_that_decide_about_validity_must_be_there(name: str) -> None:
    """RFC 9901 §9.7 and §7.1 step 6."""
    with pytest.raises(SdJwtError):
        verify(sign({n: v for n, v in CLAIMS.items() if n != name}) + "~")


def test_a_verifier_may_ask_for_more_or_for_less() -> None:
    claims = {n: v for n, v in CLAIMS.items() if n not in ("exp", "status")}
    assert verify(sign(claims) + "~", required=()).status is None
    with pytest.raises(ClaimError):
        verify(sign(claims) + "~", required=("exp",))


@pytest.mark.parametrize("name", ["nbf", "exp", "cnf", "vct#integrity", "aka_vcts", "aud"])
def test_claims_that_decide_about_validity_are_never_disclosed_selectively(name: str) -> None:
    """SD-JWT VC, "Registered JWT Claims"; also for a claim that is not there in the clear."""
    disclosure = disclose("salt", name, AT + 10)
    claims = {n: v for n, v in CLAIMS.items() if n != name}
    with pytest.raises(ClaimError):
        verify(sign({**claims, "_sd": [digest(disclosure)]}) + f"~{disclosure}~")


def test_parts_of_the_status_are_never_disclosed_selectively() -> None:
    index = disclose("salt", "idx", 4)
    status = {"status_list": {"uri": LIST, "_sd": [digest(index)]}}
    for shown in ([], [index]):
        with pytest.raises(ClaimError):
            verify(present({"status": status}, *shown))


TIMES: list[dict[str, Any]] = [
    {"exp": AT},
    {"exp": AT - 1},
    {"exp": "soon"},
    {"exp": True},
    {"nbf": AT + 1},
    {"nbf": "now"},
    {"nbf": [AT]},
]


@pytest.mark.parametrize("claims", TIMES)
def test_a_credential_holds_from_its_beginning_to_its_end(claims: dict[str, Any]) -> None:
    with pytest.raises(ClaimError):
        verify(present(claims))


def test_an_end_may_have_a_fraction_or_be_none_at_all() -> None:
    assert verify(present({"exp": AT + 0.5})).claims["exp"] == AT + 0.5
    claims = {name: value for name, value in CLAIMS.items() if name not in ("exp", "nbf")}
    assert verify(sign(claims) + "~", at=1e12).issuer == ISSUER


def test_a_credential_for_somebody_else_or_of_another_type_is_rejected() -> None:
    others: list[dict[str, Any]]
    others = [{"aud": "somebody"}, {"aud": []}, {"vct": 1}, {"vct": VCT + "2"}]
    for wrong in others:
        with pytest.raises(ClaimError):
            verify(present(wrong), vct=VCT)


@pytest.mark.parametrize(
    "status",
    [
        None,
        1,
        {},
        {"status_list": None},
        {"status_list": {"idx": 1}},
        {"status_list": {"uri": LIST}},
        {"status_list": {"idx": -1, "uri": LIST}},
        {"status_list": {"idx": True, "uri": LIST}},
        {"status_list": {"idx": "1", "uri": LIST}},
        {"status_list": {"idx": 1.0, "uri": LIST}},
        {"status_list": {"idx": 1, "uri": ""}},
        {"status_list": {"idx": 1, "uri": [LIST]}},
    ],
)
def test_a_status_that_names_no_list_is_rejected(status: object) -> None:
    """Token Status List §6.2."""
    if status is None:
        assert verify(present({"status": status}), required=()).status is None
        return
    with pytest.raises(ClaimError):
        verify(present({"status": status}))


AMBIGUOUS = [
    b'{"iss":"a","iss":"b"}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":"\\ud800"}',
    b'{"a":"\xff"}',
    b"[1]",
    b'"text"',
    b"{",
    b"[" * 100_000,
    b'{"a":' + b"1" * 5_000 + b"}",
]


@pytest.mark.parametrize("payload", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
def test_json_that_two_readers_could_read_differently_is_rejected(payload: bytes) -> None:
    """RFC 7515 §4, RFC 7519 §4, RFC 8259 §8."""
    with pytest.raises(MalformedTokenError):
        verify(sign(payload) + "~")
    with pytest.raises(SdJwtError):
        verify(present(SD, encode(payload)))


def test_a_header_with_two_types_is_rejected() -> None:
    head = f'{{"alg":"Ed25519","typ":"dc+sd-jwt","kid":"{KEY.kid}","typ":"dc+sd-jwt"}}'
    _, payload, signature = sign(CLAIMS).split(".")
    with pytest.raises(MalformedTokenError):
        verify(f"{encode(head.encode())}.{payload}.{signature}~")


def test_claims_of_a_type_that_is_not_known_are_passed_on() -> None:
    assert verify(present({"more": {"deep": [1, None]}})).claims["more"] == {"deep": [1, None]}
    assert verify(present({"status": {**STATUS, "other": 1}})).status == StatusReference(LIST, 3)
